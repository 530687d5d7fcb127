//! Publish-subscribe and personal eventing, asked as clients ask.

use waxwing_chat::event::Event;

use super::super::testing::House;
use super::*;

const TUNE: &str = "http://jabber.org/protocol/tune";

/// The hash of a client that is interested in the tune.
fn ver() -> String {
    super::super::caps::verification_string(&announced())
}

fn announced() -> Element {
    let feature = |var: &str| Element::new(ns::DISCO_INFO, "feature").with_attr("var", var);
    Element::new(ns::DISCO_INFO, "query")
        .with_child(super::super::disco::identity("client", "pc"))
        .with_child(feature(ns::DISCO_INFO))
        .with_child(feature(&format!("{TUNE}+notify")))
}

fn set(content: &str) -> String {
    format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'>{content}</pubsub>")
}

fn owner(content: &str) -> String {
    format!("<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>{content}</pubsub>")
}

fn publish(id: &str) -> String {
    set(&format!(
        "<publish node='{TUNE}'><item id='{id}'><tune xmlns='{TUNE}'><title>{id}</title></tune></item></publish>"
    ))
}

impl House {
    /// Announces the interest in presence, and answers the question that may follow.
    async fn show_interest(&self, client: &str) {
        let c = format!("<c xmlns='{}' hash='sha-1' node='urn:client' ver='{}'/>", ns::CAPS, ver());
        self.say(client, &format!("<presence>{c}</presence>")).await;
        self.answer_caps(client, &announced()).await;
    }

    async fn answer_caps(&self, client: &str, info: &Element) -> bool {
        let asked = self.stanzas(client).into_iter().find(|stanza| stanza.name() == "iq");
        let Some(iq) = asked else { return false };
        let answer = format!(
            "<iq type='result' id='{}' to='localhost'>{}</iq>",
            iq.attr("id").unwrap(),
            info.to_xml()
        );
        self.say(client, &answer).await;
        true
    }

    fn stanzas(&self, client: &str) -> Vec<Element> {
        let jid = self.session(client).jid.clone();
        let stanzas = self.events(client).into_iter().flat_map(|event| match event {
            Event::Stanza(delivery) => vec![delivery.stanza],
            Event::Batch(stanzas) => stanzas,
            _ => Vec::new(),
        });
        stanzas.map(|stanza| stanza.stanza_for(&jid).to_element()).collect()
    }

    /// What notifications came: the place, and the ids of the items in them.
    fn told(&self, client: &str) -> Vec<String> {
        let stanzas = self.stanzas(client).into_iter().filter(|stanza| stanza.name() == "message");
        let told = stanzas.filter_map(|message| {
            let from = message.attr("from").unwrap_or_default().replace("@localhost", "");
            let event = message.child(ns::PUBSUB_EVENT, "event")?;
            let content = event.children().next()?;
            let items =
                content.children().map(|item| format!(" {} {}", item.name(), item.attr("id").unwrap_or("-")));
            Some(format!("{from} {}{}", content.name(), items.collect::<String>()))
        });
        told.collect()
    }
}

/// XEP-0163 sections 4.3 and 4.3.4.
#[tokio::test]
async fn those_who_are_interested_are_told() {
    let house = House::of(&["juliet/balcony", "romeo/orchard", "tybalt/street"]).await;
    house.befriend("juliet/balcony", "romeo/orchard").await;
    house.show_interest("juliet/balcony").await;
    house.show_interest("tybalt/street").await;
    house.ask("juliet/balcony", "set", "", &publish("1")).await.unwrap();
    assert_eq!(house.told("juliet/balcony"), ["juliet items item 1"]);
    assert!(house.told("romeo/orchard").is_empty() && house.told("tybalt/street").is_empty());
    // The hash is known already, and the last item comes at once.
    let c = format!(
        "<presence><c xmlns='{}' hash='sha-1' node='urn:other' ver='{}'/></presence>",
        ns::CAPS,
        ver()
    );
    house.say("romeo/orchard", &c).await;
    assert_eq!(house.told("romeo/orchard"), ["juliet items item 1"]);
    house.say("romeo/orchard", &c).await;
    assert!(house.told("romeo/orchard").is_empty());
    house.ask("juliet/balcony", "set", "", &publish("2")).await.unwrap();
    assert_eq!(house.told("romeo/orchard"), ["juliet items item 2"]);
    house.say("romeo/orchard", "<presence type='unavailable'/>").await;
    house.ask("juliet/balcony", "set", "", &publish("3")).await.unwrap();
    assert!(house.told("romeo/orchard").is_empty());
    house.say("romeo/orchard", &c).await;
    assert_eq!(house.told("romeo/orchard"), ["juliet items item 3"]);
    let retract = set(&format!("<retract node='{TUNE}' notify='1'><item id='3'/></retract>"));
    house.ask("juliet/balcony", "set", "", &retract).await.unwrap();
    assert_eq!(house.told("romeo/orchard"), ["juliet items retract 3"]);
    house.ask("juliet/balcony", "set", "", &owner(&format!("<delete node='{TUNE}'/>"))).await.unwrap();
    assert_eq!(house.told("romeo/orchard"), ["juliet delete"]);
    assert!(house.told("tybalt/street").is_empty());
}

/// XEP-0115 section 8.1: what does not have the hash that was announced holds for nobody else.
#[tokio::test]
async fn a_false_hash_poisons_nothing() {
    let house = House::of(&["juliet/balcony", "tybalt/street"]).await;
    let c = format!(
        "<presence><c xmlns='{}' hash='sha-1' node='urn:client' ver='{}'/></presence>",
        ns::CAPS,
        ver()
    );
    house.say("tybalt/street", &c).await;
    let forged = Element::new(ns::DISCO_INFO, "query");
    assert!(house.answer_caps("tybalt/street", &forged).await);
    house.say("juliet/balcony", &c).await;
    assert!(house.answer_caps("juliet/balcony", &announced()).await);
    house.ask("juliet/balcony", "set", "", &publish("1")).await.unwrap();
    assert_eq!(house.told("juliet/balcony"), ["juliet items item 1"]);
}

/// XEP-0060 sections 6.5.9 and 7.1.3, XEP-0163 section 3.
#[tokio::test]
async fn strangers_learn_nothing() {
    let house = House::of(&["juliet/balcony", "romeo/orchard", "tybalt/street"]).await;
    house.befriend("juliet/balcony", "romeo/orchard").await;
    house.ask("juliet/balcony", "set", "", &publish("1")).await.unwrap();
    let items = set(&format!("<items node='{TUNE}'/>"));
    let missing = set("<items node='urn:missing'/>");
    let got = house.ask("romeo/orchard", "get", "juliet@localhost", &items).await.unwrap();
    assert!(got.contains("<title>1</title>"), "{got}");
    assert_eq!(
        house.ask("romeo/orchard", "get", "juliet@localhost", &missing).await,
        Err("item-not-found".to_owned())
    );
    for (to, asked) in
        [("juliet@localhost", &items), ("juliet@localhost", &missing), ("nobody@localhost", &items)]
    {
        assert_eq!(
            house.ask("tybalt/street", "get", to, asked).await,
            Err("not-authorized".to_owned()),
            "{to}"
        );
    }
    for client in ["romeo/orchard", "tybalt/street"] {
        let refused = house.ask(client, "set", "juliet@localhost", &publish("2")).await;
        assert!(refused.is_err(), "{client}");
    }
}

/// XEP-0060 sections 7.1.4, 7.1.5 and 8.2, XEP-0223.
#[tokio::test]
async fn options_are_conditions() {
    let house = House::of(&["juliet/balcony", "romeo/orchard"]).await;
    house.befriend("juliet/balcony", "romeo/orchard").await;
    let private = |id: &str, model: &str| {
        set(&format!(
            "<publish node='urn:private'><item id='{id}'><x xmlns='urn:private'/></item></publish><publish-options>\
             <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
             <value>http://jabber.org/protocol/pubsub#publish-options</value></field>\
             <field var='pubsub#access_model'><value>{model}</value></field>\
             <field var='pubsub#max_items'><value>max</value></field></x></publish-options>"
        ))
    };
    house.ask("juliet/balcony", "set", "", &private("1", "whitelist")).await.unwrap();
    house.ask("juliet/balcony", "set", "", &private("2", "whitelist")).await.unwrap();
    assert_eq!(
        house.ask("juliet/balcony", "set", "", &private("3", "open")).await,
        Err("conflict".to_owned())
    );
    let items = set("<items node='urn:private'/>");
    assert_eq!(
        house.ask("romeo/orchard", "get", "juliet@localhost", &items).await,
        Err("not-allowed".to_owned())
    );
    let got = house.ask("juliet/balcony", "get", "", &items).await.unwrap();
    assert!(got.contains("id='1'") && got.contains("id='2'") && !got.contains("id='3'"), "{got}");
    let configure = owner(
        "<configure node='urn:private'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
         <value>http://jabber.org/protocol/pubsub#node_config</value></field>\
         <field var='pubsub#access_model'><value>open</value></field></x></configure>",
    );
    house.ask("juliet/balcony", "set", "", &configure).await.unwrap();
    assert!(house.ask("romeo/orchard", "get", "juliet@localhost", &items).await.is_ok());
    let form =
        house.ask("juliet/balcony", "get", "", &owner("<configure node='urn:private'/>")).await.unwrap();
    assert!(form.contains("pubsub#persist_items"), "{form}");
}

/// XEP-0060 sections 5.2 to 5.5 and 8.1, at the service.
#[tokio::test]
async fn a_service_has_nodes() {
    let house = House::of(&["hamlet/elsinore", "francisco/barracks"]).await;
    let create = set("<create node='princely_musings'/>");
    house.ask("hamlet/elsinore", "set", "pubsub.localhost", &create).await.unwrap();
    let again = house.ask("francisco/barracks", "set", "pubsub.localhost", &create).await;
    assert_eq!(again, Err("conflict".to_owned()));
    let item = "<publish node='princely_musings'><item id='a'><entry xmlns='http://www.w3.org/2005/Atom'/></item></publish>";
    house.ask("hamlet/elsinore", "set", "pubsub.localhost", &set(item)).await.unwrap();
    let refused = house.ask("francisco/barracks", "set", "pubsub.localhost", &set(item)).await;
    assert_eq!(refused, Err("forbidden".to_owned()));
    let read = house
        .ask("francisco/barracks", "get", "pubsub.localhost", &set("<items node='princely_musings'/>"))
        .await;
    assert!(read.unwrap().contains("Atom"));
    let ask =
        |node: &str, what: &str| format!("<query xmlns='http://jabber.org/protocol/disco#{what}'{node}/>");
    let named = " node='princely_musings'";
    let items = house.ask("francisco/barracks", "get", "pubsub.localhost", &ask("", "items")).await.unwrap();
    assert!(items.contains("princely_musings"), "{items}");
    let info = house.ask("francisco/barracks", "get", "pubsub.localhost", &ask(named, "info")).await.unwrap();
    assert!(info.contains("leaf") && info.contains("pubsub#creation_date"), "{info}");
    let items =
        house.ask("francisco/barracks", "get", "pubsub.localhost", &ask(named, "items")).await.unwrap();
    assert!(items.contains("name='a'"), "{items}");
    let missing = house.ask("francisco/barracks", "get", "pubsub.localhost", &ask(" node='x'", "info")).await;
    assert_eq!(missing, Err("item-not-found".to_owned()));
}
