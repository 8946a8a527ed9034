//! The machine, and who else is at work on it.

use serde_json::json;

use crate::figures::{Row, Section};

/// How busy it is now.
pub(crate) fn now(key: &'static str) -> Section {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Option<f64> = text
        .split_whitespace()
        .next()
        .and_then(|load| load.parse().ok());
    let judged = match load {
        Some(load) if load > cores as f64 => {
            "CONTENDED: times on the wall (start of the process) are too long"
        }
        Some(_) => "not contended",
        None => "not known",
    };
    let seen = load.map_or_else(|| "?".to_owned(), |load| format!("{load:.1}"));
    let row = Row::new(
        format!("load average of the last minute, {cores} cores"),
        seen,
        judged,
    );
    Section {
        key,
        title: "Machine".to_owned(),
        rows: vec![row],
        data: json!({"cores": cores, "loadAverage": load}),
    }
}
