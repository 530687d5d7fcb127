//! In-band registration (XEP-0077), with an invitation (XEP-0445) or where anybody may without one.

use std::net::IpAddr;

use waxwing_chat::Chat;
use waxwing_chat::event::Close;
use waxwing_chat::invitation::Invitation;
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{IqType, Kind, Stanza};
use waxwing_xmpp::xml::{Element, ElementRef};

use super::data_forms::{Form, Submission};
use super::{Advertised, Announced, At, DONE, Feature, Handler, Reply, Request, Spec, Success, Target, When};
use crate::xmpp::error::stanza_error;

/// XEP-0077.
pub const FEATURE: Feature = Feature {
    name: "registration",
    summary: "Makes accounts for people with an invitation, or for anybody where that is allowed; changes passwords; \
        removes accounts.",
    specs: &[Spec {
        name: "XEP-0077",
        version: "2.4",
        note: "Without an invitation only where open registration is on. Errors carry their old codes too (section 9).",
    }],
    advertises: &[Advertised { at: At::Server, var: ns::REGISTER }],
    handles: &[
        Handler {
            kind: IqType::Get,
            namespace: ns::REGISTER,
            name: "query",
            targets: &[Target::Server, Target::OwnAccount],
            answer: |request| {
                Box::pin(async { registered(request).await.map_err(StanzaError::with_old_code) })
            },
        },
        Handler {
            kind: IqType::Set,
            namespace: ns::REGISTER,
            name: "query",
            targets: &[Target::Server, Target::OwnAccount],
            answer: |request| Box::pin(async { change(request).await.map_err(StanzaError::with_old_code) }),
        },
    ],
    announces: &[Announced { when: When::BeforeSignIn, namespace: ns::REGISTER_FEATURE, name: "register" }],
    stores: &["Accounts with verifiers of their passwords, never the passwords."],
};

/// How many times one connection may try to register.
pub const ATTEMPTS_LIMIT: u32 = 10;

/// Someone without an account: what a stream remembers of him until he signs in.
#[derive(Debug)]
pub struct Applicant {
    domain: String,
    address: Option<IpAddr>,
    invitation: Option<Invitation>,
    registered: bool,
    attempts: u32,
}

impl Applicant {
    /// A client that opened a stream to this domain from this address.
    pub fn new(domain: &str, address: Option<IpAddr>) -> Self {
        Self { domain: domain.to_owned(), address, invitation: None, registered: false, attempts: 0 }
    }

    /// The answer to a request before sign-in; `None` for what is no part of registration, for which the stream ends
    /// with `not-authorized` (RFC 6120 section 4.9.3.12).
    pub async fn answer(&mut self, chat: &Chat, iq: &Stanza) -> Option<Stanza> {
        let payload = iq.payload()?;
        let answer = match (iq.kind, payload.ns(), payload.name()) {
            (Kind::Iq(IqType::Get), ns::REGISTER, "query") => {
                self.form(chat).map(Success::from).map_err(StanzaError::with_old_code)
            }
            (Kind::Iq(IqType::Set), ns::REGISTER, "query") => {
                self.submit(chat, payload).await.map_err(StanzaError::with_old_code)
            }
            (Kind::Iq(IqType::Set), ns::PREAUTH, "preauth") => self.preauthenticate(chat, payload).await,
            _ => return None,
        };
        match answer {
            Ok(Success { payload: Some(payload), .. }) => Some(iq.reply().with_child(payload)),
            Ok(_) => Some(iq.reply()),
            Err(error) => iq.error_reply(error),
        }
    }

    /// Counts an attempt (XEP-0077 section 3.1.1).
    fn attempt(&mut self) -> Result<(), StanzaError> {
        self.attempts += 1;
        if self.registered || self.attempts > ATTEMPTS_LIMIT {
            let error = StanzaError::new(Condition::NotAcceptable);
            return Err(error.with_text("no more attempts to register on this connection"));
        }
        Ok(())
    }

    /// XEP-0445 section 4.
    async fn preauthenticate(&mut self, chat: &Chat, preauth: ElementRef<'_>) -> Reply {
        self.attempt()?;
        let token = preauth.attr("token").ok_or_else(|| StanzaError::new(Condition::BadRequest))?;
        match chat.registration_invitation(&self.domain, token).await {
            Ok(invitation) => {
                self.invitation = Some(invitation);
                Ok(DONE)
            }
            Err(waxwing_chat::Error::NotFound) => {
                let error = StanzaError::new(Condition::ItemNotFound);
                Err(error.with_text("The provided token is invalid or expired"))
            }
            Err(error) => Err(stanza_error(&error)),
        }
    }

    /// Section 3.1.
    fn form(&self, chat: &Chat) -> Result<Element, StanzaError> {
        if self.invitation.is_none() && !chat.settings().open_registration {
            return Err(uninvited());
        }
        let name = self.invitation.as_ref().and_then(|invitation| invitation.username.as_deref());
        Ok(registration_form(name))
    }

    /// Section 3.1.
    async fn submit(&mut self, chat: &Chat, query: ElementRef<'_>) -> Reply {
        if query.child(ns::REGISTER, "remove").is_some() {
            // Section 3.2: nobody is registered here yet.
            return Err(StanzaError::new(Condition::UnexpectedRequest));
        }
        self.attempt()?;
        if self.invitation.is_none() && !chat.settings().open_registration {
            return Err(uninvited());
        }
        let given = Credentials::read(query)?;
        let (Some(username), Some(password)) = (given.username, given.password) else {
            let error = StanzaError::new(Condition::NotAcceptable);
            return Err(error.with_text("a name and a password are needed"));
        };
        let invitation = self.invitation.as_ref();
        let made = chat.register(&self.domain, &username, &password, invitation, self.address).await;
        made.map_err(|error| stanza_error(&error))?;
        self.registered = true;
        Ok(DONE)
    }
}

fn uninvited() -> StanzaError {
    StanzaError::new(Condition::NotAllowed).with_text("an invitation is needed to register here")
}

fn registration_form(username: Option<&str>) -> Element {
    const INSTRUCTIONS: &str = "Choose a name and a password for your account.";
    let field = |name| Element::new(ns::REGISTER, name);
    let username_field = username.iter().fold(field("username"), |field, name| field.with_text(name));
    let form = Form::asking(ns::REGISTER)
        .titled("Registration", INSTRUCTIONS)
        .question("username", "text-single", "Name", true)
        .question("password", "text-private", "Password", true);
    Element::new(ns::REGISTER, "query")
        .with_child(field("instructions").with_text(INSTRUCTIONS))
        .with_child(username_field)
        .with_child(field("password"))
        .with_child(form.into_element())
}

/// What was filled in. A form comes before the fields beside it (section 6); empty counts as missing (section 3.1).
#[derive(Debug, PartialEq, Eq)]
struct Credentials {
    username: Option<String>,
    password: Option<String>,
}

impl Credentials {
    fn read(query: ElementRef<'_>) -> Result<Self, StanzaError> {
        if let Some(form) = query.child(ns::DATA_FORMS, "x") {
            let form = Submission::read(form, ns::REGISTER)?;
            let field = |var| form.single(var).map(str::to_owned);
            return Ok(Self { username: field("username"), password: field("password") });
        }
        let field = |name| query.child(ns::REGISTER, name).map(|field| field.text().into_owned());
        let given = |name| field(name).filter(|text| !text.is_empty());
        Ok(Self { username: given("username"), password: given("password") })
    }
}

/// Section 3.1: what is on file of somebody who is registered.
async fn registered(request: Request<'_>) -> Reply {
    at_home(&request)?;
    let field = |name, text| Element::new(ns::REGISTER, name).with_text(text);
    let name = request.from.local().unwrap_or_default();
    let query = Element::new(ns::REGISTER, "query")
        .with_child(field("instructions", "You are registered. A new password can be sent here."))
        .with_child(Element::new(ns::REGISTER, "registered"))
        .with_child(field("username", name))
        .with_child(Element::new(ns::REGISTER, "password"));
    Ok(query.into())
}

/// Sections 3.2 and 3.3.
async fn change(request: Request<'_>) -> Reply {
    at_home(&request)?;
    let session = request.session()?;
    if request.payload.child(ns::REGISTER, "remove").is_some() {
        if request.payload.children().count() != 1 {
            return Err(StanzaError::new(Condition::BadRequest).with_text("a removal stands alone"));
        }
        request.chat.unregister(session).await.map_err(|error| stanza_error(&error))?;
        // Section 3.2: the stream ends with not-authorized, behind the answer.
        session.close(Close::Revoked);
        return Ok(DONE);
    }
    let encrypted = session.info().tls.is_some();
    if !encrypted && !request.config.plaintext_on_loopback {
        return Err(StanzaError::new(Condition::NotAuthorized).with_text("the stream is not encrypted"));
    }
    let password = new_password(Credentials::read(request.payload)?, request.from)?;
    request.chat.change_password(session, &password).await.map_err(|error| stanza_error(&error))?;
    Ok(DONE)
}

/// The errors of section 3.3. Another's name is an attempt to register once more (section 3.1.1).
fn new_password(given: Credentials, own: &Jid) -> Result<String, StanzaError> {
    let (Some(username), Some(password)) = (given.username, given.password) else {
        return Err(StanzaError::new(Condition::BadRequest).with_text("a name and a password are needed"));
    };
    let named = Jid::from_parts(Some(&username), own.domain(), None).ok();
    if named.is_none_or(|named| !named.same_bare(own)) {
        return Err(
            StanzaError::new(Condition::NotAcceptable).with_text("the name is not that of this account")
        );
    }
    Ok(password)
}

/// An account is registered at its own domain, and at no other that this server may have.
fn at_home(request: &Request<'_>) -> Result<(), StanzaError> {
    let elsewhere = request.to().domain() != request.from.domain();
    if elsewhere { Err(StanzaError::new(Condition::NotAllowed)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use waxwing_chat::invitations::InvitationOrder;

    use super::super::testing::House;
    use super::*;

    fn read(content: &str) -> Credentials {
        let query = Element::parse(&format!("<query xmlns='jabber:iq:register'>{content}</query>")).unwrap();
        Credentials::read(query.root()).unwrap()
    }

    fn credentials(username: Option<&str>, password: Option<&str>) -> Credentials {
        Credentials { username: username.map(str::to_owned), password: password.map(str::to_owned) }
    }

    /// Sections 3.1 and 6.
    #[test]
    fn reads_fields_and_form() {
        let both = credentials(Some("bill"), Some("Calliope"));
        assert_eq!(read("<username>bill</username><password>Calliope</password>"), both);
        assert_eq!(read("<username>bill</username><password/>"), credentials(Some("bill"), None));
        let form = "<x xmlns='jabber:x:data' type='submit'>\
            <field var='FORM_TYPE' type='hidden'><value>jabber:iq:register</value></field>\
            <field var='username'><value>bill</value></field>\
            <field var='password'><value>Calliope</value></field></x>";
        assert_eq!(read(form), both);
    }

    /// Section 3.3.
    #[test]
    fn a_password_is_changed_for_ones_own_name_only() {
        let own = Jid::new("bill@shakespeare.lit/globe").unwrap();
        let change = |username, password| {
            new_password(credentials(username, password), &own).map_err(|error| error.condition)
        };
        assert_eq!(change(Some("bill"), Some("newpass")), Ok("newpass".to_owned()));
        assert_eq!(change(Some("Bill"), Some("newpass")), Ok("newpass".to_owned()));
        assert_eq!(change(Some("bill"), None), Err(Condition::BadRequest));
        assert_eq!(change(None, Some("newpass")), Err(Condition::BadRequest));
        assert_eq!(change(Some("kit"), Some("newpass")), Err(Condition::NotAcceptable));
    }

    /// Section 3.1, and XEP-0445 section 2: a name that is set aside is filled in.
    #[test]
    fn the_form_asks_for_name_and_password() {
        let form = registration_form(Some("juliet"));
        let fields: Vec<_> = form.children().map(|child| child.name().to_owned()).collect();
        assert_eq!(fields, ["instructions", "username", "password", "x"]);
        assert_eq!(form.child(ns::REGISTER, "username").unwrap().text(), "juliet");
    }

    /// XEP-0077 section 3.1.1.
    #[test]
    fn attempts_are_counted() {
        let mut applicant = Applicant::new("capulet.lit", None);
        for _ in 0..ATTEMPTS_LIMIT {
            assert!(applicant.attempt().is_ok());
        }
        assert_eq!(applicant.attempt().unwrap_err().condition, Condition::NotAcceptable);
        let mut registered = Applicant { registered: true, ..Applicant::new("capulet.lit", None) };
        assert_eq!(registered.attempt().unwrap_err().condition, Condition::NotAcceptable);
    }

    fn request(kind: &str, payload: &str) -> Stanza {
        let iq = format!("<iq xmlns='jabber:client' type='{kind}' id='reg'>{payload}</iq>");
        Stanza::from_element(Element::parse(&iq).unwrap()).unwrap()
    }

    async fn answer(
        house: &House,
        applicant: &mut Applicant,
        kind: &str,
        payload: &str,
    ) -> Result<(), Condition> {
        let answer =
            applicant.answer(&house.chat, &request(kind, payload)).await.expect("part of registration");
        answer.error().map_or(Ok(()), |error| Err(error.condition))
    }

    const FORM: &str = "<query xmlns='jabber:iq:register'/>";
    const BILL: &str = "<query xmlns='jabber:iq:register'><username>bill</username><password>Calliope-1564</password></query>";

    /// XEP-0077 section 3.1 and XEP-0445 section 4.
    #[tokio::test]
    async fn an_invitation_makes_one_account() {
        let house = House::of(&["admin/desk", "juliet/balcony"]).await;
        let mut applicant = Applicant::new("localhost", None);
        assert_eq!(answer(&house, &mut applicant, "get", FORM).await, Err(Condition::NotAllowed));
        assert_eq!(answer(&house, &mut applicant, "set", BILL).await, Err(Condition::NotAllowed));
        let preauth = |token: &str| format!("<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>");
        assert_eq!(answer(&house, &mut applicant, "set", &preauth("x")).await, Err(Condition::ItemNotFound));
        let order = InvitationOrder {
            inviter: None,
            register_at: Some("localhost".to_owned()),
            username: None,
            lifetime_ms: None,
            uses: 1,
        };
        let invitation = house.chat.invite(order, "local").await.unwrap();
        assert_eq!(answer(&house, &mut applicant, "set", &preauth(&invitation.token)).await, Ok(()));
        assert_eq!(answer(&house, &mut applicant, "get", FORM).await, Ok(()));
        let taken = BILL.replace("bill", "juliet");
        assert_eq!(answer(&house, &mut applicant, "set", &taken).await, Err(Condition::Conflict));
        let half = "<query xmlns='jabber:iq:register'><username>bill</username></query>";
        assert_eq!(answer(&house, &mut applicant, "set", half).await, Err(Condition::NotAcceptable));
        assert_eq!(answer(&house, &mut applicant, "set", BILL).await, Ok(()));
        let second = BILL.replace("bill", "kit");
        assert_eq!(answer(&house, &mut applicant, "set", &second).await, Err(Condition::NotAcceptable));
        let mut late = Applicant::new("localhost", None);
        assert_eq!(
            answer(&house, &mut late, "set", &preauth(&invitation.token)).await,
            Err(Condition::ItemNotFound)
        );
    }

    /// Section 3.2, and RFC 6120 section 4.9.3.12 for anything else before sign-in.
    #[tokio::test]
    async fn strangers_do_nothing_but_register() {
        let house = House::of(&[]).await;
        let mut applicant = Applicant::new("localhost", None);
        let remove = "<query xmlns='jabber:iq:register'><remove/></query>";
        assert_eq!(answer(&house, &mut applicant, "set", remove).await, Err(Condition::UnexpectedRequest));
        let ping = request("get", "<ping xmlns='urn:xmpp:ping'/>");
        assert!(applicant.answer(&house.chat, &ping).await.is_none());
    }

    /// Section 3.2.
    #[tokio::test]
    async fn a_removal_stands_alone_and_ends_the_session() {
        let house = House::of(&["bill/globe"]).await;
        let mixed = "<query xmlns='jabber:iq:register'><remove/><username>bill</username></query>";
        assert_eq!(house.ask("bill/globe", "set", "", mixed).await, Err("bad-request".to_owned()));
        let remove = "<query xmlns='jabber:iq:register'><remove/></query>";
        assert_eq!(house.ask("bill/globe", "set", "", remove).await, Ok(String::new()));
        assert_eq!(house.session("bill/globe").close_reason(), Some(Close::Revoked));
        let account = house.chat.store().account(&Jid::new("bill@localhost").unwrap()).await.unwrap();
        assert!(account.is_none());
    }

    /// Section 3.1.
    #[tokio::test]
    async fn somebody_registered_is_told_so() {
        let house = House::of(&["juliet/balcony"]).await;
        let told = house.ask("juliet/balcony", "get", "localhost", FORM).await.unwrap();
        let told = Element::parse(&told).unwrap();
        assert!(told.child(ns::REGISTER, "registered").is_some());
        assert_eq!(told.child(ns::REGISTER, "username").unwrap().text(), "juliet");
    }
}
