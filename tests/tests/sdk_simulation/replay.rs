//! The same plan is the same run, bit for bit; and plans from files.

use std::process::Command;

use sha2::{Digest, Sha256};
use tests::Dose;

use crate::plan::Plan;
use crate::run::{Report, run};

/// Asks this test's own binary for the digest of a seed's run.
const ASKED: &str = "TEAL_DIGEST_OF_SEED";

/// Everything that went over the wire, and when.
fn digest(report: &Report) -> String {
    let mut sum = Sha256::new();
    for exchange in &report.exchanges {
        sum.update(exchange.at.to_be_bytes());
        sum.update(&exchange.what);
        sum.update(exchange.digest);
    }
    let digest: [u8; 32] = sum.finalize().into();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_same_seed_is_the_same_run_bit_for_bit() {
    let seeds = match Dose::asked() {
        Dose::Small => 0..2,
        Dose::Full | Dose::Nightly => 0..20,
    };
    for seed in seeds {
        let plan = Plan::of_seed(seed);
        let first = run(&plan);
        let again = run(&plan);
        let differs = first
            .exchanges
            .iter()
            .zip(&again.exchanges)
            .position(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed} from this exchange on");
        assert_eq!(first.exchanges.len(), again.exchanges.len(), "seed {seed}");
    }
}

#[test]
fn another_process_makes_the_same_run() {
    if let Ok(seed) = std::env::var(ASKED) {
        let plan = Plan::of_seed(seed.parse().unwrap());
        println!("digest {}", digest(&run(&plan)));
        return;
    }
    for seed in [3, 4] {
        let here = digest(&run(&Plan::of_seed(seed)));
        let there = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "replay::another_process_makes_the_same_run",
                "--nocapture",
            ])
            .env(ASKED, seed.to_string())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&there.stdout);
        assert!(
            said.contains(&format!("digest {here}")),
            "seed {seed}: {said}"
        );
    }
}

#[test]
fn another_seed_is_another_run() {
    let [one, other] = [5, 6].map(|seed| Plan {
        seed,
        ..Plan::of_seed(5)
    });
    assert_ne!(
        digest(&run(&one)),
        digest(&run(&other)),
        "the seed reaches the SDK"
    );
}

#[test]
fn plans_that_once_failed() {
    let plans = std::fs::read_dir(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/sdk_simulation/plans"
    ))
    .unwrap();
    for file in plans {
        let path = file.unwrap().path();
        let plan: Plan = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let report = run(&plan);
        assert!(
            report.problems.is_empty(),
            "{}: {:#?}",
            path.display(),
            report.problems
        );
    }
}

#[test]
fn a_plan_from_a_file() {
    let Some(path) = std::env::var_os("TEAL_PLAN") else {
        return;
    };
    let plan: Plan = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let report = run(&plan);
    println!("{}", report.journal.join("\n"));
    let requests = report.exchanges.len() / 2;
    println!("{requests} requests in {} virtual ms", report.took_ms);
    report.check(&plan);
}
