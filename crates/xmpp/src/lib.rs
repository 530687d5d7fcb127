//! XMPP without I/O: addresses, XML, stanzas, errors and the stream state machines; bytes in, events out.

pub mod error;
pub mod jid;
pub mod ns;
pub mod sasl;
pub mod stanza;
pub mod xml;
