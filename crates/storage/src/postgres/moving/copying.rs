//! Rows as PostgreSQL's COPY takes them.

use std::fmt::Write as _;

use bytes::Bytes;
use futures_util::SinkExt;
use waxwing_chat::archive::{ArchiveCopy, Direction};

use super::super::append::{Indexing, kind_number};
use super::super::errors::Failure;
use super::super::session::Session;
use crate::listing::{Kind, Row, Table, Value};
use crate::{copies, hashes, labels, lists};

/// Rows in the text format of COPY.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Encoded {
    text: String,
    /// A row has begun.
    begun: bool,
}

impl Encoded {
    /// The rows of a table, in the order of its columns.
    pub(super) fn of(table: &Table, rows: &[Row]) -> Self {
        let mut encoded = Self::default();
        for row in rows {
            for (value, (_, kind)) in row.iter().zip(table.columns) {
                encoded.value(value, *kind);
            }
            encoded.end();
        }
        encoded
    }

    fn separate(&mut self) {
        if self.begun {
            self.text.push('\t');
        }
        self.begun = true;
    }

    /// The next value of the row.
    fn value(&mut self, value: &Value, kind: Kind) {
        match (value, kind) {
            (Value::Null, _) => self.null(),
            (Value::Int(n), Kind::Bool) => self.raw(if *n == 0 { "f" } else { "t" }),
            (Value::Int(n), _) => self.int(*n),
            (Value::Text(list), Kind::List) => self.list(&lists::split(list)),
            (Value::Text(text), _) => self.text(text),
            (Value::Bytes(octets), Kind::Hash) => {
                self.separate();
                self.hex(octets);
            }
            (Value::Bytes(octets), _) => self.octets(octets),
        }
    }

    fn null(&mut self) {
        self.raw("\\N");
    }

    fn raw(&mut self, text: &str) {
        self.separate();
        self.text.push_str(text);
    }

    fn int(&mut self, n: i64) {
        self.separate();
        let _ = write!(self.text, "{n}");
    }

    fn text(&mut self, text: &str) {
        self.separate();
        self.escaped(text);
    }

    fn octets(&mut self, octets: &[u8]) {
        self.raw("\\\\x");
        self.hex(octets);
    }

    fn hex(&mut self, octets: &[u8]) {
        for octet in octets {
            let _ = write!(self.text, "{octet:02x}");
        }
    }

    /// An array of texts.
    fn list(&mut self, list: &[String]) {
        let mut array = String::from("{");
        for (at, text) in list.iter().enumerate() {
            array.push_str(if at == 0 { "\"" } else { ",\"" });
            for c in text.chars() {
                if matches!(c, '"' | '\\') {
                    array.push('\\');
                }
                array.push(c);
            }
            array.push('"');
        }
        array.push('}');
        self.text(&array);
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                c => self.text.push(c),
            }
        }
    }

    fn end(&mut self) {
        self.text.push('\n');
        self.begun = false;
    }
}

/// Writes rows into a table.
pub(super) async fn copy(db: &Session, table: &str, columns: &str, rows: &Encoded) -> Result<(), Failure> {
    if rows.text.is_empty() {
        return Ok(());
    }
    let sql = format!("COPY {table} ({columns}) FROM STDIN");
    let rows = Bytes::from(rows.text.clone());
    db.in_time(async {
        let sink = db.client().copy_in::<str, Bytes>(&sql).await?;
        let mut sink = std::pin::pin!(sink);
        sink.send(rows).await?;
        sink.finish().await.map(drop)
    })
    .await
}

/// Writes what accounts keep in step, with the hash of each key.
pub(super) async fn states(db: &Session, table: &Table, rows: &[Row]) -> Result<(), Failure> {
    let mut encoded = Encoded::default();
    for row in rows {
        for (value, (name, kind)) in row.iter().zip(table.columns) {
            encoded.value(value, *kind);
            if let ("key", Value::Text(key)) = (*name, value) {
                encoded.value(&Value::Bytes(hashes::client_id(key).to_vec()), Kind::Hash);
            }
        }
        encoded.end();
    }
    copy(db, "state", "owner, kind, key, hash, position, content", &encoded).await
}

/// The rows that some messages have in the tables of the archive.
#[derive(Default)]
pub(super) struct Messages {
    pub(super) messages: Encoded,
    pub(super) copies: Encoded,
    pub(super) labels: Encoded,
}

/// Makes the rows of messages, and of what they are found by.
pub(super) fn messages(rows: &[Row], indexing: &mut Indexing) -> Result<Messages, Failure> {
    let mut made = Messages::default();
    for row in rows {
        let [Value::Int(id), Value::Bytes(column), text, xml, labelled] = row.as_slice() else {
            return Err(Failure::other("a message that is none"));
        };
        made.message(*id, column, (text, xml, labelled), indexing)?;
    }
    Ok(made)
}

impl Messages {
    fn message(
        &mut self,
        id: i64,
        column: &[u8],
        (text, xml, labelled): (&Value, &Value, &Value),
        indexing: &mut Indexing,
    ) -> Result<(), Failure> {
        indexing.read(as_text(text), labels::each(as_text(labelled)));
        let (mut words, mut keys) = (Vec::new(), Vec::new());
        for entry in copies::entries(column) {
            let entry = entry.ok_or_else(|| Failure::other(format!("message {id} has damaged copies")))?;
            let kind = entry.kind();
            let copy = ArchiveCopy {
                owner: entry.owner,
                peer: super::super::jid(entry.peer)?,
                direction: Direction::Incoming,
                kept: kind.is_kept(),
                waits: false,
            };
            self.copies.int(entry.owner.0);
            self.copies.int(id);
            self.copies.int(indexing.contact(&copy));
            self.copies.int(kind_number(kind).into());
            self.copies.end();
            if kind.is_kept() {
                words.extend(indexing.words_of(entry.owner));
                keys.extend(indexing.labels_of(entry.owner));
            }
        }
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            self.labels.int(key);
            self.labels.int(id);
            self.labels.end();
        }
        self.messages.int(id);
        self.messages.octets(column);
        self.words(&words);
        self.messages.value(text, Kind::Text);
        self.messages.value(xml, Kind::Bytes);
        self.messages.value(labelled, Kind::Text);
        self.messages.end();
        Ok(())
    }

    fn words(&mut self, words: &[i32]) {
        if words.is_empty() {
            return self.messages.null();
        }
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        self.messages.raw(&format!("{{{}}}", words.join(",")));
    }
}

fn as_text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Column;

    #[test]
    fn any_value_is_copied_as_it_is() {
        const COLUMNS: &[Column] =
            &[("a", Kind::Text), ("b", Kind::Bool), ("c", Kind::Bytes), ("d", Kind::List), ("e", Kind::Int)];
        let table = Table { name: "t", order: "a", columns: COLUMNS };
        let rows = vec![
            vec![
                Value::Text("a\\b\tc\nd\r".to_owned()),
                Value::Int(1),
                Value::Bytes(vec![0, 255]),
                Value::Text(lists::join(&["x\"y".to_owned(), String::new(), "\\\n".to_owned()])),
                Value::Int(-7),
            ],
            vec![Value::Null, Value::Int(0), Value::Null, Value::Text(String::new()), Value::Null],
        ];
        let encoded = Encoded::of(&table, &rows).text;
        let lines: Vec<&str> = encoded.lines().collect();
        assert_eq!(lines[0], r#"a\\b\tc\nd\r	t	\\x00ff	{"x\\"y","","\\\\\n"}	-7"#);
        assert_eq!(lines[1], "\\N\tf\t\\N\t{}\t\\N");
    }
}
