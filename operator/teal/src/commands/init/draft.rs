//! An Application on its way: the document, what stands beside it for people, and what a person must still decide.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::output;

/// A document whose members can have comments. Places are named as JSON pointers (`/spec/cluster`).
#[derive(Debug)]
pub(super) struct Draft {
    document: Value,
    head: Vec<String>,
    notes: BTreeMap<String, Vec<String>>,
    open: Vec<String>,
}

impl Draft {
    /// An Application that says its name and nothing more.
    pub(super) fn new(name: &str, head: &str) -> Self {
        let document = json!({
            "apiVersion": "teal/v1alpha1",
            "kind": "Application",
            "metadata": {"name": name},
            "spec": {},
        });
        Self {
            document,
            head: vec![head.to_owned()],
            notes: BTreeMap::new(),
            open: Vec::new(),
        }
    }

    /// Sets a member below `/spec`; members appear in the order in which they were set.
    pub(super) fn set(&mut self, member: &str, value: Value) {
        if let Some(spec) = self.document["spec"].as_object_mut() {
            spec.insert(member.to_owned(), value);
        }
    }

    /// Something to know about the whole.
    pub(super) fn remark(&mut self, text: impl Into<String>) {
        self.head.push(text.into());
    }

    /// Something to know about one place.
    pub(super) fn note(&mut self, at: &str, text: impl Into<String>) {
        self.notes
            .entry(at.to_owned())
            .or_default()
            .push(text.into());
    }

    /// Something without which the Application cannot be used, or not be used as it stands.
    pub(super) fn todo(&mut self, at: &str, text: impl Into<String>) {
        let text = text.into();
        self.note(at, format!("TODO: {text}"));
        self.open.push(text);
    }

    /// What a person must still decide.
    pub(super) fn open(&self) -> &[String] {
        &self.open
    }

    /// The text to be written. What an Application may not say becomes a TODO at the top, unless there are others: they
    /// are the reason then.
    pub(super) fn finish(&mut self) -> String {
        let text = self.text();
        if self.open.is_empty()
            && let Err(invalid) = crd_schema::spec::load(&text, "the draft")
        {
            for problem in &invalid.problems {
                let todo = format!("{}: {}", problem.path, problem.right);
                self.head.push(format!("TODO: {todo}"));
                self.open.push(todo);
            }
            return self.text();
        }
        text
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.head {
            let _ = writeln!(text, "# {line}");
        }
        if let Some(members) = self.document.as_object() {
            self.map(&mut text, members, "", "");
        }
        text
    }

    fn map(&self, text: &mut String, members: &Map<String, Value>, at: &str, indent: &str) {
        for (key, value) in members {
            let at = format!("{at}/{key}");
            self.notes_of(text, &at, indent);
            let _ = write!(text, "{indent}{}:", scalar(&json!(key)));
            self.value(text, value, &at, &format!("{indent}  "));
        }
    }

    fn value(&self, text: &mut String, value: &Value, at: &str, indent: &str) {
        match value {
            Value::Object(members) if !members.is_empty() => {
                text.push('\n');
                self.map(text, members, at, indent);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                for (index, item) in items.iter().enumerate() {
                    let at = format!("{at}/{index}");
                    self.notes_of(text, &at, indent);
                    self.item(text, item, &at, indent);
                }
            }
            Value::Object(_)
            | Value::Array(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_) => {
                let _ = writeln!(text, " {}", scalar(value));
            }
        }
    }

    /// The item's first line takes the place of its indent with `- `.
    fn item(&self, text: &mut String, item: &Value, at: &str, indent: &str) {
        let mut below = String::new();
        match item {
            Value::Object(members) if !members.is_empty() => {
                self.map(&mut below, members, at, &format!("{indent}  "));
            }
            Value::Object(_)
            | Value::Array(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_) => {
                let _ = writeln!(below, "{}", scalar(item));
            }
        }
        let _ = write!(text, "{indent}- {}", below.trim_start());
    }

    fn notes_of(&self, text: &mut String, at: &str, indent: &str) {
        for note in self.notes.get(at).into_iter().flatten() {
            let _ = writeln!(text, "{indent}# {note}");
        }
    }
}

/// A value in one line.
fn scalar(value: &Value) -> String {
    let text = output::yaml(value).unwrap_or_else(|_| value.to_string());
    let text = text.trim_end();
    // What does not fit on a line as YAML does as JSON, which is YAML too.
    if text.contains('\n') {
        value.to_string()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_stand_above_what_they_are_about_and_the_document_is_what_was_set() {
        let mut draft = Draft::new("blog", "Written by a test.");
        let spec = [
            ("cluster", json!("prod")),
            (
                "tags",
                json!({"cost: center": "0815", "on": "yes", "empty": ""}),
            ),
            (
                "traffic",
                json!({"routes": [{"container": "web", "production": [{"rule": "a"}, {"rule": "b"}], "test": []}]}),
            ),
            ("lists", json!([[1, 2], [], {}, null, "two\nlines"])),
        ];
        for (member, value) in spec.clone() {
            draft.set(member, value);
        }
        draft.note("/spec/traffic/routes/0/production/1", "HTTP:80");
        draft.todo("/spec/cluster", "look whether it is this one");
        let text = draft.text();
        insta::assert_snapshot!("draft", text);
        let read: Value = serde_saphyr::from_str(&text).unwrap();
        for (member, value) in spec {
            assert_eq!(read["spec"][member], value, "{text}");
        }
        assert_eq!(draft.open(), ["look whether it is this one"]);
    }

    #[test]
    fn what_the_check_refuses_is_left_to_a_person() {
        let mut draft = Draft::new("blog", "Written by a test.");
        draft.set("cluster", json!("prod"));
        let text = draft.finish();
        assert!(text.contains("# TODO: spec.template: "), "{text}");
        assert_eq!(draft.open().len(), 2, "{text}");
    }
}
