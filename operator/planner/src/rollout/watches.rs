//! Alarms and analyses: what speaks against a release takes it back at once; while one of them cannot tell, green gets no
//! more traffic and blue stays, at most until the stage's deadline.

use crd_schema::AnalysisName;
use crd_schema::analysis::{Analysis, Metric};
use crd_schema::record::Stage;
use crd_schema::strategy::Step;

use crate::ablation;
use crate::gate::Verdict;
use crate::release;
use crate::report::WaitingOn;
use crate::target::{Aim, Course, ToCreate};
use crate::view::{View, Vital};
use crate::watch::{About, Fronts, Watch, What};
use crate::world::{Group, Service, Side};

use super::deadline::{entered, late};
use super::decision::Decision;
use super::{rolling, worker};

/// What is to be watched now.
pub(crate) fn watches(view: &View<'_>, aim: &Aim<'_>) -> Vec<Watch> {
    if view.tuning.without(ablation::Rule::Watches) || waived(view, aim) {
        return Vec::new();
    }
    match aim {
        Aim::Create {
            what: ToCreate::Wanted,
            ..
        }
        | Aim::Update {
            what: ToCreate::Wanted,
            ..
        } => alarms(view, None).into_iter().collect(),
        Aim::Serve {
            service,
            course: Course::Forward,
        } if on_its_way(view) => alarms(view, Some(service))
            .into_iter()
            .chain(analyses(view, service))
            .collect(),
        Aim::Serve { .. }
        | Aim::Create { .. }
        | Aim::Update { .. }
        | Aim::MakeRoom { .. }
        | Aim::Nothing
        | Aim::Hold(_) => Vec::new(),
    }
}

/// Something speaks against the release that is on its way.
pub(crate) fn failed(view: &View<'_>, aim: &Aim<'_>) -> Option<Decision> {
    let stage = match aim {
        Aim::Serve { .. } => view.record().rollout.as_ref()?.stage,
        Aim::Create { .. } | Aim::Update { .. } => Stage::ScaleUp,
        Aim::MakeRoom { .. } | Aim::Nothing | Aim::Hold(_) => return None,
    };
    // Whether there is a way back is known first.
    let back = match view.in_place() {
        Some(service) => view.way_back(service).is_some(),
        None => others(view, aim).any(|other| view.alive(other)),
    };
    let mut failed = watches(view, aim).into_iter().filter_map(|watch| {
        let Some(Verdict::Failed { reason }) = verdict(view, &watch) else {
            return None;
        };
        let what = watch.name;
        Some(Decision::reject(stage, format!("{what}: {reason}")))
    });
    failed.next().filter(|_| back)
}

/// Nothing is created while it cannot be told that the alarms are quiet.
pub(super) fn before_start(view: &View<'_>, aim: &Aim<'_>) -> Option<Decision> {
    first_unclear(view, aim, Stage::ScaleUp)
}

/// Green gets no more, and blue stays, while one of them cannot tell.
pub(super) fn unclear(view: &View<'_>, green: &Service, stage: Stage) -> Option<Decision> {
    let aim = Aim::Serve {
        service: green,
        course: Course::Forward,
    };
    first_unclear(view, &aim, stage)
}

fn first_unclear(view: &View<'_>, aim: &Aim<'_>, stage: Stage) -> Option<Decision> {
    let mut watches = watches(view, aim).into_iter();
    watches.find_map(|watch| {
        let so_far = match verdict(view, &watch) {
            Some(Verdict::Passed) => return None,
            Some(Verdict::Failed { reason } | Verdict::Unclear { reason }) => reason.clone(),
            // This process has not looked yet.
            None => "it begins".to_owned(),
        };
        let what = watch.name;
        let cause = format!("{what}: {so_far}");
        let waiting = WaitingOn::Analysis { what, so_far };
        Some(late(view, stage, &cause).unwrap_or_else(|| Decision::wait(stage, waiting)))
    })
}

fn verdict<'a>(view: &'a View<'_>, watch: &Watch) -> Option<&'a Verdict> {
    view.world.verdicts.get(&watch.key)
}

/// Blue that nothing lives of is nothing to compare with and nothing to go back to: it never blocks what mends it.
fn waived(view: &View<'_>, aim: &Aim<'_>) -> bool {
    if let Some(service) = view.in_place() {
        let runs_it = matches!(aim, Aim::Serve { .. });
        return runs_it && view.way_back(service).is_none();
    }
    others(view, aim).all(|other| view.vital(other) == Vital::Dead)
}

/// Live services but green.
fn others<'a>(view: &View<'a>, aim: &Aim<'a>) -> impl Iterator<Item = &'a Service> {
    let green = match aim {
        Aim::Serve { service, .. } => Some(service.name.clone()),
        Aim::Create { .. }
        | Aim::Update { .. }
        | Aim::MakeRoom { .. }
        | Aim::Nothing
        | Aim::Hold(_) => None,
    };
    let live = view.live().into_iter();
    live.filter(move |service| Some(&service.name) != green.as_ref())
}

/// Blue may still have to take the traffic back.
fn on_its_way(view: &View<'_>) -> bool {
    let rollout = view.record().rollout.as_ref();
    rollout.is_some_and(|rollout| rollout.stage < Stage::CleanUp)
}

fn alarms(view: &View<'_>, green: Option<&Service>) -> Option<Watch> {
    let alarms = view.application.alarms.clone()?;
    // Of one that is updated in place it is its rollout that began, not the service.
    let began = || entered(view, Stage::ScaleUp);
    let begun = green.map(|service| match view.in_place() {
        Some(_) => began().unwrap_or(view.now.wall),
        None => service.created,
    });
    let what = What::Alarms { alarms, begun };
    watch(view, "alarms".to_owned(), what, green)
}

fn analyses(view: &View<'_>, green: &Service) -> Vec<Watch> {
    let Some(side) = green.side else {
        return Vec::new();
    };
    let all = view.application.analyses.iter();
    let due = all.filter(|(name, analysis)| match view.in_place() {
        Some(_) => rolling::arrived(view, green),
        None => is_due(view, side, name, analysis),
    });
    let watches = due.filter_map(|(name, analysis)| {
        let what = What::Analysis(analysis.clone());
        watch(view, format!("analysis {name}"), what, Some(green))
    });
    watches.collect()
}

/// It is measured while its step runs, or where no step names it always; a comparison while both have traffic.
fn is_due(view: &View<'_>, side: Side, name: &AnalysisName, analysis: &Analysis) -> bool {
    let compares = matches!(analysis.metric, Metric::Comparison { .. });
    let running = view.step().and_then(|(index, _)| {
        let steps = &view.application.strategy.steps;
        steps.get(index)
    });
    let here = matches!(running, Some(Step::Analysis(named)) if named == name);
    if analysis.in_a_step {
        return here;
    }
    if view.is_worker() {
        return worker::is_tested(view);
    }
    view.production_weight(side) > 0 && !(compares && view.all_on(side))
}

fn watch(view: &View<'_>, name: String, what: What, green: Option<&Service>) -> Option<Watch> {
    let wanted = view.wanted.as_ref()?;
    let side = green.and_then(|service| service.side);
    let service = green.map_or("", |service| service.name.as_str());
    let step = view.step().map(|(step, _)| step);
    let step = step.filter(|_| matches!(&what, What::Analysis(analysis) if analysis.in_a_step));
    let place = format!("{name} {service} {step:?}");
    let groups = |side: Option<Side>| {
        let group = side.and_then(|side| view.groups[side.index()]);
        group.map(Group::each).unwrap_or_default()
    };
    let mut others = view.live().into_iter();
    let blue = others.rfind(|other| other.name != service);
    let (green, blues) = (groups(side), groups(side.map(Side::other)));
    let fronts = (0..view.application.routes.len()).map(|route| Fronts {
        green: green.get(route).map(|group| group.arn.clone()),
        blue: blues.get(route).map(|group| group.arn.clone()),
        load_balancer: green
            .get(route)
            .and_then(|group| group.load_balancer.clone()),
    });
    let about = About {
        version: wanted.version.clone(),
        green_service: service.to_owned(),
        blue_service: blue.map_or_else(String::new, |blue| blue.name.clone()),
        routes: fronts.collect(),
    };
    Some(Watch {
        key: release::watch_key(view.application, &wanted.digest, wanted.generation, &place),
        name,
        what,
        about,
    })
}
