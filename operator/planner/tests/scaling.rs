//! Autoscaling goes where the traffic goes.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    unused_must_use,
    reason = "a test says so by failing"
)]

use crd_schema::application::{Application, Autoscaling, Drift};
use crd_schema::intent::Abort;
use crd_schema::strategy::{Share, Step};
use planner::ablation::{Rule, Without};
use planner::lab::{Ending, Lab, Operator, application, per_release};
use planner::scaling::{Change, Policy, Suspended};
use planner::world::{Read, Role, Side};
use planner::{Hold, Plan, WaitingOn, Write};
use serde_json::json;

const MINUTE: u64 = 60_000;

/// 1.3.0 serves on A with eight tasks, autoscaled between two and ten.
struct Blog {
    lab: Lab,
    operator: Operator,
    blue: String,
}

impl Blog {
    fn of(application: Application) -> Self {
        let mut lab = Lab::new(application);
        lab.advance(100_000);
        let blue = lab.place("1.3.0", Side::A, 8, 0);
        lab.wish("1.3.0");
        let mut operator = Operator::new(&lab);
        assert_eq!(operator.run(&mut lab, 300), Ending::Settled);
        lab.autoscale(&blue, 2, 10);
        // It has work for eight, until a rollout takes some of it away.
        Self {
            lab,
            operator,
            blue,
        }
    }

    fn new() -> Self {
        let mut blog = application();
        let half = Share::tenths(500).unwrap();
        blog.strategy.steps = vec![Step::SetWeight(half), Step::Pause(None)];
        Self::of(blog)
    }

    fn green(&self) -> Option<String> {
        let mut services = self.lab.services.iter();
        let green = services.find(|s| s.shown.tags.version.as_deref() == Some("1.4.0"));
        green.map(|green| green.shown.name.clone())
    }

    fn desired(&self, name: &str) -> u32 {
        let mut services = self.lab.services.iter();
        services
            .find(|s| s.shown.name == name)
            .map_or(0, |s| s.shown.desired)
    }

    fn share(&self) -> u32 {
        let mut rules = self.lab.rules.iter();
        let rule = rules.find(|rule| rule.role == Role::Production).unwrap();
        planner::memory::weight(rule, Side::B)
    }

    fn step(&mut self) -> Plan {
        let plan = self.operator.reconcile(&mut self.lab).expect("allowed");
        assert!(!self.lab.loses_requests(), "{:#?}", self.lab.writes);
        plan
    }

    fn until(&mut self, there: impl Fn(&Self, &Plan) -> bool) -> Plan {
        for _ in 0..2_000 {
            let plan = self.step();
            if there(self, &plan) {
                return plan;
            }
        }
        panic!("never: {:#?}", self.lab.writes);
    }

    /// A person ends the rollout.
    fn abort(&mut self) {
        let rollout = self.lab.desired.as_ref().unwrap().0;
        self.lab.intents.abort = Some(Abort { rollout });
    }

    /// One service is left, autoscaled as blue was, its scale-in not suspended, and nothing is known of any other.
    fn is_moved_to(&self, name: &str) {
        let writes = &self.lab.writes;
        let names: Vec<&String> = self.lab.scaling.keys().collect();
        assert_eq!(names, [name], "{writes:#?}");
        let scaling = &self.lab.scaling[name];
        assert_eq!((scaling.min, scaling.max), (2, 10), "{writes:#?}");
        assert_eq!(scaling.suspended, Suspended::default(), "{writes:#?}");
        assert!(scaling.policies.contains_key("cpu"), "{writes:#?}");
        assert!(scaling.actions.contains_key("night"), "{writes:#?}");
        let record = &self.lab.record.as_ref().unwrap().1;
        assert_eq!(record.scale_in_suspended, None, "{writes:#?}");
        assert_eq!(self.desired(name), 8, "{writes:#?}");
    }
}

/// A person lets green have everything as soon as it has half, while policies find all along that two tasks would do.
fn release(blog: &mut Blog) -> Ending {
    blog.lab.wish("1.4.0");
    for _ in 0..2_000 {
        if (1..100).contains(&blog.share()) {
            let rollout = blog.lab.desired.as_ref().unwrap().0;
            blog.lab.intents.promote = Some(crd_schema::intent::Promote {
                rollout,
                step: 0,
                full: true,
            });
        }
        let plan = match blog.operator.reconcile(&mut blog.lab) {
            Ok(plan) => plan,
            Err(violation) => return Ending::Violated(violation),
        };
        let record = blog.lab.record.as_ref().map(|(_, record)| record);
        let moves = record.is_some_and(|record| record.rollout.is_some());
        if moves && blog.share() > 0 {
            // Half of the traffic is gone from blue, and soon all of it.
            blog.lab.scale_in();
        }
        if plan.report.converged && plan.step.is_none() {
            return Ending::Settled;
        }
    }
    Ending::Wedged("no end".to_owned())
}

#[test]
fn green_is_scaled_as_blue_was_and_nobody_is_scaled_in_meanwhile() {
    let mut blog = Blog::new();
    blog.lab.wish("1.4.0");
    blog.until(|blog, _| blog.share() == 50);
    let green = blog.green().unwrap();
    for name in [&blog.blue, &green] {
        assert!(blog.lab.scaling[name].suspended.scale_in, "{name}");
        assert!(!blog.lab.scaling[name].suspended.scale_out, "{name}");
        assert!(!blog.lab.scaling[name].suspended.scheduled, "{name}");
    }
    let first = |what: &str| {
        let mut writes = blog.lab.writes.iter();
        writes.position(|write| write.starts_with(what)).unwrap()
    };
    let weights = first("set weights A=50 B=50");
    assert!(first("put scheduled action night on service blog-1-4-0") < weights);
    assert!(first("suspend scale-in of service blog-1-3-0") < weights);
    let mut blog = Blog::new();
    assert_eq!(release(&mut blog), Ending::Settled);
    let green = blog.green().unwrap();
    blog.is_moved_to(&green);
}

#[test]
fn with_a_group_for_each_release_too() {
    let mut blog = Blog::of(per_release());
    assert_eq!(release(&mut blog), Ending::Settled);
    let green = blog.green().unwrap();
    blog.is_moved_to(&green);
}

#[test]
fn what_comes_back_is_scaled_as_before() {
    let mut blog = Blog::new();
    blog.lab.wish("1.4.0");
    blog.until(|blog, _| blog.share() == 50);
    blog.lab.scale_in();
    // What somebody gave green alone goes with it.
    let green = blog.green().unwrap();
    let policies = &mut blog.lab.scaling.get_mut(&green).unwrap().policies;
    policies.insert("memory".to_owned(), policies["cpu"].clone());
    blog.abort();
    let writes = blog.lab.writes.len();
    blog.until(|blog, _| blog.share() == 0);
    let first = blog.lab.writes[writes..].iter();
    let first: Vec<_> = first
        .filter(|write| !write.starts_with("write down"))
        .collect();
    assert_eq!(
        first[0], "set weights A=100 B=0 on listener-8080",
        "no way back waits"
    );
    let _ = blog.until(|blog, plan| plan.step.is_none() && blog.lab.services.len() == 1);
    assert_eq!(blog.operator.run(&mut blog.lab, 300), Ending::Settled);
    let blue = blog.blue.clone();
    blog.is_moved_to(&blue);
    assert_eq!(blog.lab.scaling[&blue].policies.len(), 1);
}

#[test]
fn what_people_had_suspended_stays_suspended() {
    let mut blog = Blog::new();
    let theirs = Suspended {
        scale_in: true,
        scale_out: false,
        scheduled: true,
    };
    blog.lab.scaling.get_mut(&blog.blue).unwrap().suspended = theirs;
    assert_eq!(release(&mut blog), Ending::Settled);
    let green = blog.green().unwrap();
    assert_eq!(blog.lab.scaling[&green].suspended, theirs);
    let plan = blog.step();
    let note = format!("scale-in of service {green} is suspended");
    assert_eq!(plan.report.notes, [note]);
}

/// The operator is killed after each of its steps in turn, and another one goes on.
#[test]
fn a_crash_anywhere_changes_nothing() {
    let whole = {
        let mut blog = Blog::new();
        release(&mut blog);
        blog.lab.writes.len()
    };
    for n in 0..whole {
        let mut blog = Blog::new();
        let before = blog.lab.writes.len();
        blog.lab.wish("1.4.0");
        let rollout = blog.lab.desired.as_ref().unwrap().0;
        blog.lab.intents.promote = Some(crd_schema::intent::Promote {
            rollout,
            step: 0,
            full: true,
        });
        for _ in 0..400 {
            blog.step();
            if blog.lab.writes.len() - before >= n {
                break;
            }
        }
        let tuning = blog.operator.tuning;
        blog.operator = Operator::new(&blog.lab);
        blog.operator.tuning = tuning;
        blog.operator.memory.clean_start = None;
        assert_eq!(
            blog.operator.run(&mut blog.lab, 600),
            Ending::Settled,
            "{n}"
        );
        let green = blog.green().unwrap();
        blog.is_moved_to(&green);
    }
}

#[test]
fn a_policy_that_cannot_go_along_holds_the_release_and_says_why() {
    let mut blog = Blog::new();
    let step = Policy {
        body: json!({"PolicyType": "StepScaling"})
            .as_object()
            .unwrap()
            .clone(),
        alarms: vec!["cpu-high".to_owned()],
    };
    let scaling = blog.lab.scaling.get_mut(&blog.blue).unwrap();
    scaling.policies.insert("by-alarm".to_owned(), step);
    blog.lab.wish("1.4.0");
    let plan = blog.step();
    let WaitingOn::Hold(Hold::AutoscalingNotSupported { what }) = plan.report.waiting_on else {
        panic!("{plan:?}")
    };
    assert!(what.contains("by-alarm of service blog-1-3-0"), "{what}");
    assert!(what.contains("your alarm cpu-high"), "{what}");
    assert_eq!(plan.step, None);
    let scaling = blog.lab.scaling.get_mut(&blog.blue).unwrap();
    scaling.policies.remove("by-alarm");
    assert_eq!(release(&mut blog), Ending::Settled);
}

#[test]
fn what_aws_refuses_ends_the_release_at_its_deadline() {
    let mut blog = Blog::new();
    blog.lab.denied.insert("PutScalingPolicy");
    blog.lab.wish("1.4.0");
    let plan = blog.until(|_, plan| plan.report.rejected.is_some());
    let why = plan.report.rejected.unwrap();
    assert!(why.contains("PutScalingPolicy failed (denied)"), "{why}");
    blog.lab.denied.clear();
    assert_eq!(blog.operator.run(&mut blog.lab, 300), Ending::Settled);
    let blue = blog.blue.clone();
    blog.is_moved_to(&blue);
}

#[test]
fn what_is_not_known_of_scaling_holds_what_depends_on_it_and_nothing_else() {
    let mut blog = Blog::new();
    blog.lab.wish("1.4.0");
    blog.until(|_, plan| plan.report.waiting_on == WaitingOn::Promotion);
    let unread = |blog: &mut Blog| {
        let mut world = blog.lab.observe();
        world.scaling = Read::Unread {
            reason: "throttled".to_owned(),
        };
        let (operator, now) = (&mut blog.operator, blog.lab.clock());
        operator.memory.absorb(&world, &operator.tuning, now);
        planner::plan(
            &blog.lab.application,
            &world,
            &operator.memory,
            &operator.tuning,
            now,
        )
    };
    for _ in 0..10 {
        let plan = unread(&mut blog);
        assert_eq!(plan.step, None, "it waits for a person");
        blog.lab.advance(5_000);
    }
    let rollout = blog.lab.desired.as_ref().unwrap().0;
    blog.lab.intents.promote = Some(crd_schema::intent::Promote {
        rollout,
        step: 0,
        full: true,
    });
    let plan = unread(&mut blog);
    let what = "scalable targets: throttled".to_owned();
    let seen = matches!(&plan.step, Some(Write::PutRecord(_)));
    assert!(
        seen || plan.report.waiting_on == WaitingOn::Observation { what },
        "{plan:?}"
    );
    blog.abort();
    let rejected = unread(&mut blog);
    assert!(
        matches!(rejected.step, Some(Write::PutRecord(_))),
        "{rejected:?}"
    );
    // That it failed, and that it goes back, is written down first.
    blog.operator.reconcile(&mut blog.lab).expect("allowed");
    blog.operator.reconcile(&mut blog.lab).expect("allowed");
    let plan = unread(&mut blog);
    assert!(
        matches!(plan.step, Some(Write::SetWeights { .. })),
        "the way back does not wait: {plan:?}"
    );
}

/// Somebody else deleted green, and what AWS knows of it goes too.
#[test]
fn nothing_is_left_behind_by_what_somebody_deleted() {
    let mut blog = Blog::new();
    blog.lab.wish("1.4.0");
    blog.until(|blog, plan| {
        let green = blog.green();
        let known = green.is_some_and(|green| blog.lab.scaling.contains_key(&green));
        known && plan.step.is_none()
    });
    let green = blog.green().unwrap();
    blog.lab.delete(&green);
    blog.abort();
    blog.lab.advance(1_000);
    blog.until(|blog, plan| plan.step.is_none() && blog.lab.services.len() == 1);
    blog.operator.run(&mut blog.lab, 300);
    let blue = blog.blue.clone();
    blog.is_moved_to(&blue);
}

fn without(rules: &[Rule]) -> (Blog, Ending) {
    let mut blog = Blog::new();
    blog.operator.tuning.without = Without::rules(rules);
    let ending = release(&mut blog);
    (blog, ending)
}

#[test]
fn without_its_rules_the_guard_refuses_and_without_that_it_goes_wrong() {
    for rule in [Rule::ScaleInWaits, Rule::ScalingMoves] {
        let (_, ending) = without(&[rule]);
        let Ending::Violated(violation) = ending else {
            panic!("{rule:?}: {ending:?}")
        };
        assert_eq!(violation.property, "S18", "{rule:?}: {violation}");
    }
    let (blog, _) = without(&[Rule::ScaleInWaits, Rule::Guard]);
    let scaled_in = blog.lab.writes.iter().any(|write| {
        write.starts_with("scale service blog-1-3-0") && write.ends_with("from 2 to 0")
    });
    assert!(scaled_in, "blue kept its size: {:#?}", blog.lab.writes);
    let (blog, _) = without(&[Rule::ScalingMoves, Rule::Guard]);
    let green = blog.green().unwrap();
    assert!(
        !blog.lab.scaling.contains_key(&green),
        "green is autoscaled"
    );
    let left = blog.lab.scaling.contains_key(&blog.blue);
    assert!(left, "what is known of blue went with it");
}

#[test]
fn a_barrier_of_scaling_ends_by_itself_while_nothing_can_be_read() {
    let mut blog = Blog::new();
    let write = Write::SetScaling {
        name: blog.blue.clone(),
        change: Change::Deregister,
    };
    let (tuning, now) = (blog.operator.tuning, blog.lab.clock());
    blog.operator.memory.sending(&write, &tuning, now);
    let applied = planner::memory::WriteOutcome::Applied;
    blog.operator.memory.note(&write, &applied, &tuning, now);
    let mut world = blog.lab.observe();
    let other = Write::DeleteService {
        name: blog.blue.clone(),
    };
    let memory = &blog.operator.memory;
    assert_eq!(memory.unseen_write(&world, &other), Some(&write));
    world.scaling = Read::Unread {
        reason: "throttled".to_owned(),
    };
    blog.lab.advance(MINUTE);
    blog.operator
        .memory
        .absorb(&world, &tuning, blog.lab.clock());
    assert_eq!(blog.operator.memory.unseen_write(&world, &other), None);
}

/// The spec's own autoscaling: between three and nine, by requests.
fn given() -> Application {
    let mut blog = application();
    let body = json!({
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": 80,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ALBRequestCountPerTarget"},
        },
    });
    blog.autoscaling = Some(Autoscaling {
        min: 3,
        max: 9,
        policies: [("requests".to_owned(), body.as_object().unwrap().clone())].into(),
        actions: Default::default(),
    });
    blog
}

fn is_as_given(lab: &Lab) {
    let known: Vec<_> = lab.scaling.values().collect();
    let [known] = known[..] else {
        panic!("{:?}", lab.scaling)
    };
    assert_eq!((known.min, known.max), (3, 9));
    assert_eq!(known.suspended, Suspended::default());
    assert!(known.policies.contains_key("requests"), "{known:?}");
}

#[test]
fn what_the_spec_says_is_for_every_release_and_the_first() {
    let mut lab = Lab::new(given());
    lab.advance(100_000);
    lab.wish("1.3.0");
    let mut operator = Operator::new(&lab);
    assert_eq!(
        operator.run(&mut lab, 400),
        Ending::Settled,
        "{:#?}",
        lab.writes
    );
    is_as_given(&lab);
    assert_eq!(lab.services[0].shown.desired, 3, "at least the minimum");
    lab.wish("1.4.0");
    assert_eq!(
        operator.run(&mut lab, 400),
        Ending::Settled,
        "{:#?}",
        lab.writes
    );
    is_as_given(&lab);
}

#[test]
fn what_differs_from_the_spec_is_put_right_or_told() {
    let mut lab = Lab::new(given());
    lab.advance(100_000);
    lab.wish("1.3.0");
    let mut operator = Operator::new(&lab);
    operator.run(&mut lab, 400);
    let name = lab.services[0].shown.name.clone();
    lab.scaling.get_mut(&name).unwrap().max = 4;
    lab.scaling.get_mut(&name).unwrap().policies.clear();
    assert_eq!(operator.run(&mut lab, 100), Ending::Settled);
    is_as_given(&lab);
    lab.scaling.clear();
    lab.application.drift = Drift::Hold;
    let plan = operator.reconcile(&mut lab).expect("allowed");
    let WaitingOn::Hold(Hold::DriftHeld { what }) = plan.report.waiting_on else {
        panic!("{plan:?}")
    };
    assert!(what.contains("between 3 and 9"), "{what}");
    lab.application.drift = Drift::Heal;
    assert_eq!(operator.run(&mut lab, 100), Ending::Settled);
    is_as_given(&lab);
}

#[test]
fn what_a_scheduled_action_of_the_spec_set_is_no_drift() {
    let mut blog = given();
    let action =
        json!({"Schedule": "cron(0 7 * * ? *)", "ScalableTargetAction": {"MinCapacity": 6}});
    let action = action.as_object().unwrap().clone();
    let spec = blog.autoscaling.as_mut().unwrap();
    spec.actions.insert("mornings".to_owned(), action);
    let mut lab = Lab::new(blog);
    lab.advance(100_000);
    lab.wish("1.3.0");
    let mut operator = Operator::new(&lab);
    assert_eq!(operator.run(&mut lab, 400), Ending::Settled);
    let limits = |lab: &Lab| {
        let mut known = lab.scaling.values();
        let known = known.next().unwrap();
        (known.min, known.max)
    };
    for (set, left) in [((6, 9), (6, 9)), ((5, 9), (3, 9)), ((6, 4), (6, 9))] {
        let known = lab.scaling.values_mut().next().unwrap();
        (known.min, known.max) = set;
        assert_eq!(operator.run(&mut lab, 100), Ending::Settled);
        assert_eq!(limits(&lab), left, "{set:?}");
    }
    lab.wish("1.4.0");
    assert_eq!(operator.run(&mut lab, 400), Ending::Settled);
    assert_eq!(limits(&lab), (6, 9), "the morning goes on");
}
