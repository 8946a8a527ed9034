//! With a group for each release, a side is whatever group holds it where the groups were read. Parts of the world that
//! show different moments are put together by ARN, as the wall to AWS puts them together.

use std::collections::BTreeMap;

use crd_schema::TargetGroupArn;
use planner::world::{Action, Group, Origin, OwnGroups, Service};
use planner::{Read, Side, Weights, World, Write};

/// Which group holds each side, by [`Side::index`].
pub(crate) type Holders = [Option<TargetGroupArn>; 2];

/// Who held the sides in a world that was read whole; none while the groups are not known.
pub(crate) fn holders(world: &World) -> Option<Holders> {
    let [a, b] = &world.groups;
    let arn = |group: &Option<Group>| group.as_ref().map(|group| group.arn.clone());
    Some([arn(a.value()?), arn(b.value()?)])
}

/// Rules that were read while `then` held the sides, as they are told where `now` holds them.
pub(crate) fn rules(world: &mut World, then: &Holders, now: &Holders) {
    if let Read::Known { value, .. } = &mut world.rules {
        for rule in value {
            rule.action = told(&rule.action, then, now);
        }
    }
}

/// What a rule does, told by other sides.
pub(crate) fn told(action: &Action, then: &Holders, now: &Holders) -> Action {
    let Action::Forward {
        weights,
        others,
        sticky,
    } = action
    else {
        return action.clone();
    };
    let named = then.iter().zip(weights);
    let named = named.filter_map(|(arn, weight)| Some((arn.clone()?, (*weight)?)));
    let mut next = [None; 2];
    let mut rest = Vec::new();
    for (arn, weight) in named.chain(others.iter().cloned()) {
        match now.iter().position(|held| held.as_ref() == Some(&arn)) {
            Some(side) => next[side] = Some(weight),
            None => rest.push((arn, weight)),
        }
    }
    Action::Forward {
        weights: next,
        others: rest,
        sticky: *sticky,
    }
}

/// The write as it is told where `now` holds the sides: one that lands late still means the groups that it named.
pub(crate) fn retold(write: &Write, now: &Holders) -> Write {
    let mut write = write.clone();
    if let Write::SetWeights {
        groups, weights, ..
    } = &mut write
        && groups != now
    {
        let action = Action::Forward {
            weights: weights.get(),
            others: Vec::new(),
            sticky: false,
        };
        let Action::Forward { weights: next, .. } = told(&action, groups, now) else {
            return write;
        };
        *groups = now.clone();
        *weights = Weights::new(next).unwrap_or(*weights);
    }
    write
}

/// Services on the sides of the groups that were read; `bound` has the group that each was created with.
pub(crate) fn services(world: &mut World, bound: &BTreeMap<String, TargetGroupArn>) {
    let (Some(now), Read::Known { value: own, .. }) = (holders(world), &world.own) else {
        return;
    };
    let templates = world.groups.iter().map(|group| {
        let group = group.value().and_then(Option::as_ref);
        group.is_some_and(|group| group.origin == Origin::Template)
    });
    let templates: Vec<bool> = templates.collect();
    let place = |service: &mut Service, own: &OwnGroups| {
        let Some(arn) = bound.get(&service.name) else {
            return;
        };
        let holds = |side: &Side| now[side.index()].as_ref() == Some(arn);
        let side = Side::BOTH.into_iter().find(holds);
        let exists = side.is_some() || own.spares.iter().any(|spare| spare.arn == *arn);
        service.side = side.filter(|side| !templates[side.index()]);
        service.group_gone = !exists;
    };
    if let Read::Known { value, .. } = &mut world.services {
        value.iter_mut().for_each(|service| place(service, own));
    }
}
