//! Controls of the excuses: each covers what it says, and where that is not so the judge reports.

use crd_schema::GateName;
use crd_schema::gate::{Check, Gate, OnError};
use crd_schema::record::{Record, Rejection, Stage};
use planner::lab::{application, per_release, rolling_behind_a_load_balancer, worker};
use planner::world::{Revision, Tags};
use serde_json::json;

use super::*;

/// Before this everything was quiet for long.
const NOW: u64 = 200_000;
/// When the write that is judged was sent, and what it was decided on was seen.
const SENT: u64 = NOW - 1_000;
const LOOKED: u64 = NOW - 2_000;
const SEEN: u64 = NOW - 8_000;
/// The wish could be read last a while before.
const WISH_SEEN: u64 = NOW - 30_000;

const ACTS: [Act; 10] = [
    Act::Weights,
    Act::Services,
    Act::Health,
    Act::Wish,
    Act::Record,
    Act::Clock,
    Act::Promote,
    Act::Abort,
    Act::Pause,
    Act::Tests,
];

/// A true account, and the judge who watched it.
struct Scene {
    lab: Lab,
    judge: Judge,
}

impl Scene {
    /// Blue serves on A, and green is healthy on B, as far as they are placed; watched every five seconds since then.
    fn watch(mut lab: Lab) -> Self {
        lab.set_production([Some(100), Some(0)]);
        let mut judge = Judge::new(&lab);
        while lab.now < NOW {
            lab.advance(5_000);
            judge.look(&lab, &lab.observe());
        }
        Self { lab, judge }
    }

    /// Both releases, with a pair of groups or with a group for each.
    fn of(application: crd_schema::Application, change: impl FnOnce(&mut Lab)) -> Self {
        let mut lab = Lab::new(application);
        lab.advance(100_000);
        lab.place("1.3.0", Side::A, 2, 0);
        lab.place("1.4.0", Side::B, 2, 0);
        lab.wish("1.4.0");
        change(&mut lab);
        Self::watch(lab)
    }

    fn both() -> Self {
        Self::of(application(), |_| {})
    }

    fn without_green() -> Self {
        Self::of(application(), |lab| lab.services.truncate(1))
    }

    fn ill(version: &'static str) -> Self {
        Self::of(application(), |lab| {
            lab.broken.insert(version.to_owned());
        })
    }

    fn name(&self, service: usize) -> String {
        self.lab.services[service].shown.name.clone()
    }

    fn set_weights(&self, seen: [Option<u32>; 2], weights: [Option<u32>; 2]) -> Write {
        let groups = self.lab.groups.each_ref();
        Write::SetWeights {
            rule: self.lab.rules[0].target.clone(),
            groups: groups.map(|group| group.as_ref().map(|group| group.arn.clone())),
            forget: Vec::new(),
            seen,
            weights: Weights::new(weights).unwrap(),
            evidence: Vec::new(),
        }
    }

    fn shift(&self) -> Write {
        self.set_weights([Some(100), Some(0)], [Some(0), Some(100)])
    }

    /// Which property the judge reports, when this takes effect now.
    fn reports(&mut self, issue: &Issue) -> Option<&'static str> {
        let judged = self.judge.judge(&self.lab, issue);
        judged.err().map(|violation| violation.property)
    }

    /// The wish of 1.4.0 was rejected then.
    fn rejects(&mut self, generation: Generation, at: u64) {
        let record = Record {
            rejected: vec![Rejection {
                generation,
                version: "1.4.0".to_owned(),
                reason: String::new(),
                aborted: false,
            }],
            ..Record::default()
        };
        self.writes_down(record, at);
    }

    fn writes_down(&mut self, record: Record, at: u64) {
        let written = self.lab.generation();
        self.lab.record = Some((written, record.clone()));
        self.lab.now = at;
        let written = issue(Write::PutRecord(Box::new(record)));
        self.judge.took_effect(&self.lab, &written);
        self.lab.now = NOW;
    }

    fn after(mut self, at: u64, act: Act) -> Self {
        self.judge.acted(at, act);
        self
    }
}

fn issue(write: Write) -> Issue {
    Issue {
        n: 0,
        operator: 0,
        process: 0,
        stalled: false,
        write,
        seen: SEEN,
        looked: LOOKED,
        wish_seen: WISH_SEEN,
        sent: SENT,
        dead: [false; 2],
        handed_over: false,
    }
}

/// `property` is reported of the write, unless one of these acts was done, since then at the earliest.
fn excused(property: &str, of: impl Fn() -> (Scene, Write), by: &[(Act, u64)]) {
    let reports = |at: u64, act: Act| {
        let (scene, write) = of();
        scene.after(at, act).reports(&issue(write))
    };
    let (mut scene, write) = of();
    assert_eq!(scene.reports(&issue(write)), Some(property));
    for act in ACTS {
        match by.iter().find(|(excuses, _)| *excuses == act) {
            Some((_, since)) => {
                assert_eq!(reports(*since, act), None, "{property}, {act:?}");
                assert_eq!(reports(since - 1, act), Some(property), "{act:?}");
            }
            None => assert_eq!(reports(NOW, act), Some(property), "{act:?}"),
        }
    }
}

#[test]
fn s1_by_services_since_the_round_of_reads() {
    let of = || {
        let scene = Scene::without_green();
        let write = scene.shift();
        (scene, write)
    };
    excused("S1", of, &[(Act::Services, SEEN)]);
}

#[test]
fn s2_by_services_and_health_since_the_round_of_reads_and_by_weights_a_look_before() {
    let of = || {
        let scene = Scene::ill("1.4.0");
        let write = scene.shift();
        (scene, write)
    };
    let by = [
        (Act::Services, SEEN),
        (Act::Health, SEEN),
        (Act::Weights, SEEN - 5_000),
    ];
    excused("S2", of, &by);
}

#[test]
fn s4_and_s5_by_services_since_the_last_look_and_by_weights_a_settle_time_before() {
    let by = [(Act::Services, LOOKED), (Act::Weights, LOOKED - SETTLE)];
    let asleep = || {
        let scene = Scene::both();
        let name = scene.name(0);
        (
            scene,
            Write::ScaleService {
                name,
                from: 2,
                to: 0,
            },
        )
    };
    excused("S4", asleep, &by);
    let deleted = || {
        let scene = Scene::both();
        let name = scene.name(1);
        (scene, Write::DeleteService { name })
    };
    excused("S5", deleted, &by);
}

#[test]
fn s4_of_a_worker_by_services_and_health_since_the_round_of_reads() {
    let of = || {
        let scene = Scene::of(worker(), |lab| {
            lab.broken.insert("1.4.0".to_owned());
        });
        let name = scene.name(0);
        let write = Write::ScaleService {
            name,
            from: 2,
            to: 0,
        };
        (scene, write)
    };
    excused("S4", of, &[(Act::Services, SEEN), (Act::Health, SEEN)]);
}

#[test]
fn s17_by_everything_that_moves_traffic_since_the_round_of_reads() {
    let gated = || {
        let mut application = application();
        let gate = Gate {
            before: Some(Stage::Shift),
            check: Check::Approval,
            attempts: 1,
            every: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            on_error: OnError::Hold,
        };
        application.gates.insert(GateName::new("smoke"), gate);
        application
    };
    let of = || {
        let scene = Scene::of(gated(), |_| {});
        let write = scene.shift();
        (scene, write)
    };
    let by = [
        (Act::Services, SEEN),
        (Act::Health, SEEN - ILLNESS),
        (Act::Weights, SEEN),
        (Act::Wish, SEEN),
    ];
    excused("S17", of, &by);
    let (mut scene, write) = of();
    let passed = ("1.4.0".to_owned(), "smoke".to_owned());
    scene.judge.passed.insert(passed);
    assert_eq!(scene.reports(&issue(write)), None);
    let dead = |dead| {
        let (mut scene, write) = of();
        let issue = Issue {
            dead,
            ..issue(write)
        };
        scene.reports(&issue)
    };
    assert_eq!(dead([true, false]), None, "nothing else lived");
    assert_eq!(dead([false, true]), Some("S17"));
}

#[test]
fn s9_by_services_and_weights_since_the_last_look() {
    let of = || {
        let scene = Scene::of(application(), |lab| {
            lab.services[1].shown.tags.ours = false;
        });
        let name = scene.name(1);
        let write = Write::ScaleService {
            name,
            from: 2,
            to: 3,
        };
        (scene, write)
    };
    excused("S9", of, &[(Act::Services, LOOKED), (Act::Weights, LOOKED)]);
}

#[test]
fn s11_by_services_since_the_round_of_reads() {
    let of = || {
        let write = Write::CreateService {
            name: "blog-1-5-0".to_owned(),
            side: Side::B,
            body: Map::new(),
        };
        (Scene::both(), write)
    };
    excused("S11", of, &[(Act::Services, SEEN)]);
}

#[test]
fn s6_by_services_and_health_since_the_round_of_reads_by_weights_since_the_last_look_and_by_the_wish_since_it_was_read()
 {
    let scene = || Scene::of(application(), |lab| lab.wish("1.3.0"));
    let of = || {
        let scene = scene();
        let write = scene.shift();
        (scene, write)
    };
    let by = [
        (Act::Services, SEEN),
        (Act::Health, SEEN),
        (Act::Weights, LOOKED),
        (Act::Wish, WISH_SEEN),
    ];
    excused("S6", of, &by);
    let reports = |change: fn(&mut Issue)| {
        let mut scene = scene();
        let mut issue = issue(scene.shift());
        change(&mut issue);
        scene.reports(&issue)
    };
    assert_eq!(reports(|issue| issue.dead = [true, false]), None);
    assert_eq!(reports(|issue| issue.dead = [false, true]), Some("S6"));
    // What lands after the wait for it is not one of our decisions any more.
    assert_eq!(reports(|issue| issue.sent = NOW - 40_001), None);
    assert_eq!(reports(|issue| issue.sent = NOW - 40_000), Some("S6"));
    // Nor is what lands once more.
    let mut scene = scene();
    let issue = issue(scene.shift());
    scene.judge.took_effect(&scene.lab, &issue);
    assert_eq!(scene.reports(&issue), None);
}

#[test]
fn s6_of_what_was_made_anew_for_a_newer_wish_and_of_what_an_old_record_takes_back() {
    let reports = |made_anew: bool, old_record: bool, aborted: bool| {
        let mut scene = Scene::of(application(), |lab| lab.wish("1.3.0"));
        if made_anew {
            let wish = scene.lab.desired.as_ref().map(|(wish, _)| *wish);
            scene.lab.services[0].shown.tags.generation = wish;
        }
        if old_record {
            let record = late(Write::PutRecord(Box::default()));
            scene.judge.took_effect(&scene.lab, &record);
        }
        if aborted {
            scene.judge.acted(0, Act::Abort);
        }
        let write = scene.shift();
        scene.reports(&issue(write))
    };
    assert_eq!(reports(false, false, false), Some("S6"));
    assert_eq!(reports(true, false, false), None);
    assert_eq!(reports(false, true, true), None);
    assert_eq!(reports(false, true, false), Some("S6"), "nobody aborted it");
    assert_eq!(reports(false, false, true), Some("S6"), "it had succeeded");
}

#[test]
fn s13_by_two_turns_for_each_act_of_somebody_else_and_each_old_record() {
    let turns = |acts: &[Act], records: &[u64]| {
        let Scene { mut judge, lab } = Scene::both();
        acts.iter().for_each(|act| judge.acted(NOW, *act));
        for sent in records {
            let record = issue(Write::PutRecord(Box::default()));
            let record = Issue {
                sent: *sent,
                ..record
            };
            judge.took_effect(&lab, &record);
        }
        let sides = Side::BOTH.into_iter().cycle();
        sides
            .take_while(|side| judge.turn(None, *side).is_ok())
            .count()
    };
    assert_eq!(turns(&[], &[]), 2);
    assert_eq!(turns(&[Act::Wish, Act::Record, Act::Clock], &[]), 2);
    assert_eq!(turns(&[Act::Health], &[]), 4);
    assert_eq!(turns(&[Act::Weights, Act::Services], &[]), 6);
    assert_eq!(turns(&[Act::Tests, Act::Abort], &[]), 6);
    assert_eq!(turns(&[], &[NOW - 40_000]), 2);
    assert_eq!(turns(&[], &[NOW - 40_001]), 4, "late");
    assert_eq!(turns(&[], &[SENT, SENT]), 4, "once more");
}

#[test]
fn nothing_is_seen_of_a_plan_longer_ago_than_it_may_be_old() {
    let reports = |at: u64| {
        let mut scene = Scene::without_green().after(at, Act::Services);
        let old = Issue {
            seen: 0,
            ..issue(scene.shift())
        };
        scene.reports(&old)
    };
    let oldest = SENT - 40_000;
    assert_eq!(reports(oldest), None);
    assert_eq!(reports(oldest - 1), Some("S1"));
}

/// Only one look: nothing was seen to be healthy twice.
#[test]
fn s2_of_a_repair_to_what_truly_lives() {
    let reports = |ill: &[&str], dead: [bool; 2]| {
        let mut scene = Scene::of(application(), |lab| {
            lab.broken.extend(ill.iter().map(|v| (*v).to_owned()));
        });
        scene.judge = Judge::new(&scene.lab);
        let write = scene.shift();
        scene.reports(&Issue {
            dead,
            ..issue(write)
        })
    };
    assert_eq!(reports(&["1.3.0"], [false; 2]), None);
    assert_eq!(
        reports(&[], [true, false]),
        None,
        "blue has come back since"
    );
    assert_eq!(reports(&[], [false; 2]), Some("S2"), "blue lives");
    let both = &["1.3.0", "1.4.0"];
    assert_eq!(reports(both, [false; 2]), Some("S2"), "green is dead");
    assert_eq!(reports(both, [true; 2]), Some("S2"), "green is dead");
}

#[test]
fn s1_of_weight_that_was_left_as_it_was_seen() {
    let reports = |seen: u32, at: u64, act: Act| {
        let mut scene = Scene::without_green().after(at, act);
        let write = scene.set_weights([Some(100), Some(seen)], [Some(50), Some(50)]);
        scene.reports(&issue(write))
    };
    assert_eq!(reports(50, LOOKED, Act::Weights), None);
    assert_eq!(reports(50, LOOKED - 1, Act::Weights), Some("S1"));
    assert_eq!(reports(50, LOOKED, Act::Health), Some("S1"));
    assert_eq!(
        reports(49, LOOKED, Act::Weights),
        Some("S1"),
        "it is raised"
    );
}

#[test]
fn s1_s2_and_loss_of_weights_that_were_sent_while_nothing_lived_and_land_late() {
    sent_while_nothing_lived("S1", Scene::without_green);
    sent_while_nothing_lived("S2", || Scene::ill("1.4.0"));
}

fn sent_while_nothing_lived(property: &str, scene: fn() -> Scene) {
    let late = NOW - 40_001;
    let reports = |sent: u64, dead: [bool; 2]| {
        let mut scene = scene();
        let issue = Issue {
            sent,
            dead,
            ..issue(scene.shift())
        };
        let loses = scene.judge.loses(&scene.lab, true, Some(&issue)).is_err();
        let property = scene.reports(&issue);
        assert_eq!(loses, property.is_some());
        property
    };
    assert_eq!(reports(late, [true; 2]), None);
    assert_eq!(reports(late + 1, [true; 2]), Some(property));
    assert_eq!(reports(late, [true, false]), Some(property));
    assert_eq!(reports(late, [false, true]), Some(property));
}

#[test]
fn s2_and_loss_of_late_weights_of_a_group_that_another_late_write_took_out_of_the_rule() {
    let late = NOW - 40_001;
    let reports = |removal: Option<(u64, u64)>, sent: u64| {
        let mut scene = Scene::of(per_release(), |_| {});
        scene.lab.set_production([Some(100), None]);
        if let Some((sent, landed)) = removal {
            scene.lab.now = landed;
            let leaves = scene.set_weights([Some(100), Some(0)], [Some(100), None]);
            let removal = Issue {
                sent,
                ..issue(leaves)
            };
            scene.judge.took_effect(&scene.lab, &removal);
            scene.lab.now = NOW;
        }
        let raises = scene.set_weights([Some(100), None], [Some(0), Some(100)]);
        scene.reports(&Issue {
            sent,
            ..issue(raises)
        })
    };
    let since = |sent: u64| Some((sent, NOW - 1_000));
    assert_eq!(reports(since(late - 1_000), late), None);
    assert_eq!(reports(None, late), Some("S2"));
    assert_eq!(
        reports(since(late - 1_000), late + 1),
        Some("S2"),
        "not late"
    );
    assert_eq!(
        reports(since(late + 1_000), late),
        Some("S2"),
        "removed in time"
    );
    assert_eq!(
        reports(Some((0, late - 1)), late),
        Some("S2"),
        "known when it was sent"
    );
}

/// A group for side B, which a group holds already.
fn second_group(generation: &str) -> Write {
    let body = json!({"Name": "blog-late", "Tags": [
        {"Key": "teal:managed-by", "Value": "teal"},
        {"Key": "teal:application", "Value": "blog"},
        {"Key": "teal:generation", "Value": generation},
    ]});
    Write::CreateTargetGroup {
        name: "blog-late".to_owned(),
        side: Side::B,
        body: body.as_object().unwrap().clone(),
    }
}

#[test]
fn s11_of_a_group_that_is_created_late_or_beside_one_that_was() {
    let reports = |sent: u64, other: Option<[u64; 2]>| {
        let mut scene = Scene::of(per_release(), |_| {});
        if let Some([sent, came]) = other {
            scene.lab.now = came;
            let other = Issue {
                sent,
                ..issue(second_group("1.1"))
            };
            scene.judge.took_effect(&scene.lab, &other);
            scene.lab.now = NOW;
        }
        scene.reports(&Issue {
            sent,
            ..issue(second_group("1.1"))
        })
    };
    assert_eq!(reports(NOW - 40_001, None), None);
    assert_eq!(reports(NOW - 40_000, None), Some("S11"));
    // The other one came late, and after the round of reads that this one was decided on.
    assert_eq!(reports(SENT, Some([SEEN - 40_001, SEEN])), None);
    assert_eq!(reports(SENT, Some([SEEN - 40_000, SEEN])), Some("S11"));
    assert_eq!(reports(SENT, Some([SEEN - 50_000, SEEN - 1])), Some("S11"));
}

#[test]
fn s8_of_an_update_in_place_that_was_sent_before_the_rejection() {
    let reports = |sent: u64, rejected: u64| {
        let mut lab = Lab::new(rolling_behind_a_load_balancer());
        lab.advance(100_000);
        let name = lab.place("1.3.0", Side::A, 2, 0);
        lab.wish("1.4.0");
        let (generation, wish) = lab.desired.clone().unwrap();
        let wanted = planner::release::wanted(&lab.application, generation, &wish).unwrap();
        let revision = Revision {
            arn: "td-late".to_owned(),
            digest: Some(wanted.digest.clone()),
            generation: Some(generation),
        };
        lab.revisions.insert(0, revision);
        let from = lab.services[0].shown.task_definition.clone();
        let told = Tags {
            generation: Some(generation),
            release: Some(wanted.digest),
            ..lab.told[&from].clone()
        };
        lab.told.insert("td-late".to_owned(), told);
        let mut scene = Scene::watch(lab);
        scene.rejects(generation, rejected);
        let body = json!({"service": name.as_str(), "taskDefinition": "td-late"});
        scene.reports(&Issue {
            sent,
            ..issue(Write::UpdateService {
                name,
                from,
                to: "td-late".to_owned(),
                body: body.as_object().unwrap().clone(),
            })
        })
    };
    let late = NOW - 40_001;
    assert_eq!(reports(late, late + 1), None);
    assert_eq!(reports(late, late), Some("S8"), "it was known");
    assert_eq!(reports(late + 1, NOW), Some("S8"), "not late");
}

#[test]
fn s8_of_what_was_sent_while_a_late_record_had_taken_the_rejection_away() {
    let reports = |lost: bool| {
        let mut scene = Scene::of(per_release(), |lab| lab.empty_side(Side::B));
        let (generation, _) = scene.lab.desired.clone().unwrap();
        let sent = NOW - 40_001;
        scene.rejects(generation, sent - 2);
        if lost {
            scene.writes_down(Record::default(), sent - 1);
        }
        scene.rejects(generation, sent + 1);
        let create = second_group(&planner::release::show(generation));
        scene.reports(&Issue {
            sent,
            ..issue(create)
        })
    };
    assert_eq!(reports(true), None);
    assert_eq!(reports(false), Some("S8"), "it was known");
}

#[test]
fn s8_of_what_was_created_late_and_sent_before_the_rejection() {
    let reports = |sent: u64, rejected: u64| {
        let mut scene = Scene::of(per_release(), |lab| lab.empty_side(Side::B));
        let (generation, _) = scene.lab.desired.clone().unwrap();
        scene.rejects(generation, rejected);
        let create = second_group(&planner::release::show(generation));
        scene.reports(&Issue {
            sent,
            ..issue(create)
        })
    };
    let late = NOW - 40_001;
    assert_eq!(reports(late, late + 1), None);
    assert_eq!(reports(late, late), Some("S8"), "it was known");
    assert_eq!(reports(late + 1, NOW), Some("S8"), "not late");
}

#[test]
fn s8_of_what_is_repeated_on_the_way_after_the_rejection() {
    let reports = |repeated: bool| {
        let mut scene = Scene::of(per_release(), |lab| lab.empty_side(Side::B));
        let (generation, _) = scene.lab.desired.clone().unwrap();
        let sent = NOW - 9_000;
        let create = Issue {
            sent,
            ..issue(second_group(&planner::release::show(generation)))
        };
        if repeated {
            scene.judge.took_effect(&scene.lab, &create);
        }
        scene.rejects(generation, sent + 1);
        scene.reports(&create)
    };
    assert_eq!(reports(true), None);
    assert_eq!(reports(false), Some("S8"), "neither late nor repeated");
}

#[test]
fn s5_of_a_group_whose_targets_came_when_it_had_settled() {
    let reports = |served: bool, drains: bool| {
        let mut scene = Scene::of(per_release(), |_| {});
        for weights in [[Some(50), Some(50)], [Some(100), None]] {
            scene.lab.set_production(weights);
            scene.judge.look(&scene.lab, &scene.lab.observe());
        }
        // Settled, and not for as long as requests in flight may take.
        scene.lab.advance(SETTLE + 5_000);
        let settled = scene.lab.now - 5_000;
        if !served {
            let tasks = scene.lab.services[1].tasks.values_mut();
            tasks.for_each(|started| *started = settled - TASK_START);
        }
        if drains {
            let target = ("10.0.0.98:8080".to_owned(), scene.lab.now + 1);
            scene.lab.draining[1].push(target);
        }
        let group = scene.lab.groups[1].as_ref().unwrap().arn.clone();
        scene.reports(&issue(Write::DeleteTargetGroup { group }))
    };
    assert_eq!(reports(false, false), None);
    assert_eq!(reports(false, true), Some("S5"));
    assert_eq!(reports(true, false), Some("S5"));
}

/// It was sent long before AWS carries it out.
fn late(write: Write) -> Issue {
    Issue {
        sent: NOW - 60_000,
        ..issue(write)
    }
}

#[test]
fn s4_of_a_late_removal_of_what_was_given_traffic_since_nothing_else_lived() {
    let reports = |blue_dies: bool, sent: u64| {
        let mut scene = Scene::both();
        let name = scene.name(1);
        let removal = Write::ScaleService {
            name,
            from: 2,
            to: 0,
        };
        if blue_dies {
            scene.lab.broken.insert("1.3.0".to_owned());
        }
        let shift = issue(scene.shift());
        scene.judge.judge(&scene.lab, &shift).unwrap();
        scene.lab.set_production([Some(0), Some(100)]);
        let removal = Issue {
            sent,
            ..late(removal)
        };
        scene.reports(&removal)
    };
    assert_eq!(reports(true, NOW - 60_000), None);
    assert_eq!(reports(true, SENT), Some("S4"), "not late");
    assert_eq!(reports(false, NOW - 60_000), Some("S4"), "blue lived");
}

/// Two tasks carry everything, and it leaves one.
#[test]
fn s4_of_a_late_growth_that_leaves_as_many_as_the_traffic_needs() {
    let reports = |weights: [Option<u32>; 2], sent: u64| {
        let mut scene = Scene::both();
        scene.lab.set_production(weights);
        let name = scene.name(1);
        let (from, to) = (0, 1);
        let growth = Issue {
            sent,
            ..late(Write::ScaleService { name, from, to })
        };
        scene.reports(&growth)
    };
    let half = [Some(50), Some(50)];
    assert_eq!(reports(half, NOW - 60_000), None);
    assert_eq!(reports(half, SENT), Some("S4"), "not late");
    let all = [Some(0), Some(100)];
    assert_eq!(reports(all, NOW - 60_000), Some("S4"), "both are needed");
}

#[test]
fn s10_of_a_late_create_that_was_sent_twice() {
    let reports = |twice: bool, deleted: bool| {
        let mut scene = Scene::without_green();
        let create = Write::CreateService {
            name: "blog-1-4-0-x".to_owned(),
            side: Side::B,
            body: serde_json::Map::new(),
        };
        if twice {
            // On the other group: a name is a name.
            let mut first = create.clone();
            if let Write::CreateService { side, .. } = &mut first {
                *side = Side::A;
            }
            scene.judge.took_effect(&scene.lab, &issue(first));
        } else {
            let before = NOW - 60_001;
            scene.judge.names.insert("blog-1-4-0-x".to_owned(), before);
        }
        if deleted {
            scene.judge.acted(NOW, Act::Services);
        }
        !scene.judge.harmless(&scene.lab, "S10", &late(create))
    };
    assert!(!reports(true, true));
    assert!(reports(true, false), "nobody deleted it");
    assert!(reports(false, true), "another one had the name");
}

#[test]
fn loss_by_what_others_did_since_and_by_a_process_that_stood_still() {
    let reports = |change: fn(&mut Issue), at: u64, act: Act| {
        let mut scene = Scene::both().after(at, act);
        let mut issue = issue(scene.shift());
        change(&mut issue);
        let first = scene.judge.loses(&scene.lab, true, Some(&issue)).is_err();
        let went_on = scene.judge.loses(&scene.lab, true, Some(&issue));
        assert_eq!(went_on, Ok(()), "it began before");
        first
    };
    let as_it_is: fn(&mut Issue) = |_| {};
    for (act, since) in [
        (Act::Services, SEEN),
        (Act::Health, SEEN),
        (Act::Weights, LOOKED),
    ] {
        assert!(!reports(as_it_is, since, act), "{act:?}");
        assert!(reports(as_it_is, since - 1, act), "{act:?}");
    }
    for act in [Act::Wish, Act::Record, Act::Clock] {
        assert!(reports(as_it_is, NOW, act), "{act:?}");
        assert!(!reports(|issue| issue.stalled = true, NOW, act));
    }
}

#[test]
fn loss_that_was_there_before_a_group_was_named_at_0_or_on_a_test_rule() {
    let reports = |of: usize, weight: u32| {
        let mut scene = Scene::both();
        let mut write = scene.set_weights([Some(100), None], [Some(100), Some(weight)]);
        if let Write::SetWeights { rule, .. } = &mut write {
            *rule = scene.lab.rules[of].target.clone();
        }
        let issue = issue(write);
        scene.judge.loses(&scene.lab, true, Some(&issue)).is_err()
    };
    assert!(!reports(0, 0));
    assert!(reports(0, 1));
    assert!(!reports(1, 1), "a test rule");
}

/// S7: what another one did may look like the effect of the write that is on its way.
#[test]
fn s7_by_acts_of_the_writes_own_kind_and_by_the_same_write_sent_before() {
    let imitated = |write: &Write, at: u64, act: Act| {
        let scene = Scene::both().after(at, act);
        scene.judge.imitated(&issue(write.clone()))
    };
    let scene = Scene::both();
    let name = scene.name(1);
    let arn = "td".to_owned();
    let writes = [
        (Write::PutRecord(Box::default()), Some(Act::Record), 10_000),
        (scene.shift(), Some(Act::Weights), 10_000),
        (Write::DeleteService { name }, Some(Act::Services), 30_000),
        (Write::DeregisterTaskDefinition { arn }, None, 0),
    ];
    for (write, kind, lag) in &writes {
        for act in ACTS {
            let own = *kind == Some(act);
            assert_eq!(imitated(write, SENT - lag, act), own, "{write:?}, {act:?}");
            assert!(!imitated(write, SENT - lag - 1, act) || !own);
        }
        let landed = |at: u64, landed: &Write| {
            let mut scene = Scene::both();
            scene.lab.now = at;
            scene.judge.took_effect(&scene.lab, &issue(landed.clone()));
            scene.judge.imitated(&issue(write.clone()))
        };
        assert!(landed(SENT, write));
        assert!(!landed(SENT - 1, write));
        let other = Write::DeregisterTaskDefinition {
            arn: "another".to_owned(),
        };
        assert!(!landed(SENT, &other));
    }
}
