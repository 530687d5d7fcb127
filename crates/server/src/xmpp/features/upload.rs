//! Uploading files over HTTP: clients ask for a place here, and put and get the content there (XEP-0363).

use waxwing_chat::Chat;
use waxwing_chat::files::Purpose;
use waxwing_chat::files::slots::{FileOrder, Slot, SlotRefusal};
use waxwing_chat::service::Service;
use waxwing_chat::time::{parse_timestamp, timestamp};
use waxwing_xmpp::error::{Condition, ErrorType, StanzaError};
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::IqType;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::data_forms::Form;
use super::{Advertised, At, Feature, Handler, Reply, Request, Spec, Target};
use crate::xmpp::error::stanza_error;

const HERE: At = At::Service(Service::Upload);

/// The purpose that only some servers offer (section 5.4).
const PERMANENT: &str = "urn:xmpp:http:upload:purpose:0#permanent";

/// XEP-0363.
pub const FEATURE: Feature = Feature {
    name: "file upload",
    summary: "Gives clients of this server places for files, which anyone with the link can read.",
    specs: &[Spec { name: "XEP-0363", version: "1.2.0", note: "" }],
    advertises: &[
        Advertised { at: HERE, var: ns::HTTP_UPLOAD },
        Advertised { at: HERE, var: "urn:xmpp:http:upload:purpose:0#message" },
        Advertised { at: HERE, var: "urn:xmpp:http:upload:purpose:0#profile" },
        Advertised { at: HERE, var: "urn:xmpp:http:upload:purpose:0#ephemeral" },
    ],
    handles: &[Handler {
        kind: IqType::Get,
        namespace: ns::HTTP_UPLOAD,
        name: "request",
        targets: &[Target::Service(Service::Upload)],
        answer: |request| Box::pin(slot(request)),
    }],
    stores: &[
        "Of each file its owner, name, type, size, purpose and times. Its content lies in a folder or a bucket.",
    ],
    ..Feature::EMPTY
};

/// Section 4. Only who has an account here gets a place.
async fn slot(request: Request<'_>) -> Reply {
    let owner = request.owner()?;
    let order = read(request.payload)?;
    match request.chat.request_slot(&owner, order).await {
        Ok(slot) => Ok(render(&slot).into()),
        Err(refusal) => Err(refused(&refusal)),
    }
}

/// What service discovery says beside the features that are always there (section 3): how large a file may be.
pub fn describe(chat: &Chat, query: Element) -> Element {
    let settings = &chat.settings().files;
    let query = match settings.permanent {
        true => query.with_child(Element::new(ns::DISCO_INFO, "feature").with_attr("var", PERMANENT)),
        false => query,
    };
    let limit = settings.file_bytes_limit.to_string();
    query.with_child(Form::result(ns::HTTP_UPLOAD).field("max-file-size", &[&limit]).into_element())
}

/// Sections 4 and 5.
fn read(payload: ElementRef<'_>) -> Result<FileOrder, StanzaError> {
    let wrong = |text| StanzaError::new(Condition::BadRequest).with_text(text);
    let name = payload.attr("filename").ok_or_else(|| wrong("filename is missing"))?;
    let size =
        payload.attr("size").and_then(|size| size.parse().ok()).ok_or_else(|| wrong("size is no number"))?;
    let mut purposes = payload.children().filter(|child| child.ns() == ns::HTTP_UPLOAD_PURPOSE);
    let (purpose, expires_ms) = match purposes.next() {
        None => (Purpose::Message, None),
        Some(purpose) => match purpose.name() {
            "message" => (Purpose::Message, None),
            "profile" => (Purpose::Profile, None),
            "permanent" => (Purpose::Permanent, None),
            "ephemeral" => {
                let end = purpose.attr("expire-before").and_then(parse_timestamp);
                (Purpose::Ephemeral, Some(end.ok_or_else(|| wrong("expire-before is no time"))?))
            }
            _ => return Err(no_such_purpose()),
        },
    };
    if purposes.next().is_some() {
        return Err(wrong("a file has one purpose"));
    }
    let media_type = payload.attr("content-type").map(str::to_owned);
    Ok(FileOrder { name: name.to_owned(), size, media_type, purpose, expires_ms })
}

fn no_such_purpose() -> StanzaError {
    StanzaError::new(Condition::FeatureNotImplemented).with_text("files for this purpose are not taken")
}

/// Section 4: the secret goes in a header, where it is in no log and no link.
fn render(slot: &Slot) -> Element {
    let header = Element::new(ns::HTTP_UPLOAD, "header")
        .with_attr("name", "Authorization")
        .with_text(&format!("Bearer {}", slot.token));
    let place = |name| Element::new(ns::HTTP_UPLOAD, name).with_attr("url", &slot.link);
    Element::new(ns::HTTP_UPLOAD, "slot").with_child(place("put").with_child(header)).with_child(place("get"))
}

/// Section 6.
fn refused(refusal: &SlotRefusal) -> StanzaError {
    match refusal {
        SlotRefusal::BadRequest(why) => StanzaError::new(Condition::BadRequest).with_text(*why),
        SlotRefusal::TooLarge(limit) => {
            let most = Element::new(ns::HTTP_UPLOAD, "max-file-size").with_text(&limit.to_string());
            StanzaError::new(Condition::NotAcceptable)
                .with_type(ErrorType::Modify)
                .with_text(format!("File too large. The maximum file size is {limit} bytes"))
                .with_app(Element::new(ns::HTTP_UPLOAD, "file-too-large").with_child(most))
        }
        SlotRefusal::MediaType => StanzaError::new(Condition::NotAcceptable)
            .with_type(ErrorType::Modify)
            .with_text("Files of this type are not taken"),
        SlotRefusal::Purpose => no_such_purpose(),
        SlotRefusal::OverQuota => StanzaError::new(Condition::ResourceConstraint)
            .with_type(ErrorType::Wait)
            .with_text("Quota reached. There is no room for more of your files"),
        SlotRefusal::TooMany { again_ms } => {
            // XEP-0082 allows to leave out the fraction, and the example does.
            let stamp = timestamp(*again_ms).replace(".000Z", "Z");
            StanzaError::new(Condition::ResourceConstraint)
                .with_type(ErrorType::Wait)
                .with_text("Too many files in one hour")
                .with_app(Element::new(ns::HTTP_UPLOAD, "retry").with_attr("stamp", &stamp))
        }
        SlotRefusal::Domain(error) => stanza_error(error),
    }
}

#[cfg(test)]
mod tests {
    use waxwing_xmpp::jid::Jid;
    use waxwing_xmpp::stanza::Stanza;

    use super::super::testing::House;
    use super::*;

    fn order(xml: &str) -> Result<FileOrder, Condition> {
        let payload = Element::parse(xml).unwrap();
        read(payload.root()).map_err(|error| error.condition)
    }

    /// Sections 4 and 5.
    #[test]
    fn requests_are_read() {
        let request = |attrs: &str, content: &str| {
            order(&format!("<request xmlns='urn:xmpp:http:upload:0' {attrs}>{content}</request>"))
        };
        let good = "filename='très cool.jpg' size='23456' content-type='image/jpeg'";
        let expected = FileOrder {
            name: "très cool.jpg".to_owned(),
            size: 23_456,
            media_type: Some("image/jpeg".to_owned()),
            purpose: Purpose::Message,
            expires_ms: None,
        };
        let of = |name: &str| format!("<{name} xmlns='urn:xmpp:http:upload:purpose:0'/>");
        assert_eq!(request(good, ""), Ok(expected.clone()));
        assert_eq!(request(good, &of("message")), Ok(expected.clone()));
        assert_eq!(request(good, &of("profile")).unwrap().purpose, Purpose::Profile);
        let end = "ephemeral expire-before='1970-01-01T00:00:01Z'";
        assert_eq!(request(good, &of(end)).unwrap().expires_ms, Some(1000));
        assert_eq!(request(good, &of("ephemeral")), Err(Condition::BadRequest));
        assert_eq!(request(good, &of("other")), Err(Condition::FeatureNotImplemented));
        assert_eq!(request(good, &(of("message") + &of("profile"))), Err(Condition::BadRequest));
        for wrong in ["filename='a'", "size='1'", "filename='a' size='-1'", "filename='a' size='1.5'"] {
            assert_eq!(request(wrong, ""), Err(Condition::BadRequest), "{wrong}");
        }
    }

    /// Section 4: only Authorization, Cookie and Expires may be asked for.
    #[test]
    fn the_secret_goes_in_a_header() {
        let slot = Slot { link: "https://localhost/files/x/a".to_owned(), token: "t".to_owned() };
        let expected = "<slot xmlns='urn:xmpp:http:upload:0'><put url='https://localhost/files/x/a'>\
             <header name='Authorization'>Bearer t</header></put><get url='https://localhost/files/x/a'/></slot>";
        assert_eq!(render(&slot), Element::parse(expected).unwrap());
    }

    /// Section 6: whoever has no account here gets no place, however good his server's word is.
    /// covers: XEP-0363 example 13
    #[tokio::test]
    async fn only_clients_of_this_server_get_places() {
        let house = House::of(&["romeo/garden"]).await;
        let ask = "<iq xmlns='jabber:client' type='get' id='1' from='tybalt@capulet.example/x' to='upload.localhost'>\
             <request xmlns='urn:xmpp:http:upload:0' filename='a' size='1'/></iq>";
        let iq = Stanza::from_element(Element::parse(ask).unwrap()).unwrap();
        let request = Request {
            payload: iq.payload().unwrap(),
            target: Target::Service(Service::Upload),
            from: &Jid::new("tybalt@capulet.example/x").unwrap(),
            session: None,
            chat: &house.chat,
            config: &house.config,
            admin: None,
            iq: &iq,
        };
        assert_eq!(slot(request).await.unwrap_err().condition, Condition::Forbidden);
    }

    /// Section 6.
    #[test]
    fn refusals_say_when_to_come_back() {
        let error = refused(&SlotRefusal::TooMany { again_ms: 1_512_344_525_000 });
        let retry = Element::parse("<retry xmlns='urn:xmpp:http:upload:0' stamp='2017-12-03T23:42:05Z'/>");
        assert!(
            error
                .to_element(ns::CLIENT)
                .children()
                .any(|child| child.to_element() == *retry.as_ref().unwrap())
        );
    }
}
