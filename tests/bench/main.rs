//! `make bench`: the figures of the project, each from one run, beside a floor or a peer of the same run.
//!
//! Nothing here asserts a time: a figure is read, not passed. `--json` prints one object instead of the tables;
//! names (release, abort, steps, decisions, calls, proxy, process) choose.

mod abort;
mod api;
mod cpu;
mod decisions;
mod figures;
mod floor;
mod machine;
mod process;
mod proxy;
mod release;
mod steps;
mod watch;

use figures::{Outcome, Section};
use serde_json::{Map, Value};

fn main() -> Outcome<()> {
    let (options, names): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .partition(|argument| argument.starts_with("--"));
    if let Some(unknown) = options.iter().find(|option| *option != "--json") {
        return Err(format!("no option {unknown}; there is --json").into());
    }
    let json = !options.is_empty();
    let mut all = Map::new();
    let mut show = |section: Section| {
        if !json {
            println!("{section}");
        }
        all.insert(section.key.to_owned(), section.data);
    };
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    show(machine::now("machineBefore"));
    if wanted("release") {
        virtual_time(release::measure())?
            .into_iter()
            .for_each(&mut show);
    }
    if wanted("abort") {
        show(virtual_time(abort::measure())?);
    }
    if wanted("steps") {
        show(virtual_time(steps::measure())?);
    }
    if wanted("decisions") {
        show(virtual_time(decisions::measure())?);
    }
    if wanted("calls") {
        show(virtual_time(api::measure())?);
    }
    if wanted("proxy") {
        show(real_time(proxy::measure())?);
    }
    if wanted("process") {
        show(virtual_time(process::measure())?);
    }
    show(machine::now("machineAfter"));
    if json {
        println!("{}", Value::Object(all));
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

/// Runs on one thread under the clock on the wall.
fn real_time<T>(measurement: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measurement)
}
