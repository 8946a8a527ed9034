//! `make bench`: the figures of the project, each from one run, beside a floor or a peer of the same run.
//!
//! Nothing here asserts a time: a figure is read, not passed. `--json` prints one object instead of the tables.

mod abort;
mod figures;
mod floor;
mod release;
mod watch;

use figures::{Outcome, Section};

fn main() -> Outcome<()> {
    let json = std::env::args()
        .skip(1)
        .any(|argument| argument == "--json");
    let mut sections: Vec<Section> = Vec::new();
    sections.extend(virtual_time(release::measure())?);
    sections.push(virtual_time(abort::measure())?);
    for section in &sections {
        if !json {
            println!("{section}");
        }
    }
    if json {
        let all: serde_json::Map<String, serde_json::Value> = sections
            .into_iter()
            .map(|section| (section.key.to_owned(), section.data))
            .collect();
        println!("{}", serde_json::Value::Object(all));
    }
    Ok(())
}

/// Runs under a clock that stands still while something is to be done and jumps when nothing is.
fn virtual_time<T>(measurement: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()?;
    runtime.block_on(measurement)
}
