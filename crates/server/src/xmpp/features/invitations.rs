//! Invitations (XEP-0379, XEP-0401, XEP-0445): links that let someone register, become a contact, or both.

use waxwing_chat::account::Role;
use waxwing_chat::invitation::Invitation;
use waxwing_chat::invitations::InvitationOrder;
use waxwing_chat::settings::Settings;
use waxwing_chat::time::timestamp;
use waxwing_xmpp::error::StanzaError;
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::commands::{Command, Step};
use super::data_forms::{Form, Submission};
use super::{Announced, Feature, Request, Spec, When};
use crate::xmpp::error::stanza_error;

/// XEP-0379, XEP-0401 and XEP-0445.
pub const FEATURE: Feature = Feature {
    name: "invitations",
    summary: "Makes links that let someone register, become a contact, or both.",
    specs: &[
        Spec {
            name: "XEP-0379",
            version: "0.3.3",
            note: "Tokens are the server's; a request with one is approved.",
        },
        Spec { name: "XEP-0401", version: "0.6.0", note: "The page offers clients by the kind of device." },
        Spec { name: "XEP-0445", version: "0.2.0", note: "" },
    ],
    announces: &[Announced { when: When::BeforeSignIn, namespace: ns::IBR_TOKEN, name: "register" }],
    stores: &["Open invitations with who made them, until they expire."],
    ..Feature::EMPTY
};

/// The type of the form that tells an invitation (XEP-0401 section 10.1).
const INVITATION_FORM: &str = "urn:xmpp:invite#invitation";

/// XEP-0401 section 5.1: invites a contact, who may register here too.
pub const INVITE: Command = Command {
    node: "urn:xmpp:invite#invite",
    name: "Invite user",
    least_role: Role::Member,
    run: |request, _| Box::pin(invite(request)),
};

/// XEP-0401 section 5.4: lets someone register, under a name set aside if one is given.
pub const CREATE_ACCOUNT: Command = Command {
    node: "urn:xmpp:invite#create-account",
    name: "Create account",
    least_role: Role::Administrator,
    run: |request, form| Box::pin(create_account(request, form)),
};

async fn invite(request: &Request<'_>) -> Result<Step, StanzaError> {
    let inviter = request.account();
    let register_at = request.config.members_invite_accounts.then(|| inviter.domain().to_owned());
    let order = InvitationOrder {
        inviter: Some(inviter.clone()),
        register_at,
        username: None,
        lifetime_ms: None,
        uses: 1,
    };
    let invitation =
        request.chat.invite(order, inviter.as_str()).await.map_err(|error| stanza_error(&error))?;
    Ok(Step::Done(vec![render(&invitation, &request.chat.settings())]))
}

async fn create_account(request: &Request<'_>, form: Option<ElementRef<'_>>) -> Result<Step, StanzaError> {
    let Some(form) = form else {
        return Ok(Step::Ask(account_form()));
    };
    let form = Submission::untyped(form)?;
    let own = request.account();
    let subscribed = matches!(form.single("roster-subscription"), Some("true" | "1"));
    let order = InvitationOrder {
        inviter: subscribed.then(|| own.clone()),
        register_at: Some(request.to().domain().to_owned()),
        username: form.single("username").map(str::to_owned),
        lifetime_ms: None,
        uses: 1,
    };
    let invitation = request.chat.invite(order, own.as_str()).await.map_err(|error| stanza_error(&error))?;
    Ok(Step::Done(vec![render(&invitation, &request.chat.settings())]))
}

fn account_form() -> Element {
    Form::asking("urn:xmpp:invite#create-account")
        .titled(
            "Create account",
            "Makes a link for someone to register with. Without a name, he chooses it himself.",
        )
        .question("username", "text-single", "Username", false)
        .question("roster-subscription", "boolean", "Roster subscription", false)
        .into_element()
}

/// XEP-0401 section 5.1.
fn render(invitation: &Invitation, settings: &Settings) -> Element {
    let mut form = Form::result(INVITATION_FORM).typed("uri", "text-single", &[&invitation.uri()]);
    if let Some(page) = invitation.page(settings) {
        form = form.typed("landing-url", "text-single", &[&page]);
    }
    form.typed("expire", "text-single", &[&timestamp(invitation.expires_ms)]).into_element()
}

#[cfg(test)]
mod tests {
    use waxwing_xmpp::jid::Jid;

    use super::super::testing::House;
    use super::*;

    /// XEP-0401 section 5.1, the example "User invitation finished".
    #[test]
    fn tells_the_link_and_its_end() {
        let invitation = Invitation {
            token: "TOKEN".to_owned(),
            register_at: Some("example.com".to_owned()),
            username: None,
            inviter: Some(Jid::new("inviter@example.com").unwrap()),
            created_ms: 0,
            expires_ms: 1_509_936_975_000,
            uses_left: 1,
        };
        let expected = "<x xmlns='jabber:x:data' type='result'>\
            <field type='hidden' var='FORM_TYPE'><value>urn:xmpp:invite#invitation</value></field>\
            <field type='text-single' var='uri'>\
            <value>xmpp:inviter@example.com?roster;preauth=TOKEN;ibr=y</value></field>\
            <field type='text-single' var='landing-url'>\
            <value>https://example.com/invite/TOKEN</value></field>\
            <field type='text-single' var='expire'><value>2017-11-06T02:56:15.000Z</value></field></x>";
        let url = Some("https://{domain}/invite/".to_owned());
        let settings = Settings { invitation_url: url, ..Settings::default() };
        assert_eq!(render(&invitation, &settings), Element::parse(expected).unwrap());
    }

    fn command(node: &str, content: &str) -> String {
        format!("<command xmlns='http://jabber.org/protocol/commands' node='{node}'>{content}</command>")
    }

    /// XEP-0401 section 5.1.
    #[tokio::test]
    async fn a_member_invites_at_once() {
        let house = House::of(&["romeo/orchard"]).await;
        let done = house.ask("romeo/orchard", "set", "localhost", &command(INVITE.node, "")).await.unwrap();
        assert!(done.contains("status=\"completed\"") || done.contains("status='completed'"), "{done}");
        assert!(done.contains("xmpp:romeo@localhost?roster;preauth="), "{done}");
        assert!(!done.contains("ibr=y"), "members only make contacts unless they may do more: {done}");
    }

    /// XEP-0401 section 5.4.
    #[tokio::test]
    async fn administrators_create_accounts_with_a_form() {
        let house = House::of(&["romeo/orchard", "admin/desk"]).await;
        let start = command(CREATE_ACCOUNT.node, "");
        let refused = house.ask("romeo/orchard", "set", "localhost", &start).await;
        assert_eq!(refused, Err("forbidden".to_owned()));
        let asked = house.ask("admin/desk", "set", "localhost", &start).await.unwrap();
        assert!(asked.contains("executing") && asked.contains("roster-subscription"), "{asked}");
        let form =
            "<x xmlns='jabber:x:data' type='submit'><field var='username'><value>juliet</value></field></x>";
        let filled = command(CREATE_ACCOUNT.node, form);
        let done = house.ask("admin/desk", "set", "localhost", &filled).await.unwrap();
        assert!(done.contains("xmpp:juliet@localhost?register;preauth="), "{done}");
        // The name is set aside now.
        assert_eq!(house.ask("admin/desk", "set", "localhost", &filled).await, Err("conflict".to_owned()));
    }
}
