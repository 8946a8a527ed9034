//! Several routes a service: what a side is when it has a target group of each of them.
//!
//! A task takes part with all its ports or not at all: it is as well as the route says that finds it worst. So everything
//! that decides by health, drain or room looks at one group a side, whatever the number of routes. What must not be
//! taken for dead while one route still answers is kept apart by route, in [`Member`].

use std::collections::BTreeMap;
use std::time::Duration;

use crate::view::resource;
use crate::world::{Group, Member, Target, TargetState};

/// The attribute that says how long requests in flight may take to end, in seconds.
const DEREGISTRATION: &str = "deregistration_delay.timeout_seconds";

/// The groups of one side, each with its route's container port and in the order of the routes, as one. `None` without a
/// group.
///
/// Its targets are tasks by their address on the first route. One that is not healthy in every group is not healthy; one
/// that drains in any drains; what is told of it is what the worst of them says, with that group's name. A target at
/// another port than its route's is nobody's task, and stays apart. All waits are the longest.
pub fn together(groups: Vec<(Group, u16)>) -> Option<Group> {
    let mut all = groups.iter();
    let (first, port) = all.next()?;
    if all.next().is_none() {
        return groups.into_iter().next().map(|(group, _)| group);
    }
    let delays = groups.iter().map(|(group, _)| group.deregistration_delay());
    let delay = delays.max().unwrap_or_default();
    let mut attributes = first.attributes.clone();
    attributes.insert(DEREGISTRATION.to_owned(), delay.as_secs().to_string());
    let intervals = groups.iter().map(|(group, _)| group.interval);
    let each = groups.iter().map(|(group, _)| group);
    let members = each.clone().map(|group| Member {
        arn: group.arn.clone(),
        load_balancer: group.load_balancer.clone(),
        by_address: group.by_address,
        sticky: group.sticky,
        answers: group.has_healthy(),
    });
    Some(Group {
        arn: first.arn.clone(),
        origin: first.origin.clone(),
        load_balancer: first.load_balancer.clone(),
        by_address: each.clone().all(|group| group.by_address),
        sticky: each.clone().any(|group| group.sticky),
        single_zone: each.clone().any(|group| group.single_zone),
        interval: intervals.max().unwrap_or(Duration::ZERO),
        attributes,
        targets: tasks(&groups, *port),
        members: members.collect(),
    })
}

/// What each group says of each task, by the task's address on the first route, whose port is `port`.
fn tasks(groups: &[(Group, u16)], port: u16) -> Vec<Target> {
    let mut seen: BTreeMap<String, Vec<Option<&Target>>> = BTreeMap::new();
    for (route, (group, own)) in groups.iter().enumerate() {
        for target in &group.targets {
            let task = match target.address.rsplit_once(':') {
                Some((ip, at)) if at.parse() == Ok(*own) => format!("{ip}:{port}"),
                Some(_) | None => format!("{} in {}", target.address, name(group)),
            };
            let told = seen.entry(task).or_insert_with(|| vec![None; groups.len()]);
            if let Some(told) = told.get_mut(route) {
                *told = Some(target);
            }
        }
    }
    let task = |(address, told): (String, Vec<Option<&Target>>)| {
        let zone = told.iter().flatten().find_map(|target| target.zone.clone());
        let says = told
            .iter()
            .zip(groups)
            .map(|(told, (group, _))| match told {
                Some(target) => (
                    target.state,
                    target
                        .reason
                        .as_ref()
                        .map(|reason| format!("{reason} ({})", name(group))),
                ),
                None => (
                    TargetState::Initial,
                    Some(format!("it is not registered ({})", name(group))),
                ),
            });
        let worst = says.reduce(|one, other| {
            if severity(other.0) > severity(one.0) {
                other
            } else {
                one
            }
        });
        let (state, reason) = worst?;
        Some(Target {
            address,
            zone,
            state,
            reason,
        })
    };
    seen.into_iter().filter_map(task).collect()
}

fn name(group: &Group) -> &str {
    resource(group.arn.as_str())
}

/// Which of two states counts for a task that has both: what leaves has left, then what fails.
fn severity(state: TargetState) -> u8 {
    match state {
        TargetState::Healthy => 0,
        TargetState::Initial => 1,
        TargetState::Unused => 2,
        TargetState::Unavailable => 3,
        TargetState::Unhealthy => 4,
        TargetState::Draining => 5,
    }
}

#[cfg(test)]
mod tests {
    use crd_schema::TargetGroupArn;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::world::Origin;

    const STATES: [TargetState; 6] = [
        TargetState::Initial,
        TargetState::Healthy,
        TargetState::Unhealthy,
        TargetState::Unused,
        TargetState::Draining,
        TargetState::Unavailable,
    ];

    fn group(route: usize, targets: Vec<Target>) -> Group {
        Group {
            arn: TargetGroupArn::new(format!("tg-{route}")),
            origin: Origin::Given,
            load_balancer: None,
            by_address: true,
            sticky: false,
            single_zone: false,
            interval: Duration::from_secs(5),
            attributes: BTreeMap::new(),
            targets,
            members: Vec::new(),
        }
    }

    fn target(ip: usize, port: u16, state: TargetState) -> Target {
        Target {
            address: format!("10.0.0.{ip}:{port}"),
            zone: None,
            state,
            reason: Some(format!("{state:?}")),
        }
    }

    fn by_seconds(mut group: Group, delay: u64, interval: u64) -> Group {
        let delay = delay.to_string();
        group.attributes.insert(DEREGISTRATION.to_owned(), delay);
        group.interval = Duration::from_secs(interval);
        group
    }

    #[test]
    fn one_route_is_as_it_was_read() {
        let only = group(0, vec![target(1, 8080, TargetState::Healthy)]);
        assert_eq!(together(vec![(only.clone(), 80)]), Some(only));
        assert_eq!(together(Vec::new()), None);
    }

    #[test]
    fn a_task_is_told_of_as_the_worst_group_tells() {
        let first = group(0, vec![target(1, 80, TargetState::Healthy)]);
        let second = |state| group(1, vec![target(1, 90, state)]);
        let both = |second| {
            let one = together(vec![(first.clone(), 80), (second, 90)]).unwrap();
            let [task] = one.targets.as_slice() else {
                panic!("{one:?}")
            };
            (task.address.clone(), task.state, task.reason.clone())
        };
        let told = |state, reason: &str| ("10.0.0.1:80".to_owned(), state, Some(reason.to_owned()));
        assert_eq!(
            both(second(TargetState::Unhealthy)),
            told(TargetState::Unhealthy, "Unhealthy (tg-1)")
        );
        assert_eq!(
            both(second(TargetState::Healthy)),
            told(TargetState::Healthy, "Healthy (tg-0)")
        );
        assert_eq!(
            both(group(1, Vec::new())),
            told(TargetState::Initial, "it is not registered (tg-1)")
        );
    }

    #[test]
    fn a_target_at_another_port_is_no_task_of_the_route() {
        let first = group(0, Vec::new());
        // Somebody registered it by hand, at the port of the first route.
        let second = group(1, vec![target(1, 80, TargetState::Healthy)]);
        let one = together(vec![(first, 80), (second, 90)]).unwrap();
        let [stray] = one.targets.as_slice() else {
            panic!("{one:?}")
        };
        assert_eq!(stray.address, "10.0.0.1:80 in tg-1");
        assert_ne!(stray.state, TargetState::Healthy);
        let answers: Vec<bool> = one.members.iter().map(|member| member.answers).collect();
        assert_eq!(answers, [false, true]);
    }

    #[test]
    fn waits_are_the_longest_and_what_one_group_lacks_all_lack() {
        let first = by_seconds(group(0, Vec::new()), 20, 30);
        let mut second = by_seconds(group(1, Vec::new()), 90, 10);
        (second.sticky, second.by_address, second.single_zone) = (true, false, true);
        let one = together(vec![(first, 80), (second, 90)]).unwrap();
        assert_eq!(one.deregistration_delay(), Duration::from_secs(90));
        assert_eq!(one.interval, Duration::from_secs(30));
        assert!(one.sticky && !one.by_address && one.single_zone);
        let arns: Vec<&str> = one.arns().map(TargetGroupArn::as_str).collect();
        assert_eq!(arns, ["tg-0", "tg-1"]);
        assert_eq!(one.of_route(1).map(TargetGroupArn::as_str), Some("tg-1"));
        assert_eq!(one.of_route(2), None);
    }

    proptest! {
        /// Ports may be the same: one container behind two load balancers.
        #[test]
        fn healthy_is_what_is_healthy_on_every_route(
            ports in vec(80u16..83, 1..=5),
            tasks in vec(vec(0usize..7, 5), 0..6),
        ) {
            let state = |task: usize, route: usize| STATES.get(tasks[task][route]).copied();
            let groups: Vec<(Group, u16)> = ports.iter().enumerate().map(|(route, port)| {
                let targets = (0..tasks.len()).filter_map(|task| Some(target(task, *port, state(task, route)?)));
                (group(route, targets.collect()), *port)
            }).collect();
            let one = together(groups).unwrap();
            for task in 0..tasks.len() {
                let states: Vec<Option<TargetState>> = (0..ports.len()).map(|route| state(task, route)).collect();
                let address = format!("10.0.0.{task}:{}", ports[0]);
                let found: Vec<&Target> = one.targets.iter().filter(|target| target.address == address).collect();
                let registered = states.iter().any(Option::is_some);
                prop_assert_eq!(found.len(), usize::from(registered));
                let Some(found) = found.first() else { continue };
                let all = states.iter().all(|state| *state == Some(TargetState::Healthy));
                prop_assert_eq!(found.state == TargetState::Healthy, all);
                let drains = states.contains(&Some(TargetState::Draining));
                prop_assert_eq!(found.state == TargetState::Draining, drains);
            }
            prop_assert!(one.targets.len() <= tasks.len());
        }
    }
}
