//! The parameters of a command: their types, how they are read from text and checked as JSON.

use serde_json::{Map, Value};
use waxwing_xmpp::jid::Jid;

use super::failure::{Code, Failure};

/// What a parameter accepts. Each type has one form as text (command line, forms) and one as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text; a JSON string.
    Text,
    /// An account's address, `name@domain`; a JSON string.
    Account,
    /// An account's address with or without a resource; a JSON string.
    Address,
    /// A whole number within bounds, both included; a JSON number.
    Number {
        /// The smallest allowed.
        min: u64,
        /// The largest allowed.
        max: u64,
    },
    /// Present or not; a JSON boolean.
    Flag,
    /// A length of time such as `90s`, `30m`, `12h` or `7d`; a JSON string of the same form.
    Duration,
    /// A point in time, in UTC: `2026-12-31` or `2026-12-31T18:00:00Z`; a JSON string of the same form.
    Time,
    /// One of these words; a JSON string.
    Choice(&'static [&'static str]),
    /// A file or folder; a JSON string, always an absolute path.
    Path,
    /// A password; a JSON string. It is never shown, logged, or taken from a command line.
    Secret,
}

/// One parameter of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in JSON: lower case, words joined by `_`.
    pub name: &'static str,
    /// What it accepts.
    pub kind: Kind,
    /// The command cannot do without it.
    pub required: bool,
    /// What holds when it is left out, in words or as the value itself.
    pub default: Option<&'static str>,
    /// One sentence.
    pub help: &'static str,
}

impl Parameter {
    /// A parameter the command cannot do without.
    pub const fn required(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, kind, required: true, default: None, help }
    }

    /// A parameter that may be left out.
    pub const fn optional(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, kind, required: false, default: None, help }
    }

    /// Says what holds when it is left out.
    pub const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }
}

impl Kind {
    /// What to call it in a usage line.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Account | Self::Address => "ADDRESS",
            Self::Number { .. } => "NUMBER",
            Self::Flag => "FLAG",
            Self::Duration => "DURATION",
            Self::Time => "TIME",
            Self::Choice(_) => "WORD",
            Self::Path => "PATH",
            Self::Secret => "PASSWORD",
        }
    }

    /// Reads the text form into the JSON form.
    pub fn from_text(self, text: &str) -> Result<Value, String> {
        let value = match self {
            Self::Number { .. } => {
                Value::from(text.parse::<u64>().map_err(|_| format!("\"{text}\" is not a whole number"))?)
            }
            Self::Flag => match text {
                "true" | "1" => Value::Bool(true),
                "false" | "0" => Value::Bool(false),
                _ => return Err(format!("\"{text}\" is neither true nor false")),
            },
            _ => Value::from(text),
        };
        self.check(&value)?;
        Ok(value)
    }

    /// Says what is wrong with a value in its JSON form, if anything.
    pub fn check(self, value: &Value) -> Result<(), String> {
        match self {
            Self::Flag => value.as_bool().map(|_| ()).ok_or_else(|| "must be true or false".into()),
            Self::Number { min, max } => match value.as_u64() {
                Some(number) if (min..=max).contains(&number) => Ok(()),
                _ => Err(format!("must be a whole number from {min} to {max}")),
            },
            _ => self.check_text(value.as_str().ok_or("must be a string")?),
        }
    }

    fn check_text(self, text: &str) -> Result<(), String> {
        if text.contains('\0') {
            return Err("must not hold a zero character".into());
        }
        match self {
            Self::Account => match Jid::new(text) {
                Ok(jid) if jid.local().is_some() && jid.is_bare() => Ok(()),
                Ok(_) => Err(format!("\"{text}\" is not an account's address, such as alice@example.org")),
                Err(error) => Err(format!("\"{text}\" is not an address: {error}")),
            },
            Self::Address => match Jid::new(text) {
                Ok(jid) if jid.local().is_some() => Ok(()),
                Ok(_) => Err(format!("\"{text}\" names no account, as alice@example.org does")),
                Err(error) => Err(format!("\"{text}\" is not an address: {error}")),
            },
            Self::Duration => duration_ms(text).map(|_| ()),
            Self::Choice(words) if !words.contains(&text) => {
                Err(format!("must be one of {}", words.join(", ")))
            }
            Self::Path if !std::path::Path::new(text).is_absolute() => Err("must be an absolute path".into()),
            Self::Secret if text.is_empty() => Err("must not be empty".into()),
            _ => Ok(()),
        }
    }
}

/// Reads a length of time such as `90s`, `30m`, `12h` or `7d` as milliseconds.
pub fn duration_ms(text: &str) -> Result<u64, String> {
    let wrong = || format!("\"{text}\" is not a length of time such as 30m, 12h or 7d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let factor: u64 = match unit {
        's' => 1000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    number.checked_mul(factor).ok_or_else(wrong)
}

/// Checks arguments against a command's parameters: none unknown, none missing, each of its type.
pub fn check_arguments(parameters: &[Parameter], arguments: &Map<String, Value>) -> Result<(), Failure> {
    for (name, value) in arguments {
        let parameter = parameters.iter().find(|parameter| parameter.name == name).ok_or_else(|| {
            let known = match parameters {
                [] => "it takes none".to_owned(),
                _ => format!("it takes {}", parameters.iter().map(|p| p.name).collect::<Vec<_>>().join(", ")),
            };
            Failure::invalid(name, format!("There is no argument \"{name}\": {known}."))
        })?;
        parameter.kind.check(value).map_err(|why| Failure::invalid(name, format!("\"{name}\": {why}.")))?;
    }
    match parameters.iter().find(|parameter| parameter.required && !arguments.contains_key(parameter.name)) {
        Some(missing) => Err(Failure::argument(
            Code::InvalidArgument,
            missing.name,
            format!("\"{}\" is missing: {}.", missing.name, missing.help.trim_end_matches('.')),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMETERS: &[Parameter] = &[
        Parameter::required("address", Kind::Account, "Whose account."),
        Parameter::optional("limit", Kind::Number { min: 1, max: 10 }, "How many."),
    ];

    fn check(json: serde_json::Value) -> Result<(), Failure> {
        check_arguments(PARAMETERS, json.as_object().expect("an object"))
    }

    #[test]
    fn each_wrong_argument_is_named() {
        assert!(check(serde_json::json!({"address": "romeo@montague.example", "limit": 10})).is_ok());
        for (json, argument) in [
            (serde_json::json!({"limit": 1}), "address"),
            (serde_json::json!({"address": {"$ne": null}}), "address"),
            (serde_json::json!({"address": "montague.example"}), "address"),
            (serde_json::json!({"address": "romeo@montague.example/orchard"}), "address"),
            (serde_json::json!({"address": "romeo@montague.example", "limit": 11}), "limit"),
            (serde_json::json!({"address": "romeo@montague.example", "limit": "3"}), "limit"),
            (serde_json::json!({"address": "romeo@montague.example", "colour": 1}), "colour"),
        ] {
            let failure = check(json).expect_err("refused");
            assert_eq!((failure.code, failure.argument.as_deref()), (Code::InvalidArgument, Some(argument)));
        }
    }

    #[test]
    fn lengths_of_time_are_read() {
        assert_eq!(duration_ms("90s"), Ok(90_000));
        assert_eq!(duration_ms("7d"), Ok(604_800_000));
        for wrong in ["", "7", "d", "-1d", "1w", "1é", "99999999999999999999d", "18446744073709551615d"] {
            assert!(duration_ms(wrong).is_err(), "{wrong}");
        }
    }
}
