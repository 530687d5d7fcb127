//! XMPP without I/O: addresses, XML, stanzas, errors and the stream state machines; bytes in, events out.

pub mod c2s;
pub mod error;
mod header;
pub mod jid;
pub mod ns;
mod precis;
pub mod s2s;
pub mod sasl;
pub mod sm;
pub mod stanza;
pub mod xml;
