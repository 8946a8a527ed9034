//! Everything that parses, against anything that it may be given.
//!
//! A target is a function of bytes that panics where a promise is broken. The tests feed it the kept inputs of `seeds/`
//! and many damaged copies of them; `TEAL_DOSE=nightly` makes them fifty times as many.
//!
//! - `documents`: spec, desired value, record, status, tags: what comes back is what was written; refusals say where.
//! - `answers`: AWS's answers to the operator's reads, held by `oracle` against what was told.
//! - `outcomes`: AWS's answers to the operator's writes.
//! - `releases`: task definitions that others wrote, rendered for a release.
//! - `requests`, `conditions`: the emulator's own protocols.
//! - `edits`: small damage to good input; `account`: the account that answers.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a target says so by panicking"
)]

mod account;
mod answers;
mod conditions;
mod documents;
mod edits;
mod oracle;
mod outcomes;
mod releases;
mod requests;

use emulator::protocol::cbor;
use emulator::protocol::model::Protocol;

/// Takes any bytes; panics where a promise is broken.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also the name of its directory in `seeds/`.
pub const TARGETS: [(&str, Target); 11] = [
    ("answer", answers::an_answer_of_aws),
    ("body", requests::a_body_for_the_emulator),
    ("condition", conditions::a_condition),
    ("desired", documents::a_desired_value),
    ("generation", documents::a_generation_tag),
    ("outcome", outcomes::an_outcome_of_a_write),
    ("record", documents::a_record),
    ("release", releases::a_base_definition),
    ("request", requests::a_request_to_the_emulator),
    ("spec", documents::a_spec),
    ("status", documents::a_status),
];

/// Whether a body is JSON, or XML with every element closed, as the protocol wants.
fn well_formed(protocol: Protocol, body: &[u8]) -> bool {
    match protocol {
        // An operation without an output answers with nothing.
        Protocol::Cbor => {
            body.is_empty() || cbor::decode(body).is_ok_and(|value| value.is_object())
        }
        Protocol::Json => {
            serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|value| value.is_object())
        }
        // What a function returns is any JSON.
        Protocol::Rest => {
            body.is_empty() || serde_json::from_slice::<serde_json::Value>(body).is_ok()
        }
        Protocol::Query => is_xml(body),
    }
}

fn is_xml(body: &[u8]) -> bool {
    use quick_xml::events::Event;

    let Ok(text) = std::str::from_utf8(body) else {
        return false;
    };
    let mut reader = quick_xml::Reader::from_str(text);
    let mut depth = 0_usize;
    let mut roots = 0_usize;
    loop {
        match reader.read_event() {
            Ok(Event::Start(_)) => {
                roots += usize::from(depth == 0);
                depth += 1;
            }
            Ok(Event::Empty(_)) => roots += usize::from(depth == 0),
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::Eof) => return depth == 0 && roots == 1,
            Ok(
                Event::Text(_)
                | Event::CData(_)
                | Event::Comment(_)
                | Event::Decl(_)
                | Event::PI(_)
                | Event::DocType(_)
                | Event::GeneralRef(_),
            ) => {}
            Err(_) => return false,
        }
    }
}
