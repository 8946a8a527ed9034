use std::sync::atomic::{AtomicUsize, Ordering};

use crd_schema::ApplicationName;
use crd_schema::record::Generation;
use planner::ablation::Without;
use planner::gate::Run;
use planner::lab::{Lab, application};
use planner::{Memory, Side};
use prometheus::Registry;

use super::*;
use crate::cloud::{ReadError, Tried};
use crate::lease::{Holding, LeaseHandle};
use crate::slot::Spec;

struct Writer {
    holds: Result<(), Changed>,
    re_read_takes: Duration,
    outcome: WriteOutcome,
    slot: Arc<Slot>,
    sent: Arc<AtomicUsize>,
}

impl CloudWriter for Writer {
    async fn still_holds(&self, _: &Application, _: &Write) -> Result<(), Changed> {
        tokio::time::sleep(self.re_read_takes).await;
        self.holds.clone()
    }

    async fn write(&self, _: &Application, write: &Write) -> WriteOutcome {
        let outstanding = self.slot.with(|kept| kept.memory.outstanding.clone());
        assert_eq!(
            &outstanding.expect("it is noted before it is sent").write,
            write
        );
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.outcome.clone()
    }

    async fn notify(
        &self,
        _: &crd_schema::webhook::Webhook,
        _: &crate::events::Event,
    ) -> Result<(), ReadError> {
        Ok(())
    }

    async fn stop_gate(
        &self,
        _: &Application,
        _: &Run,
        _: Option<&str>,
        _: &str,
    ) -> Result<(), ReadError> {
        Ok(())
    }

    async fn try_gate(&self, _: &Application, _: &Run, _: u32, _: Option<&str>) -> Tried {
        Tried::Unclear {
            reason: "there are no gates here".to_owned(),
        }
    }

    async fn put_status(&self, _: &ApplicationName, _: &str) -> Result<(), ReadError> {
        Ok(())
    }
}

/// A service with two healthy tasks serves everything; the executor is asked to scale it.
struct Scene {
    lab: Lab,
    service: String,
    slot: Arc<Slot>,
    executor: Executor<Writer>,
    sent: Arc<AtomicUsize>,
    registry: Registry,
}

impl Scene {
    fn new() -> Self {
        let clock = Clock::starting_at(jiff::Timestamp::UNIX_EPOCH);
        let mut lab = Lab::new(application());
        let service = lab.place("1.0.0", Side::A, 2, 0);
        lab.advance(600_000);
        let spec = Spec {
            application: Some(Arc::new(application())),
            problem: None,
            generation: Generation {
                date: 1,
                version: 1,
            },
            present: true,
            conflicts: Vec::new(),
            wish: None,
            read_for: None,
        };
        let slot = Arc::new(Slot::new(
            application().name,
            spec,
            Standing::Sole,
            Mono::default(),
        ));
        let tuning = Tuning::default();
        let mut memory = Memory::new(Mono::default());
        memory.absorb(&lab.observe(), &tuning, lab.clock());
        slot.with(|kept| kept.memory = memory);
        let (registry, sent) = (Registry::new(), Arc::default());
        let writer = Writer {
            holds: Ok(()),
            re_read_takes: Duration::ZERO,
            outcome: WriteOutcome::Applied,
            slot: Arc::clone(&slot),
            sent: Arc::clone(&sent),
        };
        let executor = Executor {
            mode: Mode::Apply {
                writer,
                authority: Authority::SingleByDeployment,
            },
            tuning,
            clock,
            metrics: Arc::new(Metrics::new(&registry, "0.1.0").unwrap()),
            write_limit: Duration::from_secs(15),
        };
        Self {
            lab,
            service,
            slot,
            executor,
            sent,
            registry,
        }
    }

    fn writer(&mut self) -> &mut Writer {
        match &mut self.executor.mode {
            Mode::Apply { writer, .. } => writer,
            Mode::ObserveOnly => unreachable!("the scene writes"),
        }
    }

    async fn scale(&self, to: u32) -> Enacted {
        let write = Write::ScaleService {
            name: self.service.clone(),
            from: 2,
            to,
        };
        let (world, made) = (self.lab.observe(), self.executor.clock.mono());
        self.executor
            .enact(&self.slot, &application(), &world, made, &write)
            .await
    }

    fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    fn outstanding(&self) -> bool {
        self.slot.with(|kept| kept.memory.outstanding.is_some())
    }

    fn refusals(&self) -> f64 {
        let families = self.registry.gather();
        let refusals = families
            .iter()
            .find(|family| family.name() == "teal_guard_refusals_total")
            .unwrap();
        refusals
            .get_metric()
            .iter()
            .map(|series| series.get_counter().get_value())
            .sum()
    }
}

#[tokio::test(start_paused = true)]
async fn what_holds_is_sent_once_and_noted() {
    let scene = Scene::new();
    assert_eq!(scene.scale(3).await, Enacted::Applied);
    assert_eq!((scene.sent(), scene.outstanding()), (1, false));
    assert!(scene.slot.with(|kept| !kept.memory.barriers.is_empty()));
    assert_eq!(scene.refusals(), 0.0);
}

#[tokio::test(start_paused = true)]
async fn what_the_guard_refuses_is_counted_and_never_sent() {
    let scene = Scene::new();
    let Enacted::GuardRefused(violation) = scene.scale(0).await else {
        panic!("it serves everything")
    };
    assert_eq!(violation.property, "S4");
    assert_eq!((scene.sent(), scene.outstanding()), (0, false));
    assert_eq!(scene.refusals(), 1.0);
}

#[tokio::test(start_paused = true)]
async fn what_changed_or_cannot_be_read_again_is_not_sent() {
    let mut scene = Scene::new();
    scene.writer().holds = Err(Changed::Differs {
        what: "desired count 2, now 4".to_owned(),
    });
    assert_eq!(
        scene.scale(3).await,
        Enacted::Changed("desired count 2, now 4".to_owned())
    );
    scene.writer().holds = Err(Changed::Unread {
        reason: "throttled".to_owned(),
    });
    assert_eq!(
        scene.scale(3).await,
        Enacted::Unread("throttled".to_owned())
    );
    scene.writer().holds = Ok(());
    scene.writer().re_read_takes = Duration::from_secs(3600);
    assert_eq!(
        scene.scale(3).await,
        Enacted::Unread("no answer within 15 s".to_owned())
    );
    assert_eq!((scene.sent(), scene.outstanding()), (0, false));
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_grew_old_while_it_was_checked_is_not_sent() {
    let mut scene = Scene::new();
    scene.writer().re_read_takes = Duration::from_millis(10_000);
    assert_eq!(
        scene.scale(3).await,
        Enacted::Applied,
        "as old as it may be"
    );
    let mut scene = Scene::new();
    scene.writer().re_read_takes = Duration::from_millis(10_001);
    assert_eq!(
        scene.scale(3).await,
        Enacted::PlanAged(Duration::from_millis(10_001))
    );
    assert_eq!((scene.sent(), scene.outstanding()), (0, false));
}

#[tokio::test(start_paused = true)]
async fn only_an_unknown_outcome_stays_outstanding() {
    let reason = || "because".to_owned();
    let outcomes = [
        (
            WriteOutcome::NotSent { reason: reason() },
            Enacted::NotSent(reason()),
            false,
        ),
        (
            WriteOutcome::Refused { reason: reason() },
            Enacted::Refused(reason()),
            false,
        ),
        (
            WriteOutcome::Unknown { reason: reason() },
            Enacted::Unknown(reason()),
            true,
        ),
    ];
    for (outcome, enacted, outstanding) in outcomes {
        let mut scene = Scene::new();
        scene.writer().outcome = outcome;
        assert_eq!(scene.scale(3).await, enacted);
        assert_eq!((scene.sent(), scene.outstanding()), (1, outstanding));
    }
}

/// The executor reads again for two seconds; a write takes up to fifteen.
#[tokio::test(start_paused = true)]
async fn a_write_that_might_end_after_the_lease_is_not_sent() {
    for (left, enacted, sent) in [
        (17_000, Enacted::Applied, 1),
        (16_999, Enacted::NoAuthority, 0),
    ] {
        let mut scene = Scene::new();
        scene.writer().re_read_takes = Duration::from_secs(2);
        let (tell, handle) = LeaseHandle::new();
        let until = scene.executor.clock.mono() + Duration::from_millis(left);
        tell.send_modify(|view| view.holding = Some(Holding { epoch: 1, until }));
        let Mode::Apply { authority, .. } = &mut scene.executor.mode else {
            unreachable!("the scene writes")
        };
        *authority = Authority::Lease(handle);
        scene.slot.with(|kept| kept.standing = Standing::Leading(1));
        assert_eq!(scene.scale(3).await, enacted, "{left}");
        assert_eq!((scene.sent(), scene.outstanding()), (sent, false));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_reconcile_that_was_cut_off_had_sent_is_unknown_from_then_on() {
    let scene = Scene::new();
    let write = Write::ScaleService {
        name: scene.service.clone(),
        from: 2,
        to: 3,
    };
    let sent = scene.executor.clock.now();
    let tuning = scene.executor.tuning;
    scene
        .slot
        .with(|kept| kept.memory.sending(&write, &tuning, sent));
    tokio::time::advance(Duration::from_secs(7)).await;
    let since = || {
        let outstanding = scene.slot.with(|kept| kept.memory.outstanding.clone());
        outstanding.expect("it has no answer").since
    };
    // A write of an earlier reconcile is none of this one's.
    let began_later = sent.mono + Duration::from_millis(1);
    scene.executor.abandoned(&scene.slot, began_later);
    assert_eq!(since(), sent.mono);
    scene.executor.abandoned(&scene.slot, sent.mono);
    assert_eq!(since(), scene.executor.clock.mono());
    assert_ne!(since(), sent.mono);
}

#[tokio::test(start_paused = true)]
async fn who_stands_by_reads_nothing_again_and_sends_nothing() {
    let mut scene = Scene::new();
    scene.writer().holds = Err(Changed::Unread {
        reason: "nobody asked".to_owned(),
    });
    scene.slot.with(|kept| kept.standing = Standing::Standby);
    assert_eq!(scene.scale(3).await, Enacted::Standby);
    assert_eq!((scene.sent(), scene.outstanding()), (0, false));
}

#[tokio::test(start_paused = true)]
async fn who_may_write_is_given_the_means_and_who_only_observes_is_not() {
    let mut scene = Scene::new();
    let limit = scene.executor.write_limit;
    let given = |scene: &Scene, begun| scene.executor.writer_within(begun, limit).is_some();
    assert!(given(&scene, Standing::Sole));
    assert!(!given(&scene, Standing::Standby));
    scene.executor.mode = Mode::ObserveOnly;
    assert!(!given(&scene, Standing::Sole));
}

/// Tests are run and messages told by who leads; a lease that nobody has seen leads nobody.
#[tokio::test(start_paused = true)]
async fn who_leads_runs_tests_and_tells_what_happened_and_nobody_else_does() {
    let mut scene = Scene::new();
    let given = |scene: &Scene| {
        let executor = &scene.executor;
        [executor.runner().is_some(), executor.teller().is_some()]
    };
    assert_eq!(given(&scene), [true, true]);
    let (tell, handle) = LeaseHandle::new();
    let Mode::Apply { authority, .. } = &mut scene.executor.mode else {
        unreachable!("the scene writes")
    };
    *authority = Authority::Lease(handle);
    assert_eq!(given(&scene), [false, false]);
    scene.executor.tuning.without = Without::rules(&[Rule::ToldByTheLeader]);
    assert_eq!(
        given(&scene),
        [false, true],
        "told twice: what the rule is for"
    );
    scene.executor.tuning.without = Without::default();
    let until = scene.executor.clock.mono() + Duration::from_secs(60);
    tell.send_modify(|view| view.holding = Some(Holding { epoch: 1, until }));
    assert_eq!(given(&scene), [true, true]);
    scene.executor.mode = Mode::ObserveOnly;
    assert_eq!(given(&scene), [false, false]);
}
