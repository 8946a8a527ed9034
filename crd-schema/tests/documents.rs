//! Status and record: they fit into their parameters whatever they hold, and come back as they were.

#![expect(clippy::unwrap_used, reason = "a test may stop where it is wrong")]

use std::collections::BTreeMap;

use crd_schema::GateName;
use crd_schema::record::{
    self, Ended, GateRun, Generation, KEPT_HISTORY, KEPT_REJECTIONS, Outcome, Record, RecordError,
    Rejection, Release, Rollout, Stage, StepProgress,
};
use crd_schema::status::{
    self, Condition, ConditionType, DesiredRelease, EcsStage, Phase, Rejected, ReleaseName,
    RuleWeights, Serving, Split, Status, StepStatus, Tasks, Truth, WaitingOn, Weights,
    set_condition,
};
use crd_schema::strategy::Share;
use jiff::Timestamp;
use proptest::prelude::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    (0_i64..=Timestamp::MAX.as_second(), 0_i32..1_000_000_000)
        .prop_map(|(seconds, nanoseconds)| Timestamp::new(seconds, nanoseconds).unwrap())
}

fn any_generation() -> impl Strategy<Value = Generation> {
    (any::<i64>(), any::<i64>()).prop_map(|(date, version)| Generation { date, version })
}

/// A version at every length up to the longest tag.
fn any_version() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}",
        "[A-Za-z0-9_][A-Za-z0-9_.-]{127}"
    ]
}

/// `family:revision` up to AWS's longest.
fn any_task_definition() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9_-]{1,30}:[0-9]{1,4}",
        "[A-Za-z0-9_-]{255}:[0-9]{10}"
    ]
}

/// Reasons may hold anything, as long as they like: quotes, control characters, four bytes a character.
fn any_reason() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,300}",
        proptest::collection::vec(any::<char>(), 0..400).prop_map(String::from_iter),
        Just("😀\"".repeat(400)),
        Just("\u{1}\\".repeat(400))
    ]
}

fn any_release() -> impl Strategy<Value = Release> {
    (
        "[0-9a-f]{16}",
        any_version(),
        any_generation(),
        proptest::option::of(any_task_definition()),
    )
        .prop_map(|(digest, version, generation, task_definition)| Release {
            digest,
            version,
            generation,
            task_definition,
        })
}

fn any_stage() -> impl Strategy<Value = Stage> {
    proptest::sample::select(&Stage::ALL[..])
}

fn any_ended() -> impl Strategy<Value = Ended> {
    let outcomes = [
        Outcome::Succeeded,
        Outcome::RolledBack,
        Outcome::Aborted,
        Outcome::Superseded,
    ];
    (
        any_generation(),
        any_version(),
        proptest::sample::select(outcomes.to_vec()),
        any_time(),
        any_time(),
    )
        .prop_map(|(generation, version, outcome, began, ended)| Ended {
            generation,
            version,
            outcome,
            began,
            ended,
        })
}

fn any_rollout() -> impl Strategy<Value = Rollout> {
    let entered = proptest::collection::btree_map(any_stage(), any_time(), 0..=Stage::ALL.len());
    (
        any_release(),
        any_stage(),
        entered,
        any::<u32>(),
        proptest::option::of(any_task_definition()),
        proptest::option::of((any::<u32>(), any_time())),
        proptest::option::of((any_time(), "ecs-svc/[0-9]{1,19}")),
        any_time(),
    )
        .prop_map(
            |(release, stage, entered, reference, base, step, paused, began)| Rollout {
                release,
                stage,
                entered,
                reference,
                step: step.map(|(index, since)| StepProgress { index, since }),
                gates: most_gates(began),
                deployment: paused.as_ref().map(|(_, deployment)| deployment.clone()),
                paused: paused.map(|(since, _)| since),
                base,
            },
        )
}

prop_compose! {
    fn any_record()(
        clean: bool,
        created: u32,
        rollout in proptest::option::of(any_rollout()),
        rejected in proptest::collection::vec((any_generation(), any_version(), any_reason(), any::<bool>()), 0..=2 * KEPT_REJECTIONS),
        last_good in proptest::option::of(any_release()),
        history in proptest::collection::vec(any_ended(), 0..=2 * KEPT_HISTORY),
    ) -> Record {
        let rejection = |(generation, version, reason, aborted)| Rejection { generation, version, reason, aborted };
        let scale_in_suspended = clean.then_some(created % 2 == 0);
        Record { clean, created, rollout, scale_in_suspended, rejected: rejected.into_iter().map(rejection).collect(), last_good, history }
    }
}

fn newest_rejected(record: &Record) -> Option<Generation> {
    record.rejected.last().map(|rejection| rejection.generation)
}

/// Every text as long as AWS allows, every list full, every number as wide as it gets.
/// As many gates as a document may have, each before a stage, and the one of the step that runs; the longest names.
fn most_gates(began: Timestamp) -> BTreeMap<String, GateRun> {
    let passed = GateRun {
        began,
        passed: true,
    };
    let name = |n: usize| GateName::new(format!("{n:0>20}"));
    let before = (0..10).map(|n| GateRun::place(&name(n), None));
    let step = GateRun::place(&name(0), Some(49));
    before.chain([step]).map(|place| (place, passed)).collect()
}

fn largest_record() -> Record {
    let release = Release {
        digest: "f".repeat(16),
        version: "v".repeat(128),
        generation: Generation {
            date: i64::MIN,
            version: i64::MIN,
        },
        task_definition: Some(format!("{}:{}", "t".repeat(255), u32::MAX)),
    };
    let ended = Ended {
        generation: release.generation,
        version: release.version.clone(),
        outcome: Outcome::RolledBack,
        began: Timestamp::MAX,
        ended: Timestamp::MAX,
    };
    Record {
        clean: false,
        created: u32::MAX,
        rollout: Some(Rollout {
            release: release.clone(),
            stage: Stage::Validate,
            entered: Stage::ALL
                .into_iter()
                .map(|stage| (stage, Timestamp::MAX))
                .collect::<BTreeMap<_, _>>(),
            reference: u32::MAX,
            step: Some(StepProgress {
                index: u32::MAX,
                since: Timestamp::MAX,
            }),
            gates: most_gates(Timestamp::MAX),
            paused: Some(Timestamp::MAX),
            deployment: Some(format!("ecs-svc/{}", u64::MAX)),
            base: release.task_definition.clone(),
        }),
        rejected: vec![
            Rejection {
                generation: release.generation,
                version: release.version.clone(),
                reason: "😀".repeat(500),
                aborted: true,
            };
            10
        ],
        last_good: Some(release),
        scale_in_suspended: Some(false),
        history: vec![ended; 20],
    }
}

#[test]
fn the_largest_record_fits_and_loses_nothing_that_a_release_needs() {
    let record = largest_record();
    let json = record.to_json();
    assert!(json.len() <= record::MAX_BYTES, "{} bytes", json.len());
    let back = Record::from_json(&json).unwrap();
    assert_eq!(
        back,
        record.fitted(),
        "what is planned is what is read back"
    );
    assert_eq!(back.fitted(), back, "and it stays so");
    assert_eq!(back.rollout, record.rollout);
    assert_eq!(back.last_good, record.last_good);
    assert_eq!(newest_rejected(&back), newest_rejected(&record));
}

#[test]
fn a_usual_record_is_kept_whole() {
    let mut record = largest_record();
    let generation = Generation {
        date: 1_700_000_000_000,
        version: 7,
    };
    let usual = Release {
        digest: "0123456789abcdef".into(),
        version: "1.4.0".into(),
        generation,
        task_definition: Some("blog-teal:41".into()),
    };
    let rollout = record.rollout.as_mut().unwrap();
    rollout.release = usual.clone();
    rollout.base = Some("blog:12".into());
    record.last_good = Some(usual);
    record.rejected = vec![Rejection {
        generation,
        version: "1.3.9".into(),
        reason: "health checks failed".into(),
        aborted: false,
    }];
    record.history = (0..5)
        .map(|n| Ended {
            generation,
            version: format!("1.3.{n}"),
            outcome: Outcome::Succeeded,
            began: at(n),
            ended: at(n + 60),
        })
        .collect();
    assert_eq!(Record::from_json(&record.to_json()), Ok(record));
}

#[test]
fn a_record_is_read_with_tolerance_and_never_guessed() {
    assert_eq!(Record::from_json("{}"), Ok(Record::default()));
    assert_eq!(
        Record::from_json(r#"{"clean":true,"ofNextYear":{"x":[1]}}"#).map(|record| record.clean),
        Ok(true)
    );
    for garbage in [
        "",
        "null",
        "[]",
        "blog",
        r#"{"clean":"yes"}"#,
        r#"{"rollout":{}}"#,
        r#"{"history":[{"version":"1"}]}"#,
    ] {
        assert!(
            matches!(
                Record::from_json(garbage),
                Err(RecordError::Unreadable { .. })
            ),
            "{garbage:?}"
        );
    }
    assert_eq!(
        Record::from_json(&" ".repeat(10_000)),
        Err(RecordError::TooLong { bytes: 10_000 })
    );
}

fn status() -> Status {
    let generation = Generation {
        date: 1_700_000_000_000,
        version: 7,
    };
    Status {
        name: "blog".into(),
        phase: Phase::Progressing,
        stage: Stage::Shift,
        ecs_stage: EcsStage::of(Stage::Shift),
        rolling: false,
        rollout: Some(generation),
        desired: Some(DesiredRelease {
            version: "1.4.0".into(),
            generation,
            digest: "fedcba9876543210".into(),
        }),
        observed_generation: Some(generation),
        serving: Some(Serving {
            version: "1.3.9".into(),
            digest: "0123456789abcdef".into(),
            service: "blog-1-3-9-0123456789".into(),
        }),
        last_good: Some(ReleaseName {
            version: "1.3.9".into(),
            digest: "0123456789abcdef".into(),
        }),
        step: Some(StepStatus {
            index: 1,
            of: 4,
            does: Some("pause 5m".into()),
            promotable: true,
            until: Some(Timestamp::UNIX_EPOCH),
        }),
        weights: Weights {
            asked: Some(Split {
                blue: Share::default(),
                green: Share::ALL,
            }),
            read: vec![RuleWeights {
                rule: "listener/app/prod/0000000000000003/0000000000000004".into(),
                weights: Some(Split {
                    blue: Share::tenths(995).unwrap(),
                    green: Share::tenths(5).unwrap(),
                }),
            }],
            more_rules: 0,
        },
        blue: Some(Tasks {
            desired: 2,
            running: 2,
            healthy: 2,
        }),
        green: Some(Tasks {
            desired: 2,
            running: 2,
            healthy: 2,
        }),
        waiting_on: Some(WaitingOn {
            gate: Some("x".repeat(23)),
            reason: "WeightsSettling".into(),
            message: "the load balancer's nodes take up the new weights".into(),
            since: at(1_700_000_100),
            deadline: Some(at(1_700_007_300)),
        }),
        conditions: ConditionType::ALL
            .into_iter()
            .map(|kind| Condition {
                kind,
                status: if kind == ConditionType::Reconciling {
                    Truth::True
                } else {
                    Truth::False
                },
                reason: "Shifting".into(),
                message: "traffic moves to 1.4.0".into(),
                last_transition_time: at(1_700_000_000),
                observed_generation: Some(generation),
            })
            .collect(),
        rejected: Some(Rejected {
            generation: Generation {
                date: 1_690_000_000_000,
                version: 6,
            },
            version: "1.4.0-rc1".into(),
            reason: "ScaleUp took longer than 10m: container web exits with 1".into(),
        }),
        history: vec![Ended {
            generation: Generation {
                date: 1_690_000_000_000,
                version: 6,
            },
            version: "1.4.0-rc1".into(),
            outcome: Outcome::RolledBack,
            began: at(1_690_000_000),
            ended: at(1_690_000_900),
        }],
    }
}

#[test]
fn a_usual_status_is_kept_whole() {
    let json = status().to_json();
    assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), status());
    insta::assert_snapshot!(json);
}

/// Every text as long as it can be and everything at once.
#[test]
fn the_largest_status_fits() {
    for filling in ["v", "\"", "\u{1}", "😀"] {
        let text = filling.repeat(1000);
        let mut status = status();
        status.name.clone_from(&text);
        let desired = status.desired.as_mut().unwrap();
        desired.version.clone_from(&text);
        desired.digest.clone_from(&text);
        let serving = status.serving.as_mut().unwrap();
        (serving.version, serving.digest, serving.service) =
            (text.clone(), text.clone(), text.clone());
        status.last_good = Some(ReleaseName {
            version: text.clone(),
            digest: text.clone(),
        });
        status.weights.read = vec![
            RuleWeights {
                rule: text.clone(),
                weights: None
            };
            100
        ];
        let tasks = Tasks {
            desired: u32::MAX,
            running: u32::MAX,
            healthy: u32::MAX,
        };
        (status.blue, status.green) = (Some(tasks), Some(tasks));
        let generation = Generation {
            date: i64::MIN,
            version: i64::MIN,
        };
        status.waiting_on = Some(WaitingOn {
            gate: None,
            reason: text.clone(),
            message: text.clone(),
            since: Timestamp::MAX,
            deadline: Some(Timestamp::MAX),
        });
        for condition in &mut status.conditions {
            (condition.reason, condition.message) = (text.clone(), text.clone());
            condition.last_transition_time = Timestamp::MAX;
            condition.observed_generation = Some(generation);
        }
        status.rejected = Some(Rejected {
            generation,
            version: text.clone(),
            reason: text.clone(),
        });
        status.history = vec![
            Ended {
                generation,
                version: text,
                outcome: Outcome::Superseded,
                began: Timestamp::MAX,
                ended: Timestamp::MAX
            };
            50
        ];
        let json = status.to_json();
        assert!(
            json.len() <= status::MAX_BYTES,
            "{} bytes of {filling:?}",
            json.len()
        );
        let back: Status = serde_json::from_str(&json).unwrap();
        assert_eq!(back.conditions.len(), ConditionType::ALL.len());
        assert_eq!(
            usize::try_from(back.weights.more_rules).unwrap() + back.weights.read.len(),
            100
        );
    }
}

#[test]
fn a_condition_keeps_its_time_until_its_status_changes() {
    let condition = |status, reason: &str, second| Condition {
        kind: ConditionType::Ready,
        status,
        reason: reason.into(),
        message: String::new(),
        last_transition_time: at(second),
        observed_generation: None,
    };
    let mut conditions = Vec::new();
    set_condition(&mut conditions, condition(Truth::False, "ScalingUp", 1));
    set_condition(&mut conditions, condition(Truth::False, "ScalingUp", 2));
    assert_eq!(
        conditions,
        [condition(Truth::False, "ScalingUp", 1)],
        "nothing changed"
    );
    set_condition(&mut conditions, condition(Truth::False, "Shifting", 3));
    assert_eq!(
        conditions,
        [condition(Truth::False, "Shifting", 1)],
        "another reason is no transition"
    );
    set_condition(&mut conditions, condition(Truth::True, "Settled", 4));
    assert_eq!(conditions, [condition(Truth::True, "Settled", 4)]);
}

#[test]
fn conditions_stand_in_one_order_whatever_the_order_of_writing() {
    let mut conditions = Vec::new();
    for kind in ConditionType::ALL.into_iter().rev() {
        set_condition(
            &mut conditions,
            Condition {
                kind,
                ..status().conditions[0].clone()
            },
        );
    }
    let kinds: Vec<_> = conditions.iter().map(|condition| condition.kind).collect();
    assert_eq!(kinds, ConditionType::ALL);
}

proptest! {
    #[test]
    fn every_record_fits(record in any_record()) {
        let json = record.to_json();
        prop_assert!(json.len() <= record::MAX_BYTES, "{} bytes", json.len());
        let back = Record::from_json(&json).unwrap();
        prop_assert_eq!(&back.rollout, &record.rollout);
        prop_assert_eq!(&back.last_good, &record.last_good);
        prop_assert_eq!(newest_rejected(&back), newest_rejected(&record));
        prop_assert_eq!(back.to_json(), json, "writing what was read changes nothing");
    }

    #[test]
    fn every_status_fits(messages in proptest::collection::vec(any_reason(), 9), version in any_version(), history in proptest::collection::vec(any_ended(), 0..8)) {
        let mut status = status();
        status.desired.as_mut().unwrap().version.clone_from(&version);
        status.serving.as_mut().unwrap().version = version;
        status.history = history;
        for (condition, message) in status.conditions.iter_mut().zip(&messages) {
            condition.message.clone_from(message);
        }
        status.waiting_on.as_mut().unwrap().message.clone_from(&messages[6]);
        status.rejected.as_mut().unwrap().reason.clone_from(&messages[7]);
        let json = status.to_json();
        prop_assert!(json.len() <= status::MAX_BYTES, "{} bytes", json.len());
        let back: Status = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(back.to_json(), json, "writing what was read changes nothing");
    }
}
