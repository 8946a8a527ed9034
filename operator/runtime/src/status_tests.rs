use std::fmt::Write as _;

use crd_schema::intent::{Abort, Promote};
use crd_schema::status::Truth;
use crd_schema::strategy::Step;
use planner::Plan;
use planner::lab::{Lab, Operator, application};
use proptest::prelude::*;

use super::*;

fn spec() -> Spec {
    Spec {
        application: Some(std::sync::Arc::new(application())),
        problem: None,
        generation: Generation {
            date: 1,
            version: 1,
        },
        present: true,
        conflicts: Vec::new(),
        wish: None,
        read_for: None,
    }
}

/// One operator over a lab, with the status after each reconcile.
struct Scene {
    lab: Lab,
    operator: Operator,
    status: Option<Status>,
}

impl Scene {
    fn new() -> Self {
        Self::of(application())
    }

    /// A tenth for a minute, then half until a person promotes.
    fn in_steps() -> Self {
        let share = |tenths| Step::SetWeight(Share::tenths(tenths).unwrap());
        let pause = Step::Pause(Some(std::time::Duration::from_secs(60)));
        let mut application = application();
        application.strategy.steps = vec![share(100), pause, share(500), Step::Pause(None)];
        Self::of(application)
    }

    fn of(application: crd_schema::Application) -> Self {
        let lab = Lab::new(application);
        let operator = Operator::new(&lab);
        Self {
            lab,
            operator,
            status: None,
        }
    }

    fn reconcile(&mut self) -> Plan {
        let world = self.lab.observe();
        let now = self.lab.clock().wall;
        let plan = self.operator.reconcile(&mut self.lab).unwrap();
        let status = document(&Facts {
            name: &self.lab.application.name,
            report: Some(&plan.report),
            record: &self.operator.memory.record,
            desired: self.operator.memory.desired.as_ref(),
            world: Some(&world),
            spec: &spec(),
            errors: 0,
            error: None,
            before: self.status.as_ref(),
            now,
        });
        self.status = Some(status);
        plan
    }

    fn status(&self) -> &Status {
        self.status.as_ref().unwrap()
    }

    /// Reconciles until nothing is wanted; one line for each change of what people read first.
    fn tell(&mut self) -> String {
        let mut told = String::new();
        let mut last = String::new();
        for _ in 0..500 {
            let plan = self.reconcile();
            let status = self.status();
            let waiting = status
                .waiting_on
                .as_ref()
                .map_or("-", |waiting| waiting.reason.as_str());
            let split =
                |split: Split| format!("{}/{}", split.blue.get() / 10, split.green.get() / 10);
            let weights = status
                .weights
                .read
                .first()
                .and_then(|rule| rule.weights)
                .map_or("-".to_owned(), split);
            let tasks = |tasks: Option<Tasks>| {
                tasks.map_or("-".to_owned(), |t| format!("{}/{}", t.healthy, t.desired))
            };
            let (blue, green) = (tasks(status.blue), tasks(status.green));
            let (phase, stage) = (status.phase.as_str(), status.stage.as_str());
            let line = format!(
                "{phase:12}{stage:10}{waiting:16}weights {weights:8}blue {blue:6}green {green}"
            );
            if line != last {
                writeln!(told, "{}", line.trim_end()).unwrap();
                last = line;
            }
            let person = ["Promotion", "Paused"].contains(&waiting);
            if plan.step.is_none() && (waiting == "-" || person) {
                return told;
            }
        }
        panic!("it never settles:\n{told}");
    }
}

fn truths(status: &Status) -> [bool; 3] {
    [
        ConditionType::Ready,
        ConditionType::Reconciling,
        ConditionType::Stalled,
    ]
    .map(|kind| {
        let condition = status
            .conditions
            .iter()
            .find(|condition| condition.kind == kind)
            .unwrap();
        condition.status == Truth::True
    })
}

#[test]
fn a_release_as_people_see_it() {
    let mut scene = Scene::new();
    scene.lab.wish("1.0.0");
    let first = scene.tell();
    scene.lab.wish("1.1.0");
    let second = scene.tell();
    insta::assert_snapshot!(format!("first release\n{first}\nnext release\n{second}"));
}

#[test]
fn a_freeze_as_people_see_it() {
    let mut scene = Scene::new();
    scene.lab.wish("1.0.0");
    let _ = scene.tell();
    let (now, hour) = (scene.lab.now, 3_600_000);
    let zone = crd_schema::schedule::zone("Europe/Berlin").unwrap();
    let local = |ms: u64| zone.to_datetime(scene.lab.wall(ms));
    let window = crd_schema::schedule::Window::Once {
        from: local(now),
        to: local(now + hour),
    };
    scene.lab.application.schedule = Some(crd_schema::schedule::Schedule {
        zone: zone.clone(),
        freeze: vec![window],
        allow: Vec::new(),
    });
    scene.lab.wish("1.1.0");
    let _ = scene.reconcile();
    let status = scene.status();
    assert_eq!(status.phase, Phase::Holding);
    // It is no trouble: time alone helps.
    assert_eq!(truths(status), [false, true, false]);
    let waiting = status.waiting_on.as_ref().unwrap();
    assert_eq!(waiting.reason, "Frozen");
    assert_eq!(waiting.deadline, Some(scene.lab.wall(now + hour)));
    assert!(waiting.message.contains("CEST"), "{}", waiting.message);
    scene.lab.advance(hour);
    assert!(scene.tell().ends_with("green -\n"));
    assert_eq!(scene.status().phase, Phase::Settled);
}

#[test]
fn a_failed_release_as_people_see_it() {
    let mut scene = Scene::new();
    scene.lab.wish("1.0.0");
    scene.tell();
    scene.lab.broken.insert("1.1.0".to_owned());
    scene.lab.wish("1.1.0");
    let failed = scene.tell();
    insta::assert_snapshot!(failed);
    assert_eq!(truths(scene.status()), [false, false, true]);
}

#[test]
fn a_canary_as_people_see_it() {
    let mut scene = Scene::in_steps();
    scene.lab.wish("1.0.0");
    scene.tell();
    scene.lab.wish("1.1.0");
    let mut told = scene.tell();
    // Half of the traffic is not yet more than what serves has.
    let serving = scene.status().serving.as_ref().unwrap();
    assert_eq!(serving.version, "1.0.0");
    scene.lab.intents.paused = true;
    write!(told, "\npaused\n{}", scene.tell()).unwrap();
    assert_eq!(truths(scene.status()), [false, true, false]);
    scene.lab.intents.paused = false;
    write!(told, "\nresumed\n{}", scene.tell()).unwrap();
    let step = scene.status().step.as_ref().unwrap().index;
    let rollout = scene.status().rollout.unwrap();
    scene.lab.intents.promote = Some(Promote {
        rollout,
        step,
        full: false,
    });
    write!(told, "\npromoted\n{}", scene.tell()).unwrap();
    scene.lab.wish("1.2.0");
    write!(told, "\nthe next one\n{}", scene.tell()).unwrap();
    let rollout = scene.status().rollout.unwrap();
    scene.lab.intents.abort = Some(Abort { rollout });
    write!(told, "\naborted\n{}", scene.tell()).unwrap();
    insta::assert_snapshot!(told);
}

#[test]
fn time_alone_changes_nothing() {
    let mut scene = Scene::new();
    scene.lab.wish("1.0.0");
    scene.tell();
    let _ = scene.reconcile();
    let status = scene.status().clone();
    for _ in 0..10 {
        scene.lab.advance(3_600_000);
        let _ = scene.reconcile();
        assert_eq!(scene.status(), &status);
    }
}

proptest! {
    /// kstatus: at every moment exactly one of Ready, Reconciling and Stalled, whatever is wished and whatever breaks.
    #[test]
    fn exactly_one_of_ready_reconciling_and_stalled(
        acts in proptest::collection::vec((0_u8..5, 1_usize..20), 1..8),
        errors in 0_u32..5,
    ) {
        let mut scene = Scene::in_steps();
        for (number, (act, reconciles)) in acts.into_iter().enumerate() {
            match act {
                0 => scene.lab.wish("1.0.0"),
                1 => scene.lab.wish(&format!("1.{number}.0")),
                2 => {
                    scene.lab.broken.insert("1.0.0".to_owned());
                }
                3 => scene.lab.intents.paused = !scene.lab.intents.paused,
                _ => scene.lab.set_production([Some(50), Some(50)]),
            }
            for _ in 0..reconciles {
                let plan = scene.reconcile();
                prop_assert_eq!(truths(scene.status()).into_iter().filter(|truth| *truth).count(), 1);
                let failing = document(&Facts {
                    name: &scene.lab.application.name,
                    report: Some(&plan.report),
                    record: &scene.operator.memory.record,
                    desired: None,
                    world: None,
                    spec: &spec(),
                    errors,
                    error: Some("throttled"),
                    before: scene.status.as_ref(),
                    now: scene.lab.clock().wall,
                });
                prop_assert_eq!(truths(&failing).into_iter().filter(|truth| *truth).count(), 1);
                prop_assert!(errors < STALLED_AFTER || truths(&failing)[2]);
            }
        }
    }
}
