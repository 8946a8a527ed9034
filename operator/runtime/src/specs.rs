//! From spec parameters as found to specs in force; and who claims what. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crd_schema::application::RuleTarget;
use crd_schema::{Application, ApplicationName};

use crate::cloud::FoundSpec;
use crate::slot::Spec;

/// The first look at a spec.
pub(crate) fn first(found: &FoundSpec) -> Spec {
    let (application, problem) = match load(found) {
        Ok(application) => (Some(application), None),
        Err(problem) => (None, Some(problem)),
    };
    Spec {
        application,
        problem,
        generation: found.generation,
        present: true,
        conflicts: Vec::new(),
        wish: None,
        read_for: None,
    }
}

/// Another look. A good spec comes into force; while it is bad the last good one stays. An older write than the one
/// that is known is a stale read. Returns whether anything changed.
pub(crate) fn again(spec: &mut Spec, found: &FoundSpec) -> bool {
    let back = !std::mem::replace(&mut spec.present, true);
    if found.generation <= spec.generation {
        return back;
    }
    spec.generation = found.generation;
    match load(found) {
        Ok(application) => {
            spec.application = Some(application);
            spec.problem = None;
        }
        Err(problem) => spec.problem = Some(problem),
    }
    true
}

fn load(found: &FoundSpec) -> Result<Arc<Application>, String> {
    let text = found.text.as_ref().map_err(Clone::clone)?;
    let application = crd_schema::spec::load(text, found.name.as_str()).map_err(|invalid| {
        let problems = invalid.problems.iter().map(|problem| {
            let place = format!("line {}, column {}", problem.line, problem.column);
            let path = match problem.path.as_str() {
                "" => String::new(),
                path => format!("{path}: "),
            };
            format!("{place}: {path}found {}: {}", problem.found, problem.right)
        });
        problems.collect::<Vec<_>>().join("; ")
    })?;
    if application.name != found.name {
        return Err(format!(
            "metadata.name is {}, and the parameter's path says {}: write the path's name, or move the spec to the path of its name",
            application.name, found.name
        ));
    }
    Ok(Arc::new(application))
}

/// For each application, what another one claims as well, in words. Both sides hold.
pub(crate) fn conflicts<'a>(
    applications: impl Iterator<Item = &'a Application>,
) -> BTreeMap<ApplicationName, Vec<String>> {
    let mut claims: BTreeMap<&str, (&str, BTreeSet<&ApplicationName>)> = BTreeMap::new();
    for application in applications {
        for (claim, kind) in claimed(application) {
            claims
                .entry(claim)
                .or_insert((kind, BTreeSet::new()))
                .1
                .insert(&application.name);
        }
    }
    let mut conflicts: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for (claim, (kind, names)) in claims.iter().filter(|(_, (_, names))| names.len() > 1) {
        for name in names {
            let others: Vec<_> = names
                .iter()
                .filter(|other| other != &name)
                .map(|other| other.as_str())
                .collect();
            let words = format!("{kind} {claim} is claimed by {} too", others.join(", "));
            conflicts.entry((*name).clone()).or_default().push(words);
        }
    }
    conflicts
}

fn claimed(application: &Application) -> impl Iterator<Item = (&str, &'static str)> {
    // A template is only read: several applications may share it.
    let groups = application.routes.iter();
    let groups = groups.flat_map(|route| route.groups.for_life()).flatten();
    let groups = groups.map(|group| (group.as_str(), "target group"));
    let rules = application
        .production()
        .chain(application.test())
        .map(|target| match target {
            RuleTarget::Listener(listener) => (listener.as_str(), "the default rule of listener"),
            RuleTarget::Rule(rule) => (rule.as_str(), "rule"),
        });
    groups.chain(rules)
}

#[cfg(test)]
mod tests {
    use crd_schema::{ListenerArn, TargetGroupArn};
    use planner::lab::{application, two_routes};

    use super::*;

    #[test]
    fn the_groups_and_rules_of_every_route_are_claimed() {
        let both = two_routes();
        let mut other = application();
        other.name = ApplicationName::new("thief");
        let groups = ["tg-admin-b", "tg-own"].map(TargetGroupArn::new);
        other.routes[0].groups = crd_schema::application::TargetGroups::Pair(groups);
        other.routes[0].production = vec![RuleTarget::Listener(ListenerArn::new("listener-8443"))];
        other.routes[0].test = Vec::new();
        let found = conflicts([&both, &other].into_iter());
        assert_eq!(
            found[&both.name],
            [
                "the default rule of listener listener-8443 is claimed by thief too",
                "target group tg-admin-b is claimed by thief too",
            ]
        );
    }
}
