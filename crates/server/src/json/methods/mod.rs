//! Every method of the face, in one table: one file for each group of them.

mod contact;
mod conversation;
mod device;
mod file;
mod inbox;
mod message;
mod people;
mod preferences;
mod presence;
mod profile;
mod push;
mod room;
mod scheduled;
mod search;
mod session;
mod sync;
mod thread;
mod token;

use std::collections::HashMap;
use std::sync::LazyLock;

use waxwing_xmpp::jid::Jid;

use super::error::Fault;
use super::method::Method;

/// The groups, in the order of the reference.
static GROUPS: &[&[Method]] = &[
    session::METHODS,
    sync::METHODS,
    conversation::METHODS,
    message::METHODS,
    thread::METHODS,
    inbox::METHODS,
    search::METHODS,
    scheduled::METHODS,
    people::METHODS,
    profile::METHODS,
    contact::METHODS,
    presence::METHODS,
    room::METHODS,
    file::METHODS,
    preferences::METHODS,
    device::METHODS,
    push::METHODS,
    token::METHODS,
];

/// The method whose requests may be in the store together.
pub(crate) const SEND: &str = "message.send";

/// The address in a field.
fn address_in(field: &'static str, text: &str) -> Result<Jid, Fault> {
    let jid = Jid::new(text).ok().filter(|jid| jid.is_bare() && jid.local().is_some());
    jid.ok_or_else(|| Fault::field(field, "That must be an address like romeo@example.org."))
}

/// Every method.
pub(crate) fn all() -> impl Iterator<Item = &'static Method> {
    GROUPS.iter().flat_map(|group| group.iter())
}

/// The method of this name.
pub(crate) fn find(name: &str) -> Option<&'static Method> {
    static BY_NAME: LazyLock<HashMap<&str, &Method>> =
        LazyLock::new(|| all().map(|method| (method.name, method)).collect());
    BY_NAME.get(name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_found_by_its_name_and_says_what_it_does() {
        for method in all() {
            assert!(std::ptr::eq(find(method.name).expect("found"), method), "{} stands twice", method.name);
            assert!(
                method
                    .name
                    .split_once('.')
                    .is_some_and(|(group, verb)| !group.is_empty() && !verb.is_empty())
            );
            assert!(method.summary.ends_with('.'), "{}", method.name);
        }
    }
}
