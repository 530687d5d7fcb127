//! The vCard of a room and the picture in it (XEP-0486).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::super::{DONE, Reply, Request};
use crate::xmpp::error::stanza_error;

pub(super) async fn get(request: Request<'_>) -> Reply {
    let kept = request.chat.room_vcard(&request.to(), request.from).await;
    let kept = kept.map_err(|error| stanza_error(&error))?;
    let vcard = kept.and_then(|xml| Element::parse(&xml).ok());
    Ok(vcard.unwrap_or_else(|| Element::new(ns::VCARD, "vCard")).into())
}

/// An empty vCard takes the picture away.
pub(super) async fn set(request: Request<'_>) -> Reply {
    let hashes = hashes(request.payload)?;
    let empty = request.payload.children().next().is_none();
    let vcard = (!empty).then(|| request.payload.to_element().to_xml());
    let done = request.chat.set_room_vcard(&request.to(), request.from, vcard, hashes).await;
    done.map(|()| DONE).map_err(|error| stanza_error(&error))
}

/// The hashes of all pictures (XEP-0153 section 3.1), which is what clients compare.
fn hashes(vcard: ElementRef<'_>) -> Result<Vec<String>, StanzaError> {
    let mut hashes = Vec::new();
    for photo in vcard.children().filter(|child| child.is(ns::VCARD, "PHOTO")) {
        let Some(content) = photo.child(ns::VCARD, "BINVAL") else { continue };
        let content: String = content.text().split_ascii_whitespace().collect();
        let content = STANDARD.decode(content).map_err(|_| {
            StanzaError::new(Condition::BadRequest).with_text("a picture is not written in Base64")
        })?;
        if !content.is_empty() {
            hashes.push(Sha1::digest(&content).iter().map(|octet| format!("{octet:02x}")).collect());
        }
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Result<Vec<String>, Condition> {
        let vcard = Element::parse(&format!("<vCard xmlns='vcard-temp'>{content}</vCard>")).unwrap();
        hashes(vcard.root()).map_err(|error| error.condition)
    }

    /// Section 4.3 and the notes on several pictures; the hash is that of FIPS 180's "abc".
    #[test]
    fn every_picture_has_its_hash() {
        let photo =
            |content: &str| format!("<PHOTO><TYPE>image/png</TYPE><BINVAL>{content}</BINVAL></PHOTO>");
        let abc = "a9993e364706816aba3e25717850c26c9cd0d89d";
        assert_eq!(read(&photo("YW\n Jj")), Ok(vec![abc.to_owned()]));
        assert_eq!(read(&(photo("YWJj") + &photo("YWJj"))), Ok(vec![abc.to_owned(); 2]));
        assert_eq!(read("<FN>The Garden</FN>"), Ok(Vec::new()));
        assert_eq!(read(&photo("*")), Err(Condition::BadRequest));
    }
}
