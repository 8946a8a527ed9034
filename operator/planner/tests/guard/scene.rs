//! The scene that every test begins with, and the guard's answer.

use crd_schema::record::{Generation, Record, Release, Rollout, Stage};
use crd_schema::{Application, TargetGroupArn};
use planner::lab::{Lab, Operator, application};
use planner::safety::{self, Violation};
use planner::world::{Read, Rule, Service, Side};
use planner::write::Evidence;
use planner::{Weights, World, Write};

/// Blue serves on A; green is up and healthy on B at weight 0, and has been seen so twice.
pub(crate) struct Scene {
    pub(crate) lab: Lab,
    pub(crate) operator: Operator,
    pub(crate) blue: String,
    pub(crate) green: String,
}

/// It, with a pair of groups.
pub(crate) fn scene() -> Scene {
    scene_of(application())
}

/// It.
pub(crate) fn scene_of(application: Application) -> Scene {
    let mut lab = Lab::new(application);
    lab.advance(100_000);
    let blue = lab.place("1.3.0", Side::A, 2, 0);
    let green = lab.place("1.4.0", Side::B, 2, 0);
    lab.set_production([Some(100), Some(0)]);
    lab.wish("1.4.0");
    let mut operator = Operator::new(&lab);
    for _ in 0..8 {
        let world = lab.observe();
        operator
            .memory
            .absorb(&world, &operator.tuning, lab.clock());
        lab.advance(5_000);
    }
    Scene {
        lab,
        operator,
        blue,
        green,
    }
}

impl Scene {
    pub(crate) fn check(&mut self, write: &Write) -> Result<(), Violation> {
        let world = self.lab.observe();
        self.operator
            .memory
            .absorb(&world, &self.operator.tuning, self.lab.clock());
        self.check_on(&world, write)
    }

    pub(crate) fn check_on(&self, world: &World, write: &Write) -> Result<(), Violation> {
        let Operator { memory, tuning, .. } = &self.operator;
        safety::check(
            &self.lab.application,
            world,
            memory,
            tuning,
            write,
            self.lab.clock(),
        )
    }

    /// The groups that hold the sides.
    pub(crate) fn groups(&self) -> [Option<TargetGroupArn>; 2] {
        let groups = self.lab.groups.each_ref();
        groups.map(|group| group.as_ref().map(|group| group.arn.clone()))
    }

    pub(crate) fn shift(&self, side: Side) -> Write {
        let health = &self.operator.memory.health[side.index()];
        let first = health.readings().and_then(|mut all| all.next());
        let first = first.map_or(planner::Mono(0), |reading| reading.at);
        let last = planner::Mono(self.lab.now);
        Write::SetWeights {
            rule: self.lab.rules[0].target.clone(),
            groups: self.groups(),
            forget: Vec::new(),
            seen: [Some(100), Some(0)],
            weights: Weights::all_to(side),
            evidence: vec![Evidence {
                side,
                healthy: 2,
                need: 2,
                first,
                last,
            }],
        }
    }
}

/// Which property refuses, or that none does.
pub(crate) fn property(result: Result<(), Violation>) -> &'static str {
    result
        .err()
        .map_or("allowed", |violation| violation.property)
}

/// What the guard says in the scene's world after a change of it.
pub(crate) fn with(
    scene: &mut Scene,
    write: &Write,
    change: impl FnOnce(&mut World),
) -> &'static str {
    let mut world = absorbed(scene);
    change(&mut world);
    property(scene.check_on(&world, write))
}

/// A fresh read of the scene's world, which the memory has taken in.
pub(crate) fn absorbed(scene: &mut Scene) -> World {
    let world = scene.lab.observe();
    let now = scene.lab.clock();
    scene
        .operator
        .memory
        .absorb(&world, &scene.operator.tuning, now);
    world
}

/// Its services.
pub(crate) fn services(world: &mut World) -> &mut Vec<Service> {
    match &mut world.services {
        Read::Known { value, .. } => value,
        Read::Unread { .. } => panic!("the scene is read"),
    }
}

/// Its rules.
pub(crate) fn rules(world: &mut World) -> &mut Vec<Rule> {
    match &mut world.rules {
        Read::Known { value, .. } => value,
        Read::Unread { .. } => panic!("the scene is read"),
    }
}

/// A record that says that 1.4.0 is on its way, and that all work or traffic needs `reference` tasks.
pub(crate) fn moving(reference: u32) -> Record {
    let generation = Generation {
        date: 1,
        version: 1,
    };
    let release = Release {
        digest: "d".to_owned(),
        version: "1.4.0".to_owned(),
        generation,
        task_definition: None,
    };
    let rollout = Rollout {
        release,
        stage: Stage::Shift,
        entered: Default::default(),
        reference,
        step: None,
        gates: Default::default(),
        paused: None,
        base: None,
        deployment: None,
    };
    Record {
        rollout: Some(rollout),
        ..Record::default()
    }
}
