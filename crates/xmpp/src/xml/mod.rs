//! XML as XMPP uses it (RFC 6120 section 11): a strict scanner, elements in one flat piece of memory, a canonical writer.

mod chars;
mod declaration;
mod element;
mod names;
mod namespaces;
mod reader;
mod reference;
mod scanner;
mod tape;
mod writer;

pub use element::Element;
pub use reader::{Attribute, ElementRef, Node, Nodes};
pub use scanner::{Framing, Limits, Scanner, StreamHeader, Token};
pub use writer::{escape_attr, escape_text};
pub(crate) use writer::{write_attribute, write_attributes, write_with_attributes};

use crate::error::StreamCondition;

/// Why the scanner refuses its input. Each carries a short reason for the log; the peer is told the condition only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// The input breaks XML 1.0 or Namespaces in XML 1.0.
    #[error("not well-formed: {0}")]
    NotWellFormed(&'static str),
    /// A comment, processing instruction, DTD or entity reference (RFC 6120 section 11.1).
    #[error("restricted XML: {0}")]
    Restricted(&'static str),
    /// One of the [`Limits`] is exceeded.
    #[error("limit exceeded: {0}")]
    Limit(&'static str),
    /// The input is not UTF-8, or declares another encoding (RFC 6120 section 11.6).
    #[error("unsupported encoding: {0}")]
    Encoding(&'static str),
    /// The root element is not in the stream namespace (RFC 6120 section 4.8.1).
    #[error("invalid namespace: {0}")]
    Namespace(&'static str),
    /// A prefix is used that is not declared.
    #[error("bad namespace prefix: {0}")]
    Prefix(&'static str),
    /// Well-formed XML that is no XMPP, such as text between stanzas.
    #[error("bad format: {0}")]
    Format(&'static str),
}

impl XmlError {
    /// The stream error that tells the peer (RFC 6120 section 4.9.3).
    pub fn condition(&self) -> StreamCondition {
        match self {
            XmlError::NotWellFormed(_) => StreamCondition::NotWellFormed,
            XmlError::Restricted(_) => StreamCondition::RestrictedXml,
            XmlError::Limit(_) => StreamCondition::PolicyViolation,
            XmlError::Encoding(_) => StreamCondition::UnsupportedEncoding,
            XmlError::Namespace(_) => StreamCondition::InvalidNamespace,
            XmlError::Prefix(_) => StreamCondition::BadNamespacePrefix,
            XmlError::Format(_) => StreamCondition::BadFormat,
        }
    }
}
