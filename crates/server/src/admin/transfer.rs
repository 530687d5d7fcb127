//! Accounts with all that is theirs as a portable file (XEP-0227), out and in.

pub mod export;
pub mod import;
mod nodes;
mod pieces;

/// The namespace of the file format.
const PIE: &str = "urn:xmpp:pie:0";
/// SCRAM credentials in it (XEP-0227 section 4.3).
const PIE_SCRAM: &str = "urn:xmpp:pie:0#scram";
/// A message archive in it (XEP-0227 section 4.11).
const PIE_ARCHIVE: &str = "urn:xmpp:pie:0#mam";
/// What XEP-0227 has no place for: an account's name, role and state.
const ACCOUNT: &str = "urn:waxwing:account:1";
const INCLUDE: &str = "http://www.w3.org/2001/XInclude";
const ROSTER: &str = "jabber:iq:roster";
const PRIVATE: &str = "jabber:iq:private";
const VCARD: &str = "vcard-temp";
const PRIVACY: &str = "jabber:iq:privacy";
const BLOCKING: &str = "urn:xmpp:blocking";
const CLIENT: &str = "jabber:client";
const ARCHIVE: &str = "urn:xmpp:mam:2";
const FORWARD: &str = "urn:xmpp:forward:0";
const DELAY: &str = "urn:xmpp:delay";
const STANZA_ID: &str = "urn:xmpp:sid:0";
