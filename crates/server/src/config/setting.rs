//! How a configuration section describes itself: its keys, their kinds, defaults and documentation.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// What kind of thing a key takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A single value or a list of values.
    Value {
        /// What to write, in a reader's words: "integer", "path", "list of texts".
        kind: String,
        /// The words allowed, when they are a closed set.
        allowed: Vec<&'static str>,
    },
    /// A `[table]` of further keys.
    Table(Vec<Field>),
    /// A `[[table]]` that may be written several times; the keys of one of them.
    Tables(Vec<Field>),
}

/// One key of a section.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The key as written in the file.
    pub name: &'static str,
    /// The doc comment of the field, one line per line.
    pub doc: Vec<&'static str>,
    /// What the key takes.
    pub shape: Shape,
    /// The default in TOML, or `None` when the key is unset by default or is a table.
    pub default: Option<String>,
}

/// A type that can stand in the configuration.
pub trait Setting {
    /// Describes the type, with the defaults taken from `self` where it is a table.
    fn shape(&self) -> Shape;
    /// The value in TOML, or `None` when it is unset or a table.
    fn toml(&self) -> Option<String>;
    /// A value to describe an element of a list by, for lists that are empty by default.
    fn sample() -> Self
    where
        Self: Sized;
}

macro_rules! value_setting {
    ($($ty:ty => $kind:literal, $sample:expr, $render:expr;)*) => {$(
        impl Setting for $ty {
            fn shape(&self) -> Shape {
                Shape::Value { kind: $kind.to_owned(), allowed: Vec::new() }
            }
            fn toml(&self) -> Option<String> {
                let render: fn(&$ty) -> String = $render;
                Some(render(self))
            }
            fn sample() -> Self {
                $sample
            }
        }
    )*};
}

value_setting! {
    bool => "true or false", false, |v| v.to_string();
    u16 => "integer", 0, |v| v.to_string();
    u32 => "integer", 0, |v| grouped(u64::from(*v));
    u64 => "integer", 0, |v| grouped(*v);
    usize => "integer", 0, |v| grouped(*v as u64);
    String => "text", String::new(), |v| quoted(v);
    IpAddr => "IP address", IpAddr::V4(Ipv4Addr::LOCALHOST), |v| quoted(&v.to_string());
    PathBuf => "path", PathBuf::new(), |v| quoted(&v.to_string_lossy());
}

impl<T: Setting> Setting for Option<T> {
    fn shape(&self) -> Shape {
        T::sample().shape()
    }
    fn toml(&self) -> Option<String> {
        self.as_ref().and_then(Setting::toml)
    }
    fn sample() -> Self {
        None
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn shape(&self) -> Shape {
        match T::sample().shape() {
            Shape::Table(fields) => Shape::Tables(fields),
            Shape::Tables(fields) => Shape::Tables(fields),
            Shape::Value { kind, allowed } => Shape::Value { kind: format!("list of: {kind}"), allowed },
        }
    }
    fn toml(&self) -> Option<String> {
        if matches!(self.shape(), Shape::Tables(_)) {
            return None;
        }
        let items: Vec<String> = self.iter().filter_map(Setting::toml).collect();
        Some(format!("[{}]", items.join(", ")))
    }
    fn sample() -> Self {
        Vec::new()
    }
}

/// Writes a TOML basic string.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Writes an integer in groups of three, as TOML allows, so that 100_000 is not read as 10_000.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && digits.len() > 4 {
            out.push('_');
        }
        out.push(c);
    }
    out
}

/// Declares a section: the struct, its defaults and its description from one text.
///
/// Each field is `/// documentation`, then `name: Type = default,`. The struct derives `Deserialize` and
/// refuses keys it does not know. A field whose type is itself a section becomes a `[table]`; a `Vec` of a
/// section becomes a `[[table]]`.
macro_rules! config {
    (
        $(#[doc = $struct_doc:literal])*
        $vis:vis struct $name:ident {
            $( $(#[doc = $doc:literal])* $field:ident : $ty:ty = $default:expr ),* $(,)?
        }
    ) => {
        $(#[doc = $struct_doc])*
        #[derive(Debug, Clone, PartialEq, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        $vis struct $name {
            $( $(#[doc = $doc])* pub $field: $ty, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $crate::config::Setting for $name {
            fn shape(&self) -> $crate::config::Shape {
                $crate::config::Shape::Table(vec![
                    $( $crate::config::Field {
                        name: stringify!($field),
                        doc: vec![$($doc),*],
                        shape: $crate::config::Setting::shape(&self.$field),
                        default: $crate::config::Setting::toml(&self.$field),
                    }, )*
                ])
            }
            fn toml(&self) -> Option<String> {
                None
            }
            fn sample() -> Self {
                Self::default()
            }
        }
    };
}
pub(crate) use config;

/// Declares a setting that is one of a few words: the enum, its spelling in the file, and the list of words.
macro_rules! choice {
    (
        $(#[doc = $enum_doc:literal])*
        $vis:vis enum $name:ident {
            $( $(#[doc = $doc:literal])* $variant:ident = $word:literal ),* $(,)?
        }
    ) => {
        $(#[doc = $enum_doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
        $vis enum $name {
            $( $(#[doc = $doc])* #[serde(rename = $word)] $variant, )*
        }

        impl $name {
            /// The word for this choice in the configuration file.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )* }
            }
        }

        impl $crate::config::Setting for $name {
            fn shape(&self) -> $crate::config::Shape {
                $crate::config::Shape::Value { kind: "one of".to_owned(), allowed: vec![$($word),*] }
            }
            fn toml(&self) -> Option<String> {
                Some($crate::config::quoted(self.as_str()))
            }
            fn sample() -> Self {
                let all = [$(Self::$variant),*];
                all[0]
            }
        }
    };
}
pub(crate) use choice;

#[cfg(test)]
mod tests {
    use super::*;

    config! {
        /// A section.
        struct Inner {
            /// How many.
            count: u32 = 12_345,
        }
    }

    config! {
        /// The root.
        struct Outer {
            /// First line.
            /// Second line.
            name: Option<String> = None,
            /// Nested.
            inner: Inner = Inner::default(),
            /// Repeated.
            many: Vec<Inner> = Vec::new(),
        }
    }

    #[test]
    fn a_section_describes_its_keys_from_the_text_that_declares_them() {
        let Shape::Table(fields) = Outer::default().shape() else { panic!("a section is a table") };
        assert_eq!(fields[0].doc, [" First line.", " Second line."]);
        assert_eq!(fields[0].default, None);
        let Shape::Table(inner) = &fields[1].shape else { panic!("a nested section is a table") };
        assert_eq!(inner[0].default.as_deref(), Some("12_345"));
        assert!(matches!(&fields[2].shape, Shape::Tables(inner) if inner[0].name == "count"));
    }

    #[test]
    fn a_quoted_text_reads_back_as_itself() {
        for text in ["plain", "with \"quotes\" and \\", "tab\tand\u{1}"] {
            let table: toml::Table = format!("k = {}", quoted(text)).parse().expect("valid TOML");
            assert_eq!(table["k"].as_str(), Some(text));
        }
    }
}
