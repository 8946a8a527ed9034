//! What is logged: something when something happens, nothing when nothing does, and never a body.
//!
//! A program of its own: what is enabled is cached for a whole process, and other tests log to nobody.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop where it is wrong"
)]
#![expect(
    dead_code,
    reason = "the account and the operator can do more than this test needs"
)]

#[path = "../the_loop/account.rs"]
mod account;
#[path = "../the_loop/operator.rs"]
mod operator;

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::account::{Account, spec};
use crate::operator::{Operator, clock, pass};

/// Keeps each line at level INFO and above.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && metadata.target().starts_with("runtime")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_line_for_each_step_and_silence_while_idle() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let clock = clock();
    let account = Account::new(clock);
    account.put_spec("blog", &spec("blog"));
    account.wish("blog", "1.0.0");
    let operator = Operator::start(&account, clock);
    pass(600).await;
    account.wish("blog", "1.1.0");
    pass(600).await;
    let lines = log.lines();
    let reconciled = lines
        .iter()
        .filter(|line| line.starts_with("message=reconciled"))
        .count();
    let writes = account.writes("blog").len();
    assert!(
        reconciled >= writes && reconciled <= 2 * writes + 10,
        "{writes} writes:\n{}",
        lines.join("\n")
    );
    for step in account.writes("blog") {
        assert!(lines.iter().any(|line| line.contains(&step)), "{step}");
    }
    assert!(
        !lines
            .iter()
            .any(|line| line.contains("containerDefinitions"))
    );
    pass(24 * 3600).await;
    assert_eq!(log.lines().len(), lines.len());
    operator.stop().await;
}
