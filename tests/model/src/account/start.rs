//! The account as a search begins.

use std::collections::BTreeSet;
use std::sync::Arc;

use crd_schema::intent::Intents;
use crd_schema::record::Generation;
use planner::world::{Deployments, Revision, Service, ServiceStatus, Tags};
use planner::{Side, release};

use crate::balancer::{Balancer, Sides};
use crate::seen::Seen;
use crate::setup::{Setup, Start, VERSIONS};

use super::{Account, Deployed, Ecs, GroupArn, Parameters, wall};

impl Account {
    /// As the search begins.
    pub fn new(setup: &Setup) -> Self {
        let first = Setup::generation(1);
        let weights = match setup.start {
            Start::Empty | Start::Anything => [Some(100), None],
            Start::Serving | Start::Shared => [Some(100), Some(0)],
            Start::Both(weights) => weights,
        };
        let wish = match setup.start {
            Start::Empty | Start::Serving | Start::Anything => (0, first),
            Start::Both(_) | Start::Shared => (1, Setup::generation(2)),
        };
        let mut account = Self {
            now: 1_000,
            ecs: Seen::new(Ecs {
                services: Vec::new(),
                revisions: Vec::new(),
                told: Vec::new(),
            }),
            elb: Seen::new(Balancer::new(setup)),
            health: Seen::new(Vec::new()),
            ssm: Seen::new(Parameters {
                desired: wish,
                record: None,
                intents: Intents::default(),
            }),
            draining: Vec::new(),
            weighted: Vec::new(),
            sides: Sides::default(),
        };
        account.settle_sides(setup);
        let placed: &[(usize, Side)] = match setup.start {
            Start::Empty | Start::Anything => &[],
            Start::Serving => &[(0, Side::A)],
            Start::Both(_) => &[(0, Side::A), (1, Side::B)],
            Start::Shared => &[(0, Side::A), (1, Side::A)],
        };
        for (n, side) in placed {
            account.place(setup, *n, *side, setup.application.template.desired_count);
        }
        let application = &setup.application;
        for rule in 0..application.production().count() + application.test().count() {
            account.set_weights(setup, rule, weights);
        }
        account.tick(setup);
        account.tick(setup);
        account.forget();
        account
    }

    /// Release `n` runs on `side`, with so many tasks, as if it had been created by the wish of its number.
    pub fn place(&mut self, setup: &Setup, n: usize, side: Side, count: u32) -> String {
        let generation = Setup::generation(i64::try_from(n).unwrap_or(0) + 1);
        let wanted = setup.wanted(n, generation);
        let name = release::service_name(
            &setup.application,
            VERSIONS[n],
            &wanted.digest,
            generation,
            0,
        );
        let (arn, tags) = self.register(setup, n);
        let group = self.place_group(setup, tags.release.as_deref(), generation, side);
        self.add(setup, &name, group, count, arn, tags);
        if setup.autoscaled {
            self.set_scaled(setup, &name, Some(false));
        }
        name
    }

    /// The task definition of release `n` is there, and this is what its tags tell.
    pub fn register(&mut self, setup: &Setup, n: usize) -> (String, Tags) {
        let generation = Setup::generation(i64::try_from(n).unwrap_or(0) + 1);
        let wanted = setup.wanted(n, generation);
        let mut ecs = self.ecs.truth().clone();
        let arn = format!("td-{}-0", wanted.digest);
        ecs.revisions.insert(
            0,
            Revision {
                arn: arn.clone(),
                digest: Some(wanted.digest.clone()),
                generation: setup.application.is_rolling().then_some(generation),
            },
        );
        let tags = Tags {
            ours: true,
            release: Some(wanted.digest),
            version: Some(VERSIONS[n].to_owned()),
            generation: Some(generation),
            blue: None,
            rejected: None,
        };
        ecs.told.push((arn.clone(), tags.clone()));
        self.ecs = Seen::new(ecs);
        (arn, tags)
    }

    /// The pair's group of this side, or one made for the release.
    fn place_group(
        &mut self,
        setup: &Setup,
        digest: Option<&str>,
        generation: Generation,
        side: Side,
    ) -> GroupArn {
        let application = &setup.application;
        if application.group_template().is_none() {
            return Arc::clone(&self.elb.truth().groups[side.index()].arn);
        }
        let name = release::group_name(application, digest.unwrap_or(""), generation, 0);
        let mut elb = self.elb.truth().clone();
        let arn = elb.create(&name, side, true);
        self.change_elb(setup, elb);
        arn
    }

    pub(super) fn add(
        &mut self,
        setup: &Setup,
        name: &str,
        group: GroupArn,
        count: u32,
        task_definition: String,
        tags: Tags,
    ) {
        let completed = task_definition.clone();
        let shown = Service {
            name: name.to_owned(),
            arn: format!("arn-{name}"),
            status: ServiceStatus::Active,
            side: None,
            group_gone: false,
            desired: 0,
            running: 0,
            pending: 0,
            task_definition,
            tags,
            created: wall(self.now),
            steady: true,
            deployment_failed: false,
            deployments: Deployments {
                primary: Some(format!("ecs-svc/{completed}")),
                ..Deployments::default()
            },
            addresses: BTreeSet::new(),
            outgoing: BTreeSet::new(),
            trouble: None,
        };
        self.change_ecs(setup, |ecs| {
            ecs.services.push(Deployed {
                shown: Arc::new(shown),
                group,
                tasks: Vec::new(),
                sick: false,
                leaving: 0,
                health: Vec::new(),
                dark: None,
                scaled: None,
                replaced: Vec::new(),
                completed,
            });
        });
        self.scale(setup, name, count);
    }
}
