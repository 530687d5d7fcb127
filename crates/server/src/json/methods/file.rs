//! Places for files, whose content is then put there as by any client (XEP-0363).

use std::collections::BTreeMap;

use waxwing_chat::files::Purpose;
use waxwing_chat::files::slots::{FileOrder, GIVEN_NAME_BYTES_LIMIT, SlotRefusal};
use waxwing_chat::rosters::Owner;

use crate::json::error::{Condition, Fault};
use crate::json::method::{Call, Method, method};
use crate::json::types::{FileBegin, FileBegun, FileUpload};

/// The methods.
pub(super) const METHODS: &[Method] = &[method!(
    "file.begin",
    "Asks for a place for a file. Its content is put there next, and a message names it then.",
    FileBegin => FileBegun,
    begin
)];

async fn begin(call: Call, params: FileBegin) -> Result<FileBegun, Fault> {
    if params.bytes == 0 {
        return Err(Fault::field("bytes", "A file has at least one byte."));
    }
    if params.name.is_empty() || params.name.len() > GIVEN_NAME_BYTES_LIMIT {
        let sentence = format!("A file has a name of at most {GIVEN_NAME_BYTES_LIMIT} bytes.");
        return Err(Fault::field("name", sentence));
    }
    let order = FileOrder {
        name: params.name,
        size: params.bytes,
        media_type: Some(params.media_type).filter(|media_type| !media_type.is_empty()),
        purpose: Purpose::Message,
        expires_ms: None,
    };
    let slot = call.chat().request_slot(&Owner::from(&**call.session()), order).await.map_err(refused)?;
    let settings = call.chat().settings();
    // A page talks to its own server only, by whatever name it was reached.
    let path = settings.files.path_of_link(&settings.domains, &slot.link).unwrap_or(slot.link);
    let headers = BTreeMap::from([("Authorization".to_owned(), format!("Bearer {}", slot.token))]);
    Ok(FileBegun { upload: FileUpload { url: path.clone(), headers }, url: path })
}

fn refused(refusal: SlotRefusal) -> Fault {
    match refusal {
        // Everything else that makes no sense was refused before.
        SlotRefusal::BadRequest(_) => Fault::field("type", "That is no media type."),
        SlotRefusal::TooLarge(limit) => Fault::new(Condition::LimitExceeded)
            .saying(format!("A file may have at most {limit} bytes."))
            .about("bytes"),
        SlotRefusal::MediaType => {
            Fault::new(Condition::NotAllowed).saying("Files of this type are not taken.").about("type")
        }
        SlotRefusal::Purpose => Condition::NotAllowed.into(),
        SlotRefusal::OverQuota => Fault::new(Condition::LimitExceeded)
            .saying("There is no room left for more files of this account.")
            .about("bytes"),
        SlotRefusal::TooMany { .. } => {
            Fault::new(Condition::LimitExceeded).saying("That were too many files in one hour. Wait a while.")
        }
        SlotRefusal::Domain(waxwing_chat::Error::ServiceUnavailable) => {
            Fault::new(Condition::Unavailable).saying("This server takes no files.")
        }
        SlotRefusal::Domain(error) => error.into(),
    }
}
