//! JSON-RPC 2.0 on the wire: one request in a frame, one answer in a frame, and what the server tells unasked.

use std::borrow::Cow;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::error::{Condition, ErrorObject, Fault};

/// How deeply a frame may be nested.
pub(crate) const DEPTH_LIMIT: usize = 32;

/// Bytes of the id of a request, if it is a text.
pub(crate) const ID_BYTES_LIMIT: usize = 64;

/// By what a client knows the answer to its request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Id {
    /// A whole number.
    Number(i64),
    /// A short text.
    Text(String),
}

/// A request as it came.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request<'a> {
    #[serde(borrow)]
    jsonrpc: Cow<'a, str>,
    pub(crate) id: Id,
    #[serde(borrow)]
    pub(crate) method: Cow<'a, str>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

/// Why a frame could not be taken for a request, and the id it has all the same.
#[derive(Debug)]
pub(crate) struct Malformed {
    pub(crate) id: Option<Id>,
    pub(crate) fault: Fault,
}

/// Reads a frame.
pub(crate) fn request(frame: &str) -> Result<Request<'_>, Malformed> {
    let refused = |id, condition, sentence: &'static str| {
        Err(Malformed { id, fault: Fault::new(condition).saying(sentence) })
    };
    if depth(frame) > DEPTH_LIMIT {
        return refused(None, Condition::ParseError, "The frame is nested too deeply.");
    }
    if frame.trim_start().starts_with('[') {
        return refused(
            None,
            Condition::InvalidRequest,
            "Batches are not taken: send one request in a frame.",
        );
    }
    let request = match serde_json::from_str::<Request<'_>>(frame) {
        Ok(request) => request,
        // A field that is no field of a request may stand before what is no JSON.
        Err(_) if serde_json::from_str::<IgnoredAny>(frame).is_err() => {
            return refused(None, Condition::ParseError, "The frame is not JSON.");
        }
        Err(error) => {
            let fault = explained(Condition::InvalidRequest, "", &error.to_string());
            return Err(Malformed { id: id_of(frame), fault });
        }
    };
    if request.jsonrpc != "2.0" {
        return refused(Some(request.id), Condition::InvalidRequest, "The field `jsonrpc` must be \"2.0\".");
    }
    match &request.id {
        Id::Text(text) if text.len() > ID_BYTES_LIMIT => {
            refused(None, Condition::InvalidRequest, "The id is too long.")
        }
        _ => Ok(request),
    }
}

impl Request<'_> {
    /// Reads the parameters; a request without any has the same as one with none in it.
    pub(crate) fn params<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        params(self.params.map_or("{}", RawValue::get))
    }

    /// The parameters as they came.
    pub(crate) fn raw_params(&self) -> &str {
        self.params.map_or("{}", RawValue::get)
    }
}

/// Reads parameters, and names the field that is not what it should be.
pub(crate) fn params<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    if !text.trim_start().starts_with('{') {
        // A reader of structures would take their fields from a list, by their order.
        return Err(Fault::new(Condition::InvalidParams)
            .saying("The parameters must be an object with named fields."));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { "" } else { path.as_str() };
        explained(Condition::InvalidParams, path, &error.inner().to_string())
    })
}

/// A refusal in words of ours, from what the reader says and where it was.
fn explained(condition: Condition, path: &str, said: &str) -> Fault {
    // The place in the text that stands behind it says nothing to whoever wrote a program.
    let said = said.split(" at line ").next().unwrap_or(said);
    let quoted = said.split('`').nth(1).unwrap_or_default();
    let joined = |name: &str| match (path, name) {
        ("", name) => name.to_owned(),
        // The reader counts an unknown field into the path or not, as it comes.
        (path, name) if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        (path, name) => format!("{path}.{name}"),
    };
    if said.starts_with("unknown field") {
        let field = joined(quoted);
        return Fault::new(condition).saying(format!("The field `{field}` is not known here.")).about(field);
    }
    if said.starts_with("missing field") {
        let field = joined(quoted);
        return Fault::new(condition).saying(format!("The field `{field}` is missing.")).about(field);
    }
    if said.starts_with("duplicate field") {
        let field = joined(quoted);
        return Fault::new(condition).saying(format!("The field `{field}` stands twice.")).about(field);
    }
    match path {
        "" => Fault::new(condition).saying(format!("The request cannot be read: {said}.")),
        path => Fault::new(condition)
            .saying(format!("The field `{path}` is not what it should be: {said}."))
            .about(path.to_owned()),
    }
}

/// The id of a frame that is no request.
fn id_of(frame: &str) -> Option<Id> {
    #[derive(Deserialize)]
    struct Only {
        id: Option<Id>,
    }
    let id = serde_json::from_str::<Only>(frame).ok()?.id?;
    match &id {
        Id::Text(text) if text.len() > ID_BYTES_LIMIT => None,
        _ => Some(id),
    }
}

/// How deeply brackets stand in brackets.
fn depth(frame: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0usize);
    let (mut quoted, mut escaped) = (false, false);
    for byte in frame.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A result on its way out; `result` is JSON already.
pub(crate) fn result(id: &Id, result: &str) -> String {
    let mut out = String::with_capacity(result.len() + 48);
    out.push_str(r#"{"jsonrpc":"2.0","id":"#);
    out.push_str(&written(id));
    out.push_str(r#","result":"#);
    out.push_str(result);
    out.push('}');
    out
}

/// A refusal on its way out.
pub(crate) fn error(id: Option<&Id>, fault: &Fault) -> String {
    let id = id.map_or_else(|| "null".to_owned(), written);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{}}}"#, written(&ErrorObject::from(fault)))
}

/// Something that the client did not ask for, on its way out.
pub(crate) fn event(event: &super::types::Event) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"event","params":{}}}"#, written(event))
}

/// A value of ours as JSON.
pub(crate) fn written(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| {
        // Only a map whose keys are no texts could fail, and there is none.
        tracing::error!(%error, "an answer could not be written");
        "null".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::types::SessionSignIn;

    fn fault(frame: &str) -> (Option<Id>, Fault) {
        let malformed = request(frame).expect_err("refused");
        (malformed.id, malformed.fault)
    }

    #[test]
    fn json_rpc_5_1_what_is_no_request_has_its_code() {
        let parse = ["", "{", "nonsense", r#"{"jsonrpc":"2.0",}"#, "{\"a\":\u{1}}"];
        for frame in parse {
            assert_eq!(fault(frame).1.condition, Condition::ParseError, "{frame}");
        }
        let invalid = [
            "1",
            "null",
            "{}",
            "[]",
            r#"[{"jsonrpc":"2.0","id":1,"method":"session.ping"}]"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"session.ping"}"#,
            r#"{"jsonrpc":"2.0","method":"session.ping"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"session.ping"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"session.ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"session.ping","more":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"session.ping"}"#,
        ];
        for frame in invalid {
            assert_eq!(fault(frame).1.condition, Condition::InvalidRequest, "{frame}");
        }
        let (id, unknown) = fault(r#"{"jsonrpc":"2.0","id":7,"method":"session.ping","more":1}"#);
        assert_eq!((id, unknown.field.as_deref()), (Some(Id::Number(7)), Some("more")));
    }

    #[test]
    fn a_frame_may_be_nested_so_deeply_and_no_deeper() {
        let nested = |levels: usize| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{}{}}}"#,
                "[".repeat(levels - 1),
                "]".repeat(levels - 1)
            )
        };
        assert!(request(&nested(DEPTH_LIMIT)).is_ok());
        assert_eq!(fault(&nested(DEPTH_LIMIT + 1)).1.condition, Condition::ParseError);
        assert_eq!(fault(&nested(100_000)).1.condition, Condition::ParseError);
        let quoted = format!(r#"{{"jsonrpc":"2.0","id":"{}\"","method":"x"}}"#, "[".repeat(40));
        assert!(request(&quoted).is_ok(), "what stands in a text is not nested");
    }

    fn wrong(params: &str) -> (Option<String>, String) {
        let fault = super::params::<SessionSignIn>(params).expect_err("refused");
        assert_eq!(fault.condition, Condition::InvalidParams);
        (fault.field.map(Cow::into_owned), fault.sentence.into_owned())
    }

    #[test]
    fn a_field_that_is_wrong_is_named() {
        let right =
            r#"{"protocol":1,"credentials":{"type":"token","token":"x"},"client":{"name":"n","device":"d"}}"#;
        super::params::<SessionSignIn>(right).expect("the parameters");
        let cases = [
            (right.replace("\"protocol\":1,", ""), "protocol"),
            (right.replace("\"protocol\":1", "\"protocol\":{}"), "protocol"),
            (right.replace("\"protocol\":1", "\"protocol\":1,\"protocol\":1"), "protocol"),
            (right.replace("\"device\":\"d\"", "\"device\":\"d\",\"more\":1"), "client.more"),
            (right.replace("\"device\":\"d\"", "\"device\":[]"), "client.device"),
            (right.replace(",\"device\":\"d\"", ""), "client.device"),
            (right.replace("\"protocol\":1", "\"more\":1,\"protocol\":1"), "more"),
        ];
        for (params, field) in cases {
            let (named, sentence) = wrong(&params);
            assert_eq!(named.as_deref(), Some(field), "{params}: {sentence}");
            assert!(sentence.contains(field) && sentence.ends_with('.'), "{sentence}");
        }
        let (named, _) = wrong(&right.replace("\"token\":\"x\"", "\"token\":\"x\",\"more\":1"));
        assert!(named.is_some_and(|field| field.starts_with("credentials")));
    }

    /// Whatever comes is answered: no input is a way to end the task.
    #[test]
    fn no_frame_makes_the_reader_panic() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let words = [
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "\"",
            "\\",
            "\"jsonrpc\"",
            "\"2.0\"",
            "\"id\"",
            "1",
            "-0",
            "1e999",
            "null",
            "true",
            "\"method\"",
            "\"params\"",
            "\"\\ud800\"",
            "\"\\u0000\"",
            "é",
            "\u{202e}",
            " ",
            "\n",
            "0x1",
            "99999999999999999999",
            "\"credentials\":{\"type\":\"token\"",
        ];
        for _ in 0..20_000 {
            let mut frame: String = (0..next() % 40)
                .map(|_| words[usize::try_from(next()).unwrap_or_default() % words.len()])
                .collect();
            if next().is_multiple_of(3) {
                frame = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"session.sign_in","params":{frame}}}"#);
            }
            match request(&frame) {
                Ok(request) => drop(request.params::<SessionSignIn>()),
                Err(malformed) => drop(error(malformed.id.as_ref(), &malformed.fault)),
            }
        }
    }
}
