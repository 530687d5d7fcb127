//! Finding people, and what one says of oneself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Account, Address, Contact, Patch, Person, Presence, Show};

/// Who is looked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeopleSearch {
    /// What a name, a nickname or the first part of the address holds; everybody when it is empty.
    pub(crate) text: String,
    /// How many at most.
    #[serde(default)]
    pub(crate) limit: Option<u32>,
}

/// People.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PeopleFound {
    /// In the order of their addresses.
    pub(crate) people: Vec<Person>,
    /// There are more: look for more of a name.
    pub(crate) more: bool,
}

/// People are asked for by their addresses.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeopleGet {
    /// The addresses; as many as go on a page.
    pub(crate) addresses: Vec<Address>,
}

/// People, and how they are.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PeopleGot {
    /// Those that there are, in the order in which they were asked for.
    pub(crate) people: Vec<Person>,
    /// How those are whose presence one may see.
    pub(crate) presences: Vec<Presence>,
}

/// One's own account.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ProfileGot {
    /// The account.
    pub(crate) account: Account,
}

/// What one says of oneself from now on. What is absent stays as it is, and `null` takes it away.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileChange {
    /// The name to show.
    #[serde(default)]
    pub(crate) name: Patch<String>,
    /// What one does.
    #[serde(default)]
    pub(crate) title: Patch<String>,
    /// Where one works.
    #[serde(default)]
    pub(crate) department: Patch<String>,
    /// A telephone number.
    #[serde(default)]
    pub(crate) phone: Patch<String>,
    /// A mail address.
    #[serde(default)]
    pub(crate) mail: Patch<String>,
}

/// Another picture.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileSetAvatar {
    /// A PNG, JPEG, WebP or GIF in base 64; `null` takes the picture away. It is made small.
    #[serde(default)]
    pub(crate) data: Patch<String>,
    /// Its media type. What it really is counts.
    #[serde(default, rename = "type")]
    pub(crate) media_type: Option<String>,
}

/// Another password.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileSetPassword {
    /// The one before.
    pub(crate) old: String,
    /// The new one.
    pub(crate) new: String,
}

/// The contact list.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ContactListed {
    /// Contacts, and those who ask to become one.
    pub(crate) contacts: Vec<Contact>,
}

/// A contact is to be added.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactAdd {
    /// The contact's address.
    pub(crate) address: Address,
    /// The name to give.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// The groups to be in.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
}

/// A contact is to be changed. What is absent stays as it is, and `null` takes it away.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactChange {
    /// The contact's address.
    pub(crate) address: Address,
    /// The name to give.
    #[serde(default)]
    pub(crate) name: Patch<String>,
    /// The groups to be in.
    #[serde(default)]
    pub(crate) groups: Patch<Vec<String>>,
}

/// A contact, or somebody who asks to become one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactNamed {
    /// The address.
    pub(crate) address: Address,
}

/// A contact.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ContactGot {
    /// The contact as it now is.
    pub(crate) contact: Contact,
}

/// Whom one blocks.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ContactsBlocked {
    /// All of them.
    pub(crate) blocked: Vec<Address>,
}

/// How one is from now on, on all devices.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PresenceSet {
    /// `online`, `away` or `busy`. Online, one is shown as away where nobody looks at any device.
    pub(crate) show: Show,
    /// What to say about it.
    #[serde(default)]
    pub(crate) text: Option<String>,
    /// A picture for it: one emoji.
    #[serde(default)]
    pub(crate) emoji: Option<String>,
    /// When all of that is over by itself, in milliseconds since the Unix epoch.
    #[serde(default)]
    pub(crate) until_ms: Option<u64>,
}

/// How one is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PresenceGot {
    /// As others see it.
    pub(crate) presence: Presence,
}

/// Whom one has in view.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PresenceWatch {
    /// Their addresses, at most 200, in place of those named before. Whoever is of another domain, or is shown to contacts alone, is left out.
    pub(crate) addresses: Vec<Address>,
}

/// How people are.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PresencesGot {
    /// Of those whose presence one may see.
    pub(crate) presences: Vec<Presence>,
}
