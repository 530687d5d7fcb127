//! Data forms (XEP-0004) with their standard field names (XEP-0068), written and read.

use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::{Feature, Spec};

/// XEP-0004, XEP-0068 and XEP-0122.
pub const FEATURE: Feature = Feature {
    name: "data forms",
    summary: "The forms that other features ask questions and give answers with.",
    specs: &[
        Spec { name: "XEP-0004", version: "2.13.2", note: "" },
        Spec { name: "XEP-0068", version: "1.3.0", note: "" },
        Spec { name: "XEP-0122", version: "1.0.2", note: "Only open lists, as XEP-0313 needs them." },
    ],
    ..Feature::EMPTY
};

/// How many fields a submitted form may have.
pub const FIELDS_LIMIT: usize = 64;

/// A field that a person fills in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Question<'a> {
    /// Its name.
    pub var: &'a str,
    /// Its type (XEP-0004 section 3.3).
    pub kind: &'a str,
    /// What it is called for people.
    pub label: &'a str,
    /// What else there is to know; may be empty.
    pub about: &'a str,
    /// It has to be filled in.
    pub required: bool,
    /// What can be chosen, for lists.
    pub options: &'a [&'a str],
    /// What it holds so far.
    pub values: &'a [&'a str],
}

/// A form that is being written.
#[derive(Debug)]
pub struct Form(Element);

impl Form {
    /// A form that asks.
    pub fn asking(form_type: &str) -> Self {
        Self::new("form", form_type)
    }

    /// A form that tells.
    pub fn result(form_type: &str) -> Self {
        Self::new("result", form_type)
    }

    fn new(kind: &str, form_type: &str) -> Self {
        let x = Element::new(ns::DATA_FORMS, "x").with_attr("type", kind);
        Self(x.with_child(field("FORM_TYPE", Some("hidden"), &[form_type])))
    }

    /// Adds the title and instructions that a person reads.
    pub fn titled(self, title: &str, instructions: &str) -> Self {
        let text = |name, text| Element::new(ns::DATA_FORMS, name).with_text(text);
        Self(self.0.with_child(text("title", title)).with_child(text("instructions", instructions)))
    }

    /// Adds a field with its values and no type, as results have them.
    pub fn field(self, var: &str, values: &[&str]) -> Self {
        Self(self.0.with_child(field(var, None, values)))
    }

    /// Adds a field of a type.
    pub fn typed(self, var: &str, kind: &str, values: &[&str]) -> Self {
        Self(self.0.with_child(field(var, Some(kind), values)))
    }

    /// Adds a field that a person fills in.
    pub fn question(self, var: &str, kind: &str, label: &str, required: bool) -> Self {
        let mut question = field(var, Some(kind), &[]).with_attr("label", label);
        if required {
            question = question.with_child(Element::new(ns::DATA_FORMS, "required"));
        }
        Self(self.0.with_child(question))
    }

    /// Adds a field that a person fills in, with what else he should know and what it holds so far.
    pub fn explained(mut self, question: &Question<'_>) -> Self {
        let Question { var, kind, label, about, required, options, values } = question;
        let mut field = field(var, Some(kind), values).with_attr("label", label);
        if !about.is_empty() {
            field.append(Element::new(ns::DATA_FORMS, "desc").with_text(about));
        }
        if *required {
            field.append(Element::new(ns::DATA_FORMS, "required"));
        }
        for option in *options {
            let value = Element::new(ns::DATA_FORMS, "value").with_text(option);
            field.append(Element::new(ns::DATA_FORMS, "option").with_attr("label", option).with_child(value));
        }
        self.0.append(field);
        self
    }

    /// Adds items that have the same fields, under the labels that those have (section 3.4).
    pub fn items(mut self, columns: &[(&str, &str, &str)], rows: &[Vec<String>]) -> Self {
        let mut reported = Element::new(ns::DATA_FORMS, "reported");
        for (var, kind, label) in columns {
            reported.append(field(var, Some(kind), &[]).with_attr("label", label));
        }
        self.0.append(reported);
        for row in rows {
            let mut item = Element::new(ns::DATA_FORMS, "item");
            for ((var, ..), value) in columns.iter().zip(row) {
                item.append(field(var, None, &[value]));
            }
            self.0.append(item);
        }
        self
    }

    /// Adds a list that takes any values (XEP-0122 section 3.1).
    pub fn open_list(self, var: &str) -> Self {
        let validate = Element::new(ns::DATA_VALIDATE, "validate")
            .with_attr("datatype", "xs:string")
            .with_child(Element::new(ns::DATA_VALIDATE, "open"));
        Self(self.0.with_child(field(var, Some("list-multi"), &[]).with_child(validate)))
    }

    /// The finished form.
    pub fn into_element(self) -> Element {
        self.0
    }
}

fn field(var: &str, kind: Option<&str>, values: &[&str]) -> Element {
    let mut field = Element::new(ns::DATA_FORMS, "field").with_attr("var", var);
    if let Some(kind) = kind {
        field = field.with_attr("type", kind);
    }
    values
        .iter()
        .fold(field, |field, value| field.with_child(Element::new(ns::DATA_FORMS, "value").with_text(value)))
}

/// A form that somebody filled in.
#[derive(Debug, Default)]
pub struct Submission {
    /// The fields but `FORM_TYPE`, each with its values.
    pub fields: Vec<(String, Vec<String>)>,
}

impl Submission {
    /// Reads a submitted form of this type. `bad-request` for another one, or one with too many fields.
    pub fn read(form: ElementRef<'_>, form_type: &str) -> Result<Self, StanzaError> {
        let (own_type, submission) = Self::parts(form)?;
        match own_type.as_deref() {
            Some([own]) if own == form_type => Ok(submission),
            _ => Err(bad("the form is of another type")),
        }
    }

    /// Reads a submitted form whose type is known from where it stands, whether or not it says so itself.
    pub fn untyped(form: ElementRef<'_>) -> Result<Self, StanzaError> {
        Self::parts(form).map(|(_, submission)| submission)
    }

    fn parts(form: ElementRef<'_>) -> Result<(Option<Vec<String>>, Self), StanzaError> {
        if form.attr("type") != Some("submit") {
            return Err(bad("the form is not of type submit"));
        }
        let mut fields: Vec<(String, Vec<String>)> = Vec::new();
        for field in form.children().filter(|child| child.is(ns::DATA_FORMS, "field")) {
            if fields.len() >= FIELDS_LIMIT {
                return Err(bad("the form has too many fields"));
            }
            let var = field.attr("var").ok_or_else(|| bad("a field has no name"))?;
            if fields.iter().any(|(known, _)| known == var) {
                return Err(bad("a field stands there twice"));
            }
            let values = field.children().filter(|child| child.is(ns::DATA_FORMS, "value"));
            fields.push((var.to_owned(), values.map(|value| value.text().into_owned()).collect()));
        }
        let own_type = fields.iter().position(|(var, _)| var == "FORM_TYPE").map(|at| fields.remove(at).1);
        Ok((own_type, Self { fields }))
    }

    /// All values of a field, without those that are empty.
    pub fn values(&self, var: &str) -> Vec<&str> {
        let found = self.fields.iter().find(|(known, _)| known == var);
        let values = found.map(|(_, values)| values.as_slice()).unwrap_or_default();
        values.iter().map(String::as_str).filter(|value| !value.is_empty()).collect()
    }

    /// A text of several lines, each a value (section 3.3); `None` when there is nothing but white space in it.
    pub fn lines(&self, var: &str) -> Option<String> {
        let (_, values) = self.fields.iter().find(|(known, _)| known == var)?;
        Some(values.join("\n")).filter(|text| !text.trim().is_empty())
    }

    /// The only value of a field; `None` when the field is missing or empty.
    pub fn single(&self, var: &str) -> Option<&str> {
        let (_, values) = self.fields.iter().find(|(known, _)| known == var)?;
        values.first().map(String::as_str).filter(|value| !value.is_empty())
    }
}

fn bad(why: &str) -> StanzaError {
    StanzaError::new(Condition::BadRequest).with_text(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &str) -> Result<Submission, StanzaError> {
        let form = format!("<x xmlns='jabber:x:data' type='submit'>{fields}</x>");
        Submission::read(Element::parse(&form).unwrap().root(), "urn:x")
    }

    const TYPE: &str = "<field var='FORM_TYPE' type='hidden'><value>urn:x</value></field>";

    /// XEP-0068 section 3: a form without the expected FORM_TYPE is another form.
    #[test]
    fn reads_forms_of_the_right_type_only() {
        let form = read(&format!("{TYPE}<field var='a'><value>1</value></field><field var='b'/>")).unwrap();
        assert_eq!(form.single("a"), Some("1"));
        assert_eq!(form.single("b"), None);
        assert_eq!(form.fields.len(), 2);
        assert!(read("<field var='a'/>").is_err());
        assert!(read("<field var='FORM_TYPE'><value>urn:y</value></field>").is_err());
        assert!(read(&format!("{TYPE}<field var='a'/><field var='a'/>")).is_err());
    }

    #[test]
    fn a_form_is_bounded() {
        let many: String = (0..=FIELDS_LIMIT).map(|i| format!("<field var='f{i}'/>")).collect();
        assert!(read(&format!("{TYPE}{many}")).is_err());
    }

    /// XEP-0313 section 4.1.5.
    #[test]
    fn writes_fields() {
        let form = Form::asking("urn:x").typed("with", "jid-single", &[]).into_element();
        let expected =
            format!("<x xmlns='jabber:x:data' type='form'>{TYPE}<field var='with' type='jid-single'/></x>");
        assert_eq!(form, Element::parse(&expected).unwrap());
    }
}
