//! What an owner decides about a node: the options of XEP-0060 section 16.4.4 in one table, which the form is made from,
//! read by, and kept as.

use waxwing_xmpp::jid::Jid;

use super::PubSubSettings;
use super::refusal::Refusal;
use super::terms::{Terms, Until};
use crate::error::{Error, Result};

/// Bytes of a text option: title, description, type.
pub const OPTION_BYTES_LIMIT: usize = 4096;

/// Values of an option that has several: groups, contacts.
pub const OPTION_VALUES_LIMIT: usize = 64;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$word_doc])* $variant,)* }

        impl $name {
            /// All values, in the order of forms.
            pub const WORDS: &'static [&'static str] = &[$($word,)*];

            /// Its name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The value of a name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// Who may subscribe and read (section 4.5).
    AccessModel {
        /// Those whose subscription an owner has approved.
        Authorize = "authorize",
        /// Everybody.
        Open = "open",
        /// Those who see the owner's presence.
        Presence = "presence",
        /// Those in some groups of the owner's roster.
        Roster = "roster",
        /// Those with an affiliation.
        Whitelist = "whitelist",
    }
}

words! {
    /// Who may publish.
    PublishModel {
        /// Those with the affiliation for it.
        Publishers = "publishers",
        /// Subscribers too.
        Subscribers = "subscribers",
        /// Everybody.
        Open = "open",
    }
}

words! {
    /// When the last item is sent.
    SendLast {
        /// Never.
        Never = "never",
        /// To a new subscriber.
        OnSub = "on_sub",
        /// To a new subscriber, and to one that comes online.
        OnSubAndPresence = "on_sub_and_presence",
    }
}

words! {
    /// What kind of message a notification is.
    NotificationType {
        /// One that waits for who is not there.
        Normal = "normal",
        /// One that does not.
        Headline = "headline",
    }
}

words! {
    /// Whom replies to an item go to.
    ItemReply {
        /// The node's owners.
        Owner = "owner",
        /// Whoever published it.
        Publisher = "publisher",
    }
}

words! {
    /// What happens when something is published to a full node (section 7.1.3.3).
    NodeFull {
        /// The oldest item goes, and subscribers are told.
        RetractOldest = "retract-oldest",
        /// The oldest item goes.
        DiscardOldest = "discard-oldest",
        /// The new item is refused.
        Reject = "reject",
    }
}

/// The configuration of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfiguration {
    /// Its name for people.
    pub title: String,
    /// What it is about.
    pub description: String,
    /// The language of what is published.
    pub language: String,
    /// What its payloads are, usually their namespace.
    pub payload_type: String,
    /// Whom to ask about it.
    pub contact: Vec<Jid>,
    /// Who may subscribe and read.
    pub access_model: AccessModel,
    /// The groups of the owner's roster that may, with the access model `roster`.
    pub roster_groups_allowed: Vec<String>,
    /// Who may publish.
    pub publish_model: PublishModel,
    /// Anybody may subscribe at all.
    pub subscribe: bool,
    /// All subscriptions end when their subscribers go offline (section 13.5).
    pub temporary_subscriptions: bool,
    /// Subscribers are told of what happens.
    pub deliver_notifications: bool,
    /// They are told the payloads.
    pub deliver_payloads: bool,
    /// They are told that the configuration changes.
    pub notify_config: bool,
    /// They are told that the node is deleted.
    pub notify_delete: bool,
    /// They are told that items are removed, also where the request does not ask for it.
    pub notify_retract: bool,
    /// Owners are told of new subscriptions and their ends.
    pub notify_sub: bool,
    /// Items are kept.
    pub persist_items: bool,
    /// How many items are kept; `None` for as many as the server allows.
    pub max_items: Option<u32>,
    /// After how many seconds items go; `None` for never.
    pub item_expire_s: Option<u32>,
    /// Bytes of a payload; `None` for as many as the server allows.
    pub max_payload_bytes: Option<u32>,
    /// What somebody has published goes when he goes offline.
    pub purge_offline: bool,
    /// What happens when something is published to a full node.
    pub node_full: NodeFull,
    /// When the last item is sent.
    pub send_last: SendLast,
    /// Only those who are online are told.
    pub presence_based_delivery: bool,
    /// What kind of message a notification is.
    pub notification_type: NotificationType,
    /// Whom replies go to; `None` for whoever sent the notification (section 13.17).
    pub item_reply: Option<ItemReply>,
}

impl NodeConfiguration {
    /// What a node at a service is like unless its owner says otherwise.
    pub fn of_service() -> Self {
        Self {
            title: String::new(),
            description: String::new(),
            language: String::new(),
            payload_type: String::new(),
            contact: Vec::new(),
            access_model: AccessModel::Open,
            roster_groups_allowed: Vec::new(),
            publish_model: PublishModel::Publishers,
            subscribe: true,
            temporary_subscriptions: false,
            deliver_notifications: true,
            deliver_payloads: true,
            notify_config: false,
            notify_delete: true,
            notify_retract: true,
            notify_sub: false,
            persist_items: true,
            max_items: Some(20),
            item_expire_s: None,
            max_payload_bytes: None,
            purge_offline: false,
            node_full: NodeFull::RetractOldest,
            send_last: SendLast::OnSub,
            presence_based_delivery: false,
            notification_type: NotificationType::Headline,
            item_reply: None,
        }
    }

    /// What an account's own node is like (XEP-0163 section 3.5 and XEP-0060 section 9).
    pub fn personal() -> Self {
        Self {
            access_model: AccessModel::Presence,
            max_items: Some(1),
            send_last: SendLast::OnSubAndPresence,
            presence_based_delivery: true,
            ..Self::of_service()
        }
    }

    /// Makes the terms of a subscription those that the node lets it have.
    pub fn bind(&self, terms: &mut Terms) {
        if self.temporary_subscriptions {
            terms.until = Until::Offline;
        }
    }

    /// How many items are kept.
    pub fn keeps(&self, settings: &PubSubSettings) -> usize {
        let most = settings.items_per_node_limit;
        usize::try_from(self.max_items.unwrap_or(most).min(most)).unwrap_or(usize::MAX)
    }

    /// How many bytes a payload may have.
    pub fn takes_bytes(&self, settings: &PubSubSettings) -> usize {
        let most = settings.item_bytes_limit;
        usize::try_from(self.max_payload_bytes.unwrap_or(most).min(most)).unwrap_or(usize::MAX)
    }

    /// Sets what a form says.
    ///
    /// # Errors
    /// `UnsupportedAccessModel`, and `NotAcceptable` for a value that makes no sense, for an option of the registry that is
    /// not offered here, and for one that nobody knows.
    pub fn set_all(&mut self, fields: &[(String, Vec<String>)]) -> Result<()> {
        for (var, values) in fields {
            self.set(var, values)?;
        }
        Ok(())
    }

    /// Sets one option.
    ///
    /// # Errors
    /// Those of [`NodeConfiguration::set_all`].
    pub fn set(&mut self, var: &str, values: &[String]) -> Result<()> {
        if let Some(option) = OPTIONS.iter().find(|option| option.var == var) {
            return (option.write)(self, values);
        }
        match (var, values) {
            // Only leaf nodes are offered, which hold items.
            ("pubsub#node_type", [kind]) if kind == "leaf" => Ok(()),
            (
                "pubsub#body_xslt" | "pubsub#dataform_xslt" | "pubsub#collection" | "pubsub#children",
                values,
            ) if values.iter().all(String::is_empty) => Ok(()),
            _ => Err(Error::NotAcceptable("an option is not offered")),
        }
    }

    /// Whether the node is as this form says; an option that nobody knows is an error.
    pub fn meets(&self, fields: &[(String, Vec<String>)]) -> Result<bool> {
        let mut wanted = self.clone();
        wanted.set_all(fields)?;
        Ok(wanted == *self)
    }

    /// The form in which it is kept: a line for each value.
    pub fn to_stored(&self) -> String {
        let mut out = String::new();
        for option in OPTIONS {
            let values = (option.read)(self);
            for value in &values {
                out.push_str(option.var);
                out.push(' ');
                out.push_str(&value.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r"));
                out.push('\n');
            }
            if values.is_empty() {
                out.push_str(option.var);
                out.push('\n');
            }
        }
        out
    }

    /// Reads the form that is kept; what it does not say is as by default.
    pub fn from_stored(stored: &str) -> Self {
        let mut configuration = Self::of_service();
        let mut lines = stored.split('\n').filter(|line| !line.is_empty()).peekable();
        while let Some(line) = lines.next() {
            let (var, first) = line.split_once(' ').map_or((line, None), |(var, value)| (var, Some(value)));
            let mut values: Vec<String> = first.map(unescape).into_iter().collect();
            while let Some((same, value)) = lines.peek().and_then(|next| next.split_once(' '))
                && same == var
            {
                values.push(unescape(value));
                lines.next();
            }
            // What another version has kept and this one cannot read is as by default.
            drop(configuration.set(var, &values));
        }
        configuration
    }
}

fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

/// How an option is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// One line of text.
    Text,
    /// Several texts.
    Texts,
    /// Addresses.
    Jids,
    /// Yes or no.
    Boolean,
    /// One of these.
    Choice(&'static [&'static str]),
}

/// An option of a node.
pub struct NodeOption {
    /// Its name in forms.
    pub var: &'static str,
    /// What a person reads.
    pub label: &'static str,
    /// How it is asked for.
    pub question: Question,
    /// Its values.
    pub read: fn(&NodeConfiguration) -> Vec<String>,
    write: fn(&mut NodeConfiguration, &[String]) -> Result<()>,
}

macro_rules! option {
    (text $var:literal, $label:literal, $field:ident) => {
        NodeOption {
            var: $var,
            label: $label,
            question: Question::Text,
            read: |c| Some(c.$field.clone()).filter(|text| !text.is_empty()).into_iter().collect(),
            write: |c, values| text(values).map(|value| c.$field = value),
        }
    };
    (boolean $var:literal, $label:literal, $field:ident) => {
        NodeOption {
            var: $var,
            label: $label,
            question: Question::Boolean,
            read: |c| vec![if c.$field { "1" } else { "0" }.to_owned()],
            write: |c, values| boolean(values).map(|value| c.$field = value),
        }
    };
    (number $var:literal, $label:literal, $field:ident) => {
        NodeOption {
            var: $var,
            label: $label,
            question: Question::Text,
            read: |c| vec![c.$field.map_or_else(|| "max".to_owned(), |n| n.to_string())],
            write: |c, values| number(values).map(|value| c.$field = value),
        }
    };
    (choice $var:literal, $label:literal, $field:ident, $type:ident) => {
        NodeOption {
            var: $var,
            label: $label,
            question: Question::Choice($type::WORDS),
            read: |c| vec![c.$field.as_str().to_owned()],
            write: |c, values| {
                let value = single(values).and_then($type::from_name);
                c.$field = value.ok_or(Error::NotAcceptable("an option has a value that means nothing"))?;
                Ok(())
            },
        }
    };
}

/// Every option that is offered.
pub const OPTIONS: &[NodeOption] = &[
    option!(text "pubsub#title", "A friendly name for the node", title),
    option!(text "pubsub#description", "A description of the node", description),
    option!(text "pubsub#language", "The default language of the node", language),
    option!(text "pubsub#type", "The type of node data, usually the namespace of the payload", payload_type),
    NodeOption {
        var: "pubsub#contact",
        label: "The addresses of those to contact with questions",
        question: Question::Jids,
        read: |c| c.contact.iter().map(ToString::to_string).collect(),
        write: |c, values| {
            let jids =
                texts(values)?.into_iter().map(|text| Jid::new(&text).map_err(|_| Error::JidMalformed));
            c.contact = jids.collect::<Result<_>>()?;
            Ok(())
        },
    },
    NodeOption {
        var: "pubsub#access_model",
        label: "Who may subscribe and retrieve items",
        question: Question::Choice(AccessModel::WORDS),
        read: |c| vec![c.access_model.as_str().to_owned()],
        write: |c, values| {
            let model = single(values).and_then(AccessModel::from_name);
            c.access_model = model.ok_or(Error::PubSub(Refusal::UnsupportedAccessModel))?;
            Ok(())
        },
    },
    NodeOption {
        var: "pubsub#roster_groups_allowed",
        label: "The roster groups allowed to subscribe and retrieve items",
        question: Question::Texts,
        read: |c| c.roster_groups_allowed.clone(),
        write: |c, values| texts(values).map(|groups| c.roster_groups_allowed = groups),
    },
    option!(choice "pubsub#publish_model", "Who may publish", publish_model, PublishModel),
    option!(boolean "pubsub#subscribe", "Whether to allow subscriptions", subscribe),
    option!(boolean "pubsub#tempsub", "Whether all subscriptions end when their subscribers go offline", temporary_subscriptions),
    option!(boolean "pubsub#deliver_notifications", "Whether to deliver event notifications", deliver_notifications),
    option!(boolean "pubsub#deliver_payloads", "Whether to deliver payloads with event notifications", deliver_payloads),
    option!(boolean "pubsub#notify_config", "Notify subscribers when the node configuration changes", notify_config),
    option!(boolean "pubsub#notify_delete", "Notify subscribers when the node is deleted", notify_delete),
    option!(boolean "pubsub#notify_retract", "Notify subscribers when items are removed", notify_retract),
    option!(boolean "pubsub#notify_sub", "Notify owners about new subscribers and unsubscribes", notify_sub),
    option!(boolean "pubsub#persist_items", "Whether to persist items to storage", persist_items),
    option!(number "pubsub#max_items", "The maximum number of items to persist", max_items),
    option!(number "pubsub#item_expire", "The number of seconds after which items go", item_expire_s),
    option!(number "pubsub#max_payload_size", "The maximum payload size in bytes", max_payload_bytes),
    option!(boolean "pubsub#purge_offline", "Whether items go when their publisher goes offline", purge_offline),
    option!(choice "pubsub#publish_node_full", "What happens when a full node is published to", node_full, NodeFull),
    option!(choice "pubsub#send_last_published_item", "When to send the last published item", send_last, SendLast),
    option!(boolean "pubsub#presence_based_delivery", "Deliver notifications to available users only", presence_based_delivery),
    option!(choice "pubsub#notification_type", "The type of notifications", notification_type, NotificationType),
    NodeOption {
        var: "pubsub#itemreply",
        label: "Whether owners or publisher should receive replies to items",
        question: Question::Choice(ItemReply::WORDS),
        read: |c| c.item_reply.iter().map(|reply| reply.as_str().to_owned()).collect(),
        write: |c, values| {
            c.item_reply = match single(values) {
                None | Some("" | "none") => None,
                Some(word) => {
                    Some(ItemReply::from_name(word).ok_or(Error::NotAcceptable("no such way to reply"))?)
                }
            };
            Ok(())
        },
    },
];

fn single(values: &[String]) -> Option<&str> {
    match values {
        [one] => Some(one.trim()),
        _ => None,
    }
}

fn text(values: &[String]) -> Result<String> {
    match values {
        [] => Ok(String::new()),
        [one] if one.len() <= OPTION_BYTES_LIMIT => Ok(one.clone()),
        _ => Err(Error::NotAcceptable("a text is too long")),
    }
}

fn texts(values: &[String]) -> Result<Vec<String>> {
    if values.len() > OPTION_VALUES_LIMIT || values.iter().any(|value| value.len() > OPTION_BYTES_LIMIT) {
        return Err(Error::NotAcceptable("an option has too many values"));
    }
    Ok(values.iter().filter(|value| !value.is_empty()).cloned().collect())
}

fn boolean(values: &[String]) -> Result<bool> {
    match single(values) {
        Some("1" | "true") => Ok(true),
        Some("0" | "false") => Ok(false),
        _ => Err(Error::NotAcceptable("an option is neither yes nor no")),
    }
}

/// XEP-0060 section 16.4.4: a number, or `max` for as much as the server allows.
fn number(values: &[String]) -> Result<Option<u32>> {
    match single(values) {
        Some("max" | "") | None => Ok(None),
        Some(digits) => match digits.parse() {
            Ok(0) | Err(_) => Err(Error::NotAcceptable("an option is no number")),
            Ok(number) => Ok(Some(number)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn what_is_kept_is_read_again() {
        for plain in [NodeConfiguration::personal(), NodeConfiguration::of_service()] {
            let mut configuration = plain.clone();
            configuration.title = "Two\nlines \\n and more\r".to_owned();
            configuration.roster_groups_allowed = values(&["Friends of mine", "Servants"]);
            configuration.item_reply = Some(ItemReply::Publisher);
            configuration.item_expire_s = Some(60);
            configuration.max_items = None;
            assert_eq!(NodeConfiguration::from_stored(&configuration.to_stored()), configuration);
            assert_eq!(NodeConfiguration::from_stored(&plain.to_stored()), plain);
        }
    }

    /// Section 16.4.4.
    #[test]
    fn values_that_mean_nothing_are_refused() {
        let mut configuration = NodeConfiguration::personal();
        for (var, given) in [
            ("pubsub#persist_items", values(&["yes"])),
            ("pubsub#max_items", values(&["0"])),
            ("pubsub#max_items", values(&["-1"])),
            ("pubsub#publish_model", values(&["king"])),
            ("pubsub#node_type", values(&["collection"])),
            ("pubsub#tempsub", values(&["maybe"])),
            ("pubsub#body_xslt", values(&["http://example.org/"])),
            ("pubsub#unheard_of", values(&["1"])),
        ] {
            assert!(
                matches!(configuration.set(var, &given), Err(Error::NotAcceptable(_))),
                "{var} {given:?}"
            );
        }
        let refused = configuration.set("pubsub#access_model", &values(&["king"]));
        assert!(matches!(refused, Err(Error::PubSub(Refusal::UnsupportedAccessModel))));
        assert_eq!(configuration, NodeConfiguration::personal());
    }

    /// Section 7.1.5.
    #[test]
    fn preconditions_are_compared() {
        let field = |var: &str, value: &str| vec![(var.to_owned(), values(&[value]))];
        let personal = NodeConfiguration::personal();
        assert!(personal.meets(&field("pubsub#access_model", "presence")).unwrap());
        assert!(personal.meets(&field("pubsub#persist_items", "true")).unwrap());
        assert!(!personal.meets(&field("pubsub#access_model", "open")).unwrap());
        assert!(personal.meets(&field("pubsub#unheard_of", "1")).is_err());
    }
}
