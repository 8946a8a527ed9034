//! The scenes that tests begin with, and a decision that is looked at before it is carried out.

use std::time::Duration;

use crd_schema::Application;
use crd_schema::record::Stage;
use crd_schema::strategy::{Share, Step, Strategy};
use planner::lab::{Ending, Lab, Operator, application};
use planner::memory::{WriteOutcome, weight};
use planner::world::{Action, Read, Role, Service, Side};
use planner::{Hold, Now, Plan, WaitingOn, World, Write, plan};

/// An application and its operator.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) lab: Lab,
    pub(crate) operator: Operator,
}

/// 1.3.0 serves alone on A, and nothing more is wanted.
pub(crate) fn settled_of(application: Application) -> Scene {
    let mut lab = Lab::new(application);
    lab.advance(100_000);
    lab.place("1.3.0", Side::A, 2, 0);
    lab.wish("1.3.0");
    let mut operator = Operator::new(&lab);
    assert_eq!(operator.run(&mut lab, 200), Ending::Settled);
    Scene { lab, operator }
}

/// The same with a pair of groups.
pub(crate) fn settled() -> Scene {
    settled_of(application())
}

/// A release of 1.4.0 that has come to this stage.
pub(crate) fn at(stage: Stage) -> Scene {
    settled().released_to(stage)
}

impl Scene {
    /// 1.4.0 is wished for, and has come to this stage.
    pub(crate) fn released_to(mut self, stage: Stage) -> Self {
        self.lab.wish("1.4.0");
        let _ = self.until(|_, plan| plan.report.stage == stage);
        self
    }

    pub(crate) fn clock(&self) -> Now {
        self.lab.clock()
    }

    /// What is decided on the world as it is, once the record says what it should.
    pub(crate) fn plan(&mut self) -> Plan {
        self.plan_on(|_| ())
    }

    /// The same on a world of which something else is read.
    pub(crate) fn plan_on(&mut self, change: impl Fn(&mut World)) -> Plan {
        for _ in 0..4 {
            let plan = self.first_plan_on(&change);
            let Some(record @ Write::PutRecord(_)) = &plan.step else {
                return plan;
            };
            let now = self.clock();
            let Operator { memory, tuning, .. } = &mut self.operator;
            memory.sending(record, tuning, now);
            let outcome = self.lab.apply(record);
            memory.note(record, &outcome, tuning, now);
        }
        panic!("the record is never right")
    }

    /// What is decided, be it a write of the record.
    pub(crate) fn first_plan_on(&mut self, change: impl Fn(&mut World)) -> Plan {
        let mut world = self.lab.observe();
        change(&mut world);
        let now = self.clock();
        let Operator { memory, tuning, .. } = &mut self.operator;
        memory.absorb(&world, tuning, now);
        plan(&self.lab.application, &world, memory, tuning, now)
    }

    /// Goes on until `there`, and says what was decided there; that was carried out.
    pub(crate) fn until(&mut self, there: impl Fn(&Self, &Plan) -> bool) -> Plan {
        for _ in 0..2_000 {
            let plan = self.operator.reconcile(&mut self.lab).expect("allowed");
            if there(self, &plan) {
                return plan;
            }
        }
        panic!("never: {:#?}", self.lab.writes);
    }

    /// The world is watched for a while, and nothing is done.
    pub(crate) fn watch(&mut self, seconds: u64) {
        for _ in 0..seconds.div_ceil(5) {
            self.lab.advance(5_000);
            let world = self.lab.observe();
            let now = self.clock();
            self.operator
                .memory
                .absorb(&world, &self.operator.tuning, now);
        }
    }

    /// A write gets no answer, and did not happen.
    pub(crate) fn unanswered(&mut self, write: &Write) {
        let reason = "timeout".to_owned();
        let now = self.clock();
        let Operator { memory, tuning, .. } = &mut self.operator;
        memory.sending(write, tuning, now);
        memory.note(write, &WriteOutcome::Unknown { reason }, tuning, now);
    }

    /// The weight of a side in the first production rule.
    pub(crate) fn weight(&self, side: Side) -> u32 {
        weight(&self.lab.rules[0], side)
    }

    /// Sets the weights of the n-th rule as a person may.
    pub(crate) fn set(&mut self, n: usize, weights: [Option<u32>; 2]) {
        self.lab.rules[n].action = forward(weights);
    }

    /// A rule that does not stand in the spec.
    pub(crate) fn unlisted(&mut self, weights: [Option<u32>; 2]) {
        let mut rule = self.lab.rules[0].clone();
        rule.role = Role::Unlisted;
        rule.target = crd_schema::application::RuleTarget::Rule(crd_schema::RuleArn::new(
            "arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/lb/1/2/7",
        ));
        rule.action = forward(weights);
        self.lab.rules.push(rule);
    }
}

/// Exactly one forward with these weights.
pub(crate) fn forward(weights: [Option<u32>; 2]) -> Action {
    Action::Forward {
        weights,
        others: Vec::new(),
        sticky: false,
    }
}

/// The hold, which comes without a write.
pub(crate) fn held(plan: Plan) -> Hold {
    assert_eq!(plan.step, None);
    let WaitingOn::Hold(hold) = plan.report.waiting_on else {
        panic!("{:?}", plan.report)
    };
    hold
}

/// In words, that the hold is of this kind and its message has this in it.
pub(crate) fn holds(plan: Plan, label: &str, word: &str) {
    let hold = held(plan);
    assert_eq!(hold.label(), label);
    let told = hold.message();
    assert!(told.contains(word), "{told}");
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Green is read so.
pub(crate) fn green(change: impl Fn(&mut Service)) -> impl Fn(&mut World) {
    move |world| {
        if let Read::Known { value, .. } = &mut world.services {
            change(&mut value[1]);
        }
    }
}

/// Green is full and healthy, test traffic is on it, and production traffic is about to move.
pub(crate) fn ready() -> Scene {
    let mut scene = at(Stage::Validate);
    let _ = scene.until(|scene, _| {
        matches!(
            &scene.lab.rules[1].action,
            planner::world::Action::Forward {
                weights: [None | Some(0), Some(100)],
                ..
            }
        )
    });
    scene.watch(10);
    scene
}

/// Half, and then everything when a person says so.
pub(crate) fn stepped(percent: u16) -> Scene {
    let mut blog = application();
    blog.strategy = Strategy::of(vec![
        Step::SetWeight(Share::tenths(percent * 10).unwrap()),
        Step::Pause(None),
    ]);
    let mut scene = settled_of(blog);
    scene.lab.wish("1.4.0");
    let _ = scene.until(|_, plan| plan.report.waiting_on == WaitingOn::Promotion);
    scene.watch(20);
    scene
}
