//! Runs a search and says what it found.

use std::fmt;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model, Path};

use crate::fair::describe;
use crate::search::{Event, Search};
use crate::setup::Setup;
use crate::state::State;

/// What a search came to.
#[derive(Debug)]
pub struct Found {
    /// Distinct states.
    pub states: usize,
    /// The longest history.
    pub depth: usize,
    /// Every state that can be reached was looked at.
    pub exhausted: bool,
    /// The most writes that any state needed to come to rest.
    pub most_writes: usize,
    /// How long it took.
    pub took: Duration,
    /// Properties that do not hold, each with a history that ends where it does not.
    pub violated: Vec<(&'static str, String)>,
}

/// How much is looked at, the shortest histories first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dose {
    /// The search goes on from at most so many states; those that they lead to are judged too, and counted.
    pub states: usize,
    /// Threads.
    pub threads: usize,
}

impl Dose {
    /// So many states, in one thread.
    pub fn of(states: usize) -> Self {
        Self { states, threads: 1 }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            states,
            depth,
            exhausted,
            most_writes,
            took,
            violated: _,
        } = self;
        let all = if *exhausted { "all" } else { "bounded" };
        let took = took.as_secs_f32();
        write!(
            f,
            "{states} distinct states, depth {depth}, {all}, at most {most_writes} writes to converge, {took:.1} s"
        )
    }
}

impl Found {
    /// The history of each violation, for people.
    pub fn histories(&self) -> Vec<String> {
        let violated = self.violated.iter();
        violated
            .map(|(property, path)| format!("{property}:\n{path}"))
            .collect()
    }
}

/// More is searched than every run of the tests has time for: `TEAL_DOSE` is `full` or `nightly`.
pub fn thorough() -> bool {
    std::env::var("TEAL_DOSE").is_ok_and(|dose| dose == "full" || dose == "nightly")
}

/// Searches, and prints what was seen.
pub fn look(name: &str, setup: Setup, dose: Dose) -> Found {
    let found = search(setup, dose);
    println!("{name}: {found}");
    found
}

/// How many distinct states a search without a violation looked at.
///
/// # Panics
/// When a property does not hold, with the ways there.
pub fn holds(name: &str, setup: Setup, dose: Dose) -> usize {
    let found = look(name, setup, dose);
    let violated = found.histories();
    assert!(violated.is_empty(), "{name}: {}", violated.join("\n\n"));
    found.states
}

/// Finds that `property` does not hold.
///
/// # Panics
/// When it does.
pub fn breaks(setup: Setup, property: &str, dose: Dose) {
    let found = look(property, setup, dose);
    let names: Vec<&str> = found.violated.iter().map(|(name, _)| *name).collect();
    assert!(
        names.contains(&property),
        "{property} was predicted, {names:?} found"
    );
}

/// Searches until a property does not hold, every state was seen, or the dose is spent.
pub fn search(setup: Setup, dose: Dose) -> Found {
    let began = Instant::now();
    let checker = Search::new(setup, dose.states)
        .checker()
        .threads(dose.threads)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let said = checker.model().said();
    let exhausted = checker.model().exhausted();
    checker.model().tell();
    Found {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        exhausted,
        most_writes: checker.model().most_writes(),
        took: began.elapsed(),
        violated: checker
            .discoveries()
            .into_iter()
            .map(|(property, path)| (property, tell(path, said.as_deref())))
            .collect(),
    }
}

/// A history for people.
fn tell(path: Path<State, Event>, said: Option<&str>) -> String {
    let mut lines = Vec::new();
    for (state, event) in path.into_vec() {
        match event {
            Some(Event::Send(who, fate, _)) => {
                let planned = state.operators[who]
                    .as_ref()
                    .and_then(|o| o.planned.as_ref());
                let what = planned.map_or_else(String::new, |(write, _)| write.describe());
                lines.push(format!("operator {who} sends ({fate:?}): {what}"));
            }
            Some(event) => lines.push(format!("{event:?}")),
            None => lines.push(describe(&state)),
        }
    }
    lines.extend(said.map(|said| format!("in a fair world from there: {said}")));
    lines.join("\n")
}
