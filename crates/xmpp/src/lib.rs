//! XMPP addresses, XML, stanzas, SASL and stream state machines: bytes in, events out, no I/O.

pub mod sasl;
