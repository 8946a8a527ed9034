//! The stages that lead to the aim, one write at a time. What is live decides; the record only tells times.

use std::time::Duration;

use crd_schema::application::Drift;
use crd_schema::record::Stage;
use jiff::Timestamp;

use crate::memory::weight;
use crate::release::{self, NewService, Wanted};
use crate::report::{Hold, WaitingOn};
use crate::target::{Aim, Course, ToCreate};
use crate::time::{Mono, instant_after};
use crate::view::{View, Vital, runs, weights};
use crate::world::{Base, Role, Rule, Service, ServiceStatus, Side, TargetState};
use crate::write::{Weights, Write};

/// What one reconcile comes to, before the record is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decision {
    /// Where the rollout stands.
    pub(crate) stage: Stage,
    /// The next write.
    pub(crate) write: Option<Write>,
    /// What is waited for when there is none.
    pub(crate) waiting: WaitingOn,
    /// When the wait ends, on this process's clock.
    pub(crate) until: Option<Mono>,
    /// The desired generation fails, for this reason.
    pub(crate) reject: Option<String>,
}

impl Decision {
    pub(crate) fn wait(stage: Stage, waiting: WaitingOn) -> Self {
        Self { stage, write: None, waiting, until: None, reject: None }
    }

    fn wait_until(stage: Stage, waiting: WaitingOn, until: Option<Mono>) -> Self {
        Self { until, ..Self::wait(stage, waiting) }
    }

    pub(crate) fn act(stage: Stage, write: Write) -> Self {
        Self { write: Some(write), ..Self::wait(stage, WaitingOn::OwnStep) }
    }

    pub(crate) fn hold(stage: Stage, hold: Hold) -> Self {
        Self::wait(stage, WaitingOn::Hold(hold))
    }

    fn reject(stage: Stage, reason: String) -> Self {
        Self { reject: Some(reason), ..Self::wait(stage, WaitingOn::OwnStep) }
    }
}

/// Dead traffic goes to what lives, whatever the marks say: comes before everything else.
pub(crate) fn repair(view: &View<'_>) -> Option<Decision> {
    let rescue = |side: Side| view.live_on(side).into_iter().find(|service| view.alive(service));
    for rule in view.production() {
        let Some(read) = weights(rule) else { continue };
        if let Some(decision) = raise_from_nothing(view, rule, read) {
            return Some(decision);
        }
        for side in Side::BOTH {
            let dead = side.other();
            let carries = |side: Side| read[side.index()].is_some_and(|w| w > 0);
            if !carries(dead) || view.group_vital(dead) != Vital::Dead {
                continue;
            }
            let Some(rescuer) = rescue(side) else { continue };
            if let Some(decision) = reject_the_dead(view, dead) {
                return Some(decision);
            }
            // A living side that has weight keeps its number: only the dead one's goes away.
            let mut next = [Some(0); 2];
            next[side.index()] = if carries(side) { read[side.index()] } else { Some(100) };
            let write = set_weights(view, rule, Weights::new(next)?, rescuer, 1)?;
            let stage = view.record().rollout.as_ref().map_or(Stage::Settled, |_| Stage::RollBack);
            return Some(Decision::act(stage, write));
        }
    }
    None
}

/// A rule that gives nobody weight: to a living service, the wish's first.
fn raise_from_nothing(view: &View<'_>, rule: &Rule, read: [Option<u32>; 2]) -> Option<Decision> {
    if read.iter().flatten().any(|w| *w > 0) {
        return None;
    }
    let wished = |service: &Service| {
        view.wanted.as_ref().is_some_and(|w| runs(service, &w.digest) && view.rejection(w.generation).is_none())
    };
    let living = view.live().into_iter().filter(|service| view.alive(service));
    let rescuer = living.max_by_key(|service| (wished(service), view.healthy(service)))?;
    let write = set_weights(view, rule, Weights::all_to(rescuer.side?), rescuer, 1)?;
    Some(Decision::act(recorded_stage(view), write))
}

/// A service that carries production traffic and was scaled to zero by someone comes back.
fn revive(view: &View<'_>, stage: Stage) -> Option<Decision> {
    let asleep = view.live().into_iter().find(|service| {
        service.desired == 0 && service.side.is_some_and(|side| view.production_weight(side) > 0)
    })?;
    let to = view.reference(None);
    Some(Decision::act(stage, Write::ScaleService { name: asleep.name.clone(), from: 0, to }))
}

/// The dead side carries the wish in the middle of its rollout: it is rejected first, unless somebody scaled it to
/// zero, or the record cannot be written (then traffic comes first).
fn reject_the_dead(view: &View<'_>, dead: Side) -> Option<Decision> {
    let wanted = view.wanted.as_ref()?;
    let rollout = view.record().rollout.as_ref()?;
    let service = view.live_on(dead).into_iter().find(|service| runs(service, &wanted.digest))?;
    let failed = rollout.release.generation == wanted.generation
        && service.desired > 0
        && view.rejection(wanted.generation).is_none()
        && !view.memory.record_refused;
    failed.then(|| {
        let reason = format!("no healthy target while it had traffic: {}", trouble(view, service));
        Decision::reject(rollout.stage, reason)
    })
}

/// The next step towards the aim.
pub(crate) fn towards(view: &View<'_>, aim: &Aim<'_>) -> Decision {
    match aim {
        Aim::Hold(hold) => Decision::hold(recorded_stage(view), hold.clone()),
        Aim::MakeRoom { what } => {
            Decision::wait(recorded_stage(view), WaitingOn::OldServiceGone { what: what.clone() })
        }
        Aim::Create { what, side } => {
            let stage = match what {
                ToCreate::Wanted => Stage::ScaleUp,
                ToCreate::LastGood => Stage::RollBack,
            };
            revive(view, stage).unwrap_or_else(|| create(view, what.clone(), *side, stage))
        }
        Aim::Serve { service, course } => serve(view, service, *course),
    }
}

fn recorded_stage(view: &View<'_>) -> Stage {
    view.record().rollout.as_ref().map_or(Stage::Settled, |rollout| rollout.stage)
}

/// Groups referenced, task definition registered, service created: in this order.
fn create(view: &View<'_>, what: ToCreate, side: Side, stage: Stage) -> Decision {
    if let Some(write) = leave_weight(view, side).or_else(|| reference(view, side)) {
        return Decision::act(stage, write);
    }
    let Some(release) = to_run(view, what) else {
        return Decision::hold(stage, Hold::DesiredMissing);
    };
    let blue = view.live_on(side.other()).into_iter().next_back();
    let task_definition = match &release.task_definition {
        Some(known) => known.clone(),
        None => {
            let revisions = view.world.revisions.value().map(Vec::as_slice).unwrap_or_default();
            match revisions.iter().find(|r| r.digest.as_deref() == Some(release.wanted.digest.as_str())) {
                Some(found) => found.arn.clone(),
                None => return register(view, &release.wanted),
            }
        }
    };
    let created = view.record().created;
    let Wanted { digest, version, generation, .. } = &release.wanted;
    let name = release::service_name(view.application, version, digest, *generation, created);
    let new = NewService {
        name: &name,
        task_definition: &task_definition,
        side,
        count: view.reference(blue),
        digest,
        version,
        generation: *generation,
        blue: blue.map(|service| service.name.as_str()),
    };
    let body = release::service(view.application, &new);
    Decision::act(stage, Write::CreateService { name: name.clone(), side, body })
}

struct ToRun {
    wanted: Wanted,
    task_definition: Option<String>,
}

fn to_run(view: &View<'_>, what: ToCreate) -> Option<ToRun> {
    match what {
        ToCreate::Wanted => Some(ToRun { wanted: view.wanted.clone()?, task_definition: None }),
        ToCreate::LastGood => {
            let good = view.record().last_good.as_ref()?;
            let wanted = Wanted {
                digest: good.digest.clone(),
                version: good.version.clone(),
                generation: good.generation,
                images: Default::default(),
            };
            Some(ToRun { wanted, task_definition: good.task_definition.clone() })
        }
    }
}

fn register(view: &View<'_>, wanted: &Wanted) -> Decision {
    let stage = Stage::ScaleUp;
    let unread = |what: &str| Decision::wait(stage, WaitingOn::Observation { what: what.to_owned() });
    if view.world.revisions.value().is_none() {
        return unread("the application's task definitions");
    }
    let Some(base) = view.world.base.value() else {
        return unread("the base task definition");
    };
    let rendered = match base {
        Base::Found { revision, definition } => {
            release::task_definition(view.application, revision, definition, wanted)
        }
        Base::Missing { asked } => Err(format!(
            "base task definition {asked} does not exist: register it (aws ecs register-task-definition)"
        )),
    };
    match rendered {
        Ok(body) => Decision::act(stage, Write::RegisterTaskDefinition { digest: wanted.digest.clone(), body }),
        Err(what) => Decision::hold(recorded_stage(view), Hold::BaseUnusable { what }),
    }
}

/// Beside a living or half-dead service, a new one never starts on a group that has weight: the empty group's weight
/// goes first, the other's number stays.
fn leave_weight(view: &View<'_>, side: Side) -> Option<Write> {
    if view.live_on(side.other()).is_empty() {
        return None;
    }
    view.production().find_map(|rule| {
        let read = weights(rule)?;
        let mut next = read;
        next[side.index()] = Some(0);
        (weight(rule, side) > 0).then(|| Weights::new(next)).flatten().map(|weights| plain(rule, read, weights))
    })
}

/// ECS accepts a service only on a group that a rule names: weight 0 is enough.
fn reference(view: &View<'_>, side: Side) -> Option<Write> {
    view.production().find_map(|rule| {
        let read = weights(rule)?;
        let mut next = read;
        next[side.index()] = Some(0);
        read[side.index()].is_none().then(|| Weights::new(next)).flatten().map(|weights| plain(rule, read, weights))
    })
}

/// A weight write that raises nothing.
fn plain(rule: &Rule, seen: [Option<u32>; 2], weights: Weights) -> Write {
    Write::SetWeights { rule: rule.target.clone(), seen, weights, evidence: Vec::new() }
}

fn set_weights(view: &View<'_>, rule: &Rule, weights: Weights, service: &Service, need: u32) -> Option<Write> {
    let seen = crate::view::weights(rule)?;
    let evidence = view.evidence(service, need)?;
    Some(Write::SetWeights { rule: rule.target.clone(), seen, weights, evidence: vec![evidence] })
}

/// A live service comes to serve alone.
fn serve(view: &View<'_>, service: &Service, course: Course) -> Decision {
    let Some(side) = service.side else {
        return Decision::hold(recorded_stage(view), Hold::ServiceElsewhere { service: service.name.clone() });
    };
    let others: Vec<&Service> = view.live().into_iter().filter(|s| s.name != service.name).collect();
    let alone = others.is_empty() && !leftovers(view, side.other());
    let in_motion = view.record().rollout.is_some();
    if alone && view.all_on(side) && !in_motion {
        return settled(view, service, side);
    }
    if let Some(decision) = stray(view, service, side, &others) {
        return decision;
    }
    if service.desired > 0 {
        if let Some(decision) = revive(view, stage_so_far(view, course)) {
            return decision;
        }
    }
    let blue = others.iter().find(|s| s.side != Some(side)).copied();
    let reference = match course {
        Course::Forward => view.reference(blue),
        Course::Finish if view.all_on(side) => service.desired.max(1),
        Course::Back | Course::Finish => view.reference(Some(service)).max(view.reference(None)),
    };
    if service.desired < reference {
        let write = Write::ScaleService { name: service.name.clone(), from: service.desired, to: reference };
        return Decision::act(stage_so_far(view, course), write);
    }
    if course != Course::Forward {
        return back(view, service, side, course, reference, &others);
    }
    forward(view, service, side, reference, &others)
}

fn stage_so_far(view: &View<'_>, course: Course) -> Stage {
    match course {
        Course::Forward => view.record().rollout.as_ref().map_or(Stage::ScaleUp, |rollout| rollout.stage),
        Course::Back => Stage::RollBack,
        Course::Finish => Stage::CleanUp,
    }
}

/// Another live service shares the aim's group.
fn stray(view: &View<'_>, service: &Service, side: Side, others: &[&Service]) -> Option<Decision> {
    let stray = others.iter().find(|other| other.side == Some(side))?;
    let stage = stage_so_far(view, Course::Forward);
    if view.nothing_on(side) {
        return Some(remove(view, stray, stage, Duration::ZERO));
    }
    let services = format!("{} and {}", service.name, stray.name);
    Some(Decision::hold(stage, Hold::SharedGroup { services }))
}

fn forward(view: &View<'_>, service: &Service, side: Side, reference: u32, others: &[&Service]) -> Decision {
    let everything = view.all_on(side);
    let anything = view.production_weight(side) > 0;
    let ready = capacity(view, service, side, reference);
    let only_one = others.is_empty() && !leftovers(view, side.other());
    if !everything || only_one {
        if let Some(waiting) = ready {
            let stage = if anything && !only_one { Stage::Shift } else { Stage::ScaleUp };
            return overdue(view, stage, service).unwrap_or_else(|| Decision::wait(stage, waiting));
        }
    }
    if let Some(write) = test_follows(view, side) {
        let stage = if everything { stage_so_far(view, Course::Forward) } else { Stage::Validate };
        return overdue(view, Stage::Validate, service).unwrap_or_else(|| Decision::act(stage, write));
    }
    if !everything {
        return shift(view, service, side, reference);
    }
    if only_one {
        return arrived(view, side, Stage::Shift);
    }
    after_shift(view, service, side, others)
}

/// What green still lacks before traffic may move to it.
fn capacity(view: &View<'_>, service: &Service, side: Side, reference: u32) -> Option<WaitingOn> {
    if service.running < reference {
        return Some(WaitingOn::Tasks { running: service.running, need: reference });
    }
    let healthy = view.healthy(service).unwrap_or(0);
    let missing = !view.zones_missing(side).is_empty();
    (healthy < reference || !service.steady || missing).then_some(WaitingOn::HealthyTargets { healthy, need: reference })
}

fn shift(view: &View<'_>, service: &Service, side: Side, reference: u32) -> Decision {
    let stage = Stage::Shift;
    if let Some(decision) = overdue(view, stage, service) {
        return decision;
    }
    let unshifted = view.production().find(|rule| weight(rule, side) == 0 || weight(rule, side.other()) > 0);
    let write = unshifted.and_then(|rule| {
        let need = if view.outage(rule) { 1 } else { reference };
        set_weights(view, rule, Weights::all_to(side), service, need)
    });
    let waiting = WaitingOn::HealthyTargets { healthy: view.healthy(service).unwrap_or(0), need: reference };
    write.map_or_else(|| Decision::wait(stage, waiting), |write| Decision::act(stage, write))
}

/// Everything is on green: settle, bake, clean up.
fn after_shift(view: &View<'_>, service: &Service, side: Side, others: &[&Service]) -> Decision {
    let application = view.application;
    let entered = |stage: Stage| entered(view, stage);
    let blue_leaves = others.iter().all(|other| other.desired == 0);
    if entered(Stage::CleanUp).is_some() || blue_leaves {
        return clean_up(view, others, side, Stage::CleanUp, application.clean_up.keep_blue);
    }
    let Some(began) = entered(Stage::Bake) else {
        let quiet = view.quiet_at(side.other(), application.clean_up.settle);
        return if view.is_past(quiet) {
            Decision::wait(Stage::Bake, WaitingOn::BakeTime)
        } else {
            Decision::wait_until(Stage::Shift, WaitingOn::Settle, quiet)
        };
    };
    let baked = view.now.elapsed_since(began);
    if let Some(left) = application.bake_time.checked_sub(baked).filter(|left| !left.is_zero()) {
        return Decision::wait_until(Stage::Bake, WaitingOn::BakeTime, Some(view.now.mono + left));
    }
    let need = view.reference(others.iter().find(|s| s.side != Some(side)).copied());
    match capacity(view, service, side, need.min(service.desired)) {
        Some(waiting) => overdue(view, Stage::Bake, service).unwrap_or_else(|| Decision::wait(Stage::Bake, waiting)),
        None => Decision::wait(Stage::CleanUp, WaitingOn::OwnStep),
    }
}

/// Back to what served, as far as its capacity carries; then the other one goes.
fn back(
    view: &View<'_>,
    service: &Service,
    side: Side,
    course: Course,
    reference: u32,
    others: &[&Service],
) -> Decision {
    let stage = stage_so_far(view, course);
    if !view.all_on(side) {
        let healthy = view.healthy(service).unwrap_or(0);
        let write = view.production().find_map(|rule| {
            let all = if view.outage(rule) { 1 } else { reference };
            let percent = if healthy >= all { 100 } else { healthy * 100 / reference.max(1) };
            if share(rule, side) >= percent {
                return None;
            }
            let (next, need) = match percent {
                100 => (Weights::all_to(side), all),
                part => (Weights::split(side, part), (reference * part).div_ceil(100)),
            };
            set_weights(view, rule, next, service, need)
        });
        let waiting = WaitingOn::HealthyTargets { healthy, need: reference };
        return write.map_or_else(|| Decision::wait(stage, waiting), |write| Decision::act(stage, write));
    }
    if let Some(write) = test_follows(view, side) {
        return Decision::act(stage, write);
    }
    if let Some(write) = mark_rejected(view, service) {
        return Decision::act(stage, write);
    }
    if others.is_empty() && !leftovers(view, side.other()) {
        return arrived(view, side, stage);
    }
    clean_up(view, others, side, stage, Duration::ZERO)
}

/// Before failed green goes, its rejection also stands as a tag on what serves: either suffices.
fn mark_rejected(view: &View<'_>, service: &Service) -> Option<Write> {
    let generation = view.wanted.as_ref()?.generation;
    view.rejection(generation)?;
    (service.tags.rejected != Some(generation)).then(|| Write::TagService {
        name: service.name.clone(),
        arn: service.arn.clone(),
        key: release::TAG_REJECTED.to_owned(),
        value: release::show(generation),
    })
}

/// Alone and with all weights: once the nodes had time to adopt them, settled.
fn arrived(view: &View<'_>, side: Side, stage: Stage) -> Decision {
    let quiet = view.quiet_at(side.other(), view.application.clean_up.settle);
    if view.is_past(quiet) { retire(view, Stage::Settled) } else { Decision::wait_until(stage, WaitingOn::Settle, quiet) }
}

/// The test rules have one group at a time: the one that is tested, or else the one that serves.
fn test_follows(view: &View<'_>, side: Side) -> Option<Write> {
    view.rules.iter().filter(|rule| rule.role == Role::Test).find_map(|rule| {
        let read = weights(rule)?;
        let on_it = weight(rule, side) > 0 && weight(rule, side.other()) == 0;
        (!on_it).then(|| plain(rule, read, Weights::only(side)))
    })
}

/// Removes every other service and waits until nothing of it is left.
fn clean_up(view: &View<'_>, others: &[&Service], side: Side, stage: Stage, keep: Duration) -> Decision {
    if let Some(other) = others.first() {
        return remove(view, other, stage, keep);
    }
    let draining = view.services.iter().find(|s| s.tags.ours && s.status == ServiceStatus::Draining);
    if let Some(service) = draining {
        return Decision::wait(stage, WaitingOn::Deletion { service: service.name.clone() });
    }
    if leftovers(view, side.other()) {
        return Decision::wait(stage, WaitingOn::Drain { service: "targets without a service".to_owned() });
    }
    retire(view, stage)
}

/// Weight 0 on every rule → settle → keep → scale to 0 → nothing runs and nothing is registered → delete.
fn remove(view: &View<'_>, service: &Service, stage: Stage, keep: Duration) -> Decision {
    let Some(side) = service.side else {
        return Decision::hold(stage, Hold::ServiceElsewhere { service: service.name.clone() });
    };
    let quiet = view.quiet_at(side, view.application.clean_up.settle);
    if !view.is_past(quiet) {
        return Decision::wait_until(stage, WaitingOn::Settle, quiet);
    }
    let kept = view.quiet_at(side, view.application.clean_up.settle + keep);
    if !view.is_past(kept) {
        return Decision::wait_until(stage, WaitingOn::KeepBlue, kept);
    }
    if service.desired > 0 {
        let write = Write::ScaleService { name: service.name.clone(), from: service.desired, to: 0 };
        return Decision::act(stage, write);
    }
    let shared = view.live_on(side).len() > 1;
    let targets = &view.groups[side.index()].targets;
    let registered = targets.iter().any(|t| !shared || t.state == TargetState::Draining);
    if service.running > 0 || service.pending > 0 || registered {
        return Decision::wait(stage, WaitingOn::Drain { service: service.name.clone() });
    }
    Decision::act(stage, Write::DeleteService { name: service.name.clone() })
}

/// A service that is being deleted, or targets that still drain, on a side without a live service.
fn leftovers(view: &View<'_>, side: Side) -> bool {
    let deleted = view.services.iter().any(|s| s.tags.ours && s.status == ServiceStatus::Draining);
    let draining = view.groups[side.index()].targets.iter().any(|t| t.state == TargetState::Draining);
    deleted || draining
}

/// Old revisions of our family go, all but the newest few and those in use.
fn retire(view: &View<'_>, stage: Stage) -> Decision {
    let revisions = view.world.revisions.value().map(Vec::as_slice).unwrap_or_default();
    let used = |arn: &str| {
        let good = view.record().last_good.as_ref().and_then(|good| good.task_definition.as_deref());
        good == Some(arn) || view.services.iter().any(|s| s.task_definition == arn)
    };
    match revisions.iter().skip(view.tuning.keep_revisions.max(2)).find(|revision| !used(&revision.arn)) {
        Some(old) => Decision::act(stage_before_settled(view, stage), Write::DeregisterTaskDefinition { arn: old.arn.clone() }),
        None => Decision::wait(Stage::Settled, WaitingOn::Nothing),
    }
}

fn stage_before_settled(view: &View<'_>, stage: Stage) -> Stage {
    if stage == Stage::Settled { recorded_stage(view) } else { stage }
}

/// Nothing is on its way: what somebody else changed is put back, or reported.
fn settled(view: &View<'_>, service: &Service, side: Side) -> Decision {
    let stage = Stage::Settled;
    if service.desired == 0 {
        let to = view.reference(None);
        let write = Write::ScaleService { name: service.name.clone(), from: 0, to };
        return heal(view, write, format!("service {} was scaled to 0", service.name));
    }
    if let Some(write) = test_follows(view, side) {
        return heal(view, write, "a test rule does not follow the group that serves".to_owned());
    }
    if view.vital(service) == Vital::Dead && view.group_vital(side) == Vital::Dead {
        return Decision::hold(stage, Hold::NothingAlive);
    }
    retire(view, stage)
}

fn heal(view: &View<'_>, write: Write, what: String) -> Decision {
    match view.application.drift {
        Drift::Heal => Decision::act(Stage::Settled, write),
        Drift::Hold => Decision::hold(Stage::Settled, Hold::DriftHeld { what }),
    }
}

/// The share of `rule`'s requests that goes to `side`, in percent, rounded down.
fn share(rule: &Rule, side: Side) -> u32 {
    let (own, other) = (weight(rule, side), weight(rule, side.other()));
    (own * 100).checked_div(own + other).unwrap_or(0)
}

fn entered(view: &View<'_>, stage: Stage) -> Option<Timestamp> {
    let wanted = view.wanted.as_ref()?;
    let rollout = view.record().rollout.as_ref()?;
    let this = rollout.release.digest == wanted.digest && rollout.release.generation == wanted.generation;
    this.then(|| rollout.entered.get(&stage).copied()).flatten()
}

/// When this stage fails: its first entry plus its deadline. CleanUp and RollBack are only reported late.
pub(crate) fn deadline(view: &View<'_>, stage: Stage) -> Option<Timestamp> {
    let deadlines = &view.application.deadlines;
    let limit = match stage {
        Stage::ScaleUp => deadlines.scale_up,
        Stage::Validate => deadlines.validate,
        Stage::Shift => deadlines.shift,
        Stage::Bake => view.application.bake_time + deadlines.scale_up,
        Stage::CleanUp => deadlines.clean_up,
        Stage::RollBack => deadlines.shift.saturating_add(deadlines.clean_up),
        Stage::Settled => return None,
    };
    let began = view.record().rollout.as_ref()?.entered.get(&stage)?;
    Some(instant_after(*began, limit))
}

/// The stage's deadline has passed, or ECS itself gave up: the wish fails, with the cause that can be seen.
fn overdue(view: &View<'_>, stage: Stage, service: &Service) -> Option<Decision> {
    entered(view, stage)?;
    let past = deadline(view, stage).is_some_and(|deadline| view.now.wall >= deadline);
    let gave_up = service.deployment_failed && stage == Stage::ScaleUp;
    let why = if gave_up {
        "ECS's deployment circuit breaker gave up".to_owned()
    } else {
        format!("{} did not end before its deadline", stage.as_str())
    };
    (past || gave_up).then(|| Decision::reject(stage, format!("{why}: {}", trouble(view, service))))
}

/// The cause that can be seen, as AWS tells it.
fn trouble(view: &View<'_>, service: &Service) -> String {
    let side = service.side.map_or(0, Side::index);
    let target = view.groups[side].targets.iter().find_map(|t| t.reason.clone());
    let counts = || format!("{} of {} tasks run, {} healthy", service.running, service.desired, view.healthy_now(service));
    service.trouble.clone().or(target).unwrap_or_else(counts)
}

