//! Plans that once broke a property, carried out again. `TEAL_PLAN=file cargo test -p simulation replay --
//! --nocapture` carries out one and shows it line by line.

use std::path::{Path, PathBuf};

use simulation::{Ending, Plan, Report, Setup, run};

fn carry_out(file: &Path) -> Report {
    let text = std::fs::read_to_string(file).unwrap();
    let plan: Plan = serde_json::from_str(&text).unwrap();
    run(&plan, &Setup::default(), true)
}

#[test]
fn replay() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    let asked = std::env::var_os("TEAL_PLAN").map(PathBuf::from);
    let mut files: Vec<PathBuf> = match &asked {
        // A path as it is typed where the workspace is.
        Some(file) if file.is_relative() => {
            let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
            vec![workspace.join(file)]
        }
        Some(file) => vec![file.clone()],
        None => {
            let files = std::fs::read_dir(kept).unwrap();
            files.map(|file| file.unwrap().path()).collect()
        }
    };
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let report = carry_out(&file);
        let trace = report.trace.join("\n");
        if asked.is_some() {
            println!("{trace}");
        }
        if let Ending::Violated(violation) = report.ending {
            let file = file.display();
            panic!(
                "{file}: {}: {}\n{trace}",
                violation.property, violation.message
            );
        }
    }
}

#[test]
fn the_same_plan_gives_the_same_run() {
    for seed in 0..20 {
        let plan = simulation::search::swarm(seed);
        let [one, two] = [0, 1].map(|_| run(&plan, &Setup::default(), true));
        assert_eq!(one.trace, two.trace, "{plan:?}");
    }
}
