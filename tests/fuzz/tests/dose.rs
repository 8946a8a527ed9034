//! The dose of every run: the kept inputs as they are, and damaged copies of them.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by failing"
)]

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// The kept inputs of a target; one empty input where there are none.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(name);
    let mut paths: Vec<_> = std::fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", directory.display());
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// One change to an input.
#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index, usize),
    Splice(Index, Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..24),
        "[ -~]{1,12}".prop_map(String::into_bytes),
    ];
    prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        3 => (any::<Index>(), bytes).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => (any::<Index>(), 1..64_usize).prop_map(|(at, length)| Change::Cut(at, length)),
        1 => (any::<Index>(), any::<Index>(), any::<Index>()).prop_map(|(at, which, from)| Change::Splice(at, which, from)),
    ]
}

fn apply(input: &mut Vec<u8>, change: &Change, seeds: &[Vec<u8>]) {
    match change {
        Change::Set(at, byte) if !input.is_empty() => {
            let at = at.index(input.len());
            input[at] = *byte;
        }
        Change::Set(_, byte) => input.push(*byte),
        Change::Insert(at, bytes) => {
            let at = at.index(input.len() + 1);
            input.splice(at..at, bytes.iter().copied());
        }
        Change::Cut(at, length) => {
            let at = at.index(input.len() + 1);
            input.drain(at..(at + length).min(input.len()));
        }
        Change::Splice(at, which, from) => {
            let other = which.get(seeds);
            input.truncate(at.index(input.len() + 1));
            input.extend_from_slice(&other[from.index(other.len() + 1)..]);
        }
    }
}

fn dose(name: &str, cases: u32) {
    let (_, target) = fuzz::TARGETS
        .iter()
        .find(|(known, _)| *known == name)
        .unwrap();
    let seeds = seeds(name);
    for seed in &seeds {
        target(seed);
    }
    let config = |factor| Config {
        cases: cases * factor,
        failure_persistence: None,
        ..Config::default()
    };
    // A commit passes or fails for good; at night each run makes other inputs.
    let mut runner = if std::env::var("TEAL_DOSE").is_ok_and(|dose| dose == "nightly") {
        TestRunner::new(config(50))
    } else {
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        TestRunner::new_with_rng(config(1), rng)
    };
    let inputs = (
        select(seeds.clone()),
        proptest::collection::vec(change(), 1..6),
    );
    let ran = runner.run(&inputs, |(mut input, changes)| {
        for change in &changes {
            apply(&mut input, change, &seeds);
        }
        // A failure shows the input as bytes, to be kept in `seeds/`.
        let failed = std::panic::catch_unwind(|| target(&input)).is_err();
        prop_assert!(!failed, "keep this input: {input:?}");
        Ok(())
    });
    if let Err(failure) = ran {
        panic!("{name}: {failure}");
    }
}

macro_rules! doses {
    ($($name:ident: $cases:expr,)*) => {
        $(#[test] fn $name() { dose(stringify!($name), $cases); })*

        #[test]
        fn every_target_has_its_dose() {
            let doses = [$(stringify!($name)),*];
            assert_eq!(doses, fuzz::TARGETS.map(|(name, _)| name));
        }
    };
}

doses! {
    answer: 150,
    body: 1_000,
    condition: 20_000,
    desired: 10_000,
    generation: 10_000,
    outcome: 400,
    record: 4_000,
    release: 4_000,
    request: 150,
    spec: 3_000,
    status: 2_000,
}
