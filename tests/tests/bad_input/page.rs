//! The page of all messages, for people to read and judge: what the status says for each bad input.
//!
//! `TEAL_WRITE_MESSAGES=1 cargo test -p tests --test bad_input` writes it anew.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

const PAGE: &str = "tests/bad_input/messages.md";
const HEADING: &str = "\n## ";

/// One at a time writes the page.
static WRITING: Mutex<()> = Mutex::new(());

/// The section of this title says what the status does.
pub(crate) fn check(title: &str, status: &Value) {
    told(title, &section(status));
}

/// The section of this title has this text.
pub(crate) fn told(title: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let _one_at_a_time = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let page = std::fs::read_to_string(&path).expect("the page of messages");
    let (head, sections) = parse(&page);
    if std::env::var_os("TEAL_WRITE_MESSAGES").is_none() {
        let found = sections
            .iter()
            .find(|(heading, _)| heading == title)
            .map(|(_, text)| text.as_str());
        assert_eq!(
            found,
            Some(text),
            "{title}: the page says otherwise; is the new message better?"
        );
        return;
    }
    let mut sections: Vec<_> = sections
        .into_iter()
        .filter(|(heading, _)| heading != title)
        .collect();
    sections.push((title.to_owned(), text.to_owned()));
    sections.sort();
    let sections = sections
        .iter()
        .map(|(heading, text)| format!("{HEADING}{heading}\n\n{text}\n"));
    std::fs::write(&path, format!("{head}\n{}", sections.collect::<String>()))
        .expect("the page can be written");
}

fn parse(page: &str) -> (String, Vec<(String, String)>) {
    let mut parts = page.split(HEADING);
    let head = parts.next().unwrap_or_default().trim_end().to_owned();
    let section = |part: &str| {
        let (heading, text) = part.split_once("\n\n").unwrap_or((part, ""));
        (heading.trim().to_owned(), text.trim_end().to_owned())
    };
    (head, parts.map(section).collect())
}

/// Phase, what is waited for, and every condition that is true.
fn section(status: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = vec![format!(
        "phase {}, stage {}",
        text(&status["phase"]),
        text(&status["stage"])
    )];
    let mut tell = |what: String, reason: &Value, message: &Value| {
        lines.push(format!("- {what} {}: {}", text(reason), text(message)));
    };
    if let Some(waiting) = status["waitingOn"].as_object() {
        tell(
            "waits for".to_owned(),
            &waiting["reason"],
            &waiting["message"],
        );
    }
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    for condition in conditions
        .iter()
        .filter(|condition| condition["status"] == "True")
    {
        tell(
            format!("is {}:", text(&condition["type"])),
            &condition["reason"],
            &condition["message"],
        );
    }
    without_digests(&lines.join("\n"))
}

/// The end of a service's name depends on when the wish was written.
fn without_digests(text: &str) -> String {
    let is_digest = |part: &str| part.len() == 10 && part.chars().all(|c| c.is_ascii_hexdigit());
    let word = |word: &str| match word.rsplit_once('-') {
        Some((name, digest)) if is_digest(digest) => format!("{name}-…"),
        Some(_) | None => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}
