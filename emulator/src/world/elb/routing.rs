//! The way of one request: listener, rule, group, targets.

use std::net::{IpAddr, SocketAddrV4};

use super::health::Health;
use super::propagation_ms;
use super::rule::{Compiled, Outcome, Redirect};
use super::target_group::{Target, TargetGroup};
use crate::world::{World, hash};

/// What routing looks at of a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// Method, upper case.
    pub method: &'a str,
    /// Path without query.
    pub path: &'a str,
    /// Host without port; empty when there is none.
    pub host: &'a str,
    /// Headers as (name, value); names in any case.
    pub headers: &'a [(&'a str, &'a str)],
    /// Query string without `?`; empty when there is none.
    pub query: &'a str,
    /// The client.
    pub source_ip: IpAddr,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// To a target group.
    Forward {
        /// The rule that matched.
        rule_arn: String,
        /// The group that was drawn.
        target_group_arn: String,
        /// The chosen target first, then the others that could serve (healthy ones, or all when none is: fail-open). Never empty.
        targets: Vec<SocketAddrV4>,
        /// Values of `Set-Cookie` headers to add to the response (stickiness).
        cookies: Vec<String>,
    },
    /// 503: the group has no registered target, or every weight is 0.
    Unavailable {
        /// The rule that matched.
        rule_arn: String,
        /// The group that was drawn; `None` when every weight is 0.
        target_group_arn: Option<String>,
    },
    /// A fixed response.
    Fixed {
        /// HTTP status.
        status: u16,
        /// `Content-Type`; empty: none.
        content_type: String,
        /// Body.
        body: String,
    },
    /// A redirect.
    Redirect {
        /// 301 or 302.
        status: u16,
        /// `Location`.
        location: String,
    },
    /// There is no such listener, or this node does not know it yet.
    NoListener,
}

/// The cookie of group stickiness.
const GROUP_COOKIE: &str = "AWSALBTG";
/// The cookie of target stickiness.
const TARGET_COOKIE: &str = "AWSALB";

/// Routes one request by the configuration that `node` (0 to [`crate::world::view::node_count`]) has adopted at
/// the world's present time. `dice` is any number: randomness is the caller's.
#[must_use]
pub fn route(
    world: &World,
    node: usize,
    listener_arn: &str,
    head: &RequestHead<'_>,
    dice: u64,
) -> Route {
    let Some(listener) = world.elb.listeners.get(listener_arn) else {
        return Route::NoListener;
    };
    let Some(rules) = listener.adopted(world, node) else {
        return Route::NoListener;
    };
    let Some(rule) = rules.iter().find(|rule| {
        rule.conditions
            .iter()
            .all(|condition| condition.holds(head))
    }) else {
        return Route::NoListener;
    };
    match &rule.outcome {
        Outcome::Forward {
            groups,
            sticky_seconds,
        } => forward(world, node, rule, groups, *sticky_seconds, head, dice),
        Outcome::Fixed {
            status,
            content_type,
            body,
        } => Route::Fixed {
            status: *status,
            content_type: content_type.clone(),
            body: body.clone(),
        },
        Outcome::Redirect(redirect) => Route::Redirect {
            status: redirect.status,
            location: location(redirect, &listener.protocol, listener.port, head),
        },
        Outcome::None => Route::NoListener,
    }
}

fn forward(
    world: &World,
    node: usize,
    rule: &Compiled,
    groups: &[(String, u32)],
    sticky_seconds: Option<u64>,
    head: &RequestHead<'_>,
    dice: u64,
) -> Route {
    let sticky = sticky_seconds.and_then(|_| {
        let wanted = cookie(world, head, GROUP_COOKIE)?;
        groups
            .iter()
            .map(|(arn, _)| arn)
            .find(|arn| hash::text(arn) == wanted && has_targets(world, node, arn))
    });
    let Some(arn) = sticky.or_else(|| draw(groups, dice)) else {
        return Route::Unavailable {
            rule_arn: rule.arn.clone(),
            target_group_arn: None,
        };
    };
    let unavailable = || Route::Unavailable {
        rule_arn: rule.arn.clone(),
        target_group_arn: Some(arn.clone()),
    };
    let Some(group) = world.elb.target_groups.get(arn) else {
        return unavailable();
    };
    let mut targets = serving(world, node, group);
    if targets.is_empty() {
        return unavailable();
    }
    let mut cookies = Vec::new();
    if let Some(seconds) = sticky_seconds
        && groups.len() > 1
    {
        cookies.push(set_cookie(world, GROUP_COOKIE, hash::text(arn), seconds));
    }
    let target_sticky = group.is_sticky()
        && group
            .attributes
            .get("stickiness.type")
            .is_some_and(|kind| kind == "lb_cookie");
    let kept = target_sticky
        .then(|| cookie(world, head, TARGET_COOKIE))
        .flatten()
        .and_then(|wanted| {
            targets
                .iter()
                .position(|target| hash::text(&target.to_string()) == wanted)
        });
    let chosen = kept.unwrap_or_else(|| choose(world, group, &targets, hash::mix(&[dice])));
    targets.swap(0, chosen);
    if target_sticky {
        let seconds = group.number("stickiness.lb_cookie.duration_seconds");
        cookies.push(set_cookie(
            world,
            TARGET_COOKIE,
            hash::text(&targets[0].to_string()),
            seconds,
        ));
    }
    Route::Forward {
        rule_arn: rule.arn.clone(),
        target_group_arn: arn.clone(),
        targets,
        cookies,
    }
}

/// Whether a group has a registered target; a cookie binds no longer than that.
fn has_targets(world: &World, node: usize, arn: &str) -> bool {
    let group = world.elb.target_groups.get(arn);
    group.is_some_and(|group| !serving(world, node, group).is_empty())
}

/// Draws a group by weight; none when all weights are 0.
fn draw(groups: &[(String, u32)], dice: u64) -> Option<&String> {
    let sum: u64 = groups.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let mut left = dice.checked_rem(sum)?;
    for (arn, weight) in groups {
        let weight = u64::from(*weight);
        if left < weight {
            return Some(arn);
        }
        left -= weight;
    }
    None
}

/// The targets of a group that this node sends requests to: the healthy ones, or all when none is (fail-open).
fn serving(world: &World, node: usize, group: &TargetGroup) -> Vec<SocketAddrV4> {
    let known = |target: &Target| {
        let registered =
            target.registered_at + propagation_ms(world, target.change, node) <= world.now;
        let draining = target.draining.as_ref().is_some_and(|draining| {
            draining.since + propagation_ms(world, draining.change, node) <= world.now
        });
        registered && !draining
    };
    let mut all = Vec::new();
    let mut healthy = Vec::new();
    for (address, target) in group.targets.iter().filter(|(_, target)| known(target)) {
        all.push(*address);
        if target.health == Health::Healthy {
            healthy.push(*address);
        }
    }
    if healthy.is_empty() { all } else { healthy }
}

/// Chooses among targets evenly; one in its slow start gets the share of a turn that its age has earned.
fn choose(world: &World, group: &TargetGroup, targets: &[SocketAddrV4], dice: u64) -> usize {
    let even = (dice % targets.len() as u64) as usize;
    let slow = world
        .settings
        .declared_ms(group.number("slow_start.duration_seconds"));
    if slow == 0 {
        return even;
    }
    let shares: Vec<f64> = targets
        .iter()
        .map(|address| {
            let age = group.targets.get(address).map_or(slow, |target| {
                world.now.saturating_sub(target.registered_at)
            });
            (age as f64 / slow as f64).clamp(0.01, 1.0)
        })
        .collect();
    let mut left = hash::share(dice) * shares.iter().sum::<f64>();
    for (index, share) in shares.iter().enumerate() {
        left -= share;
        if left < 0.0 {
            return index;
        }
    }
    even
}

/// `Set-Cookie` for `what`, which lasts `seconds` as declared.
fn set_cookie(world: &World, name: &str, what: u64, seconds: u64) -> String {
    let until = world.now + world.settings.declared_ms(seconds);
    format!("{name}={what:016x}.{until}; Max-Age={seconds}; Path=/")
}

/// What a cookie of ours stands for, unless it has expired.
fn cookie(world: &World, head: &RequestHead<'_>, name: &str) -> Option<u64> {
    head.headers
        .iter()
        .filter(|(header, _)| header.eq_ignore_ascii_case("cookie"))
        .flat_map(|(_, value)| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| *key == name)
        .filter_map(|(_, value)| value.split_once('.'))
        .find(|(_, until)| until.parse::<u64>().is_ok_and(|until| world.now < until))
        .and_then(|(what, _)| u64::from_str_radix(what, 16).ok())
}

fn location(redirect: &Redirect, protocol: &str, port: u16, head: &RequestHead<'_>) -> String {
    let fill = |template: &str| {
        template
            .replace("#{protocol}", protocol)
            .replace("#{host}", head.host)
            .replace("#{port}", &port.to_string())
            .replace("#{path}", head.path.trim_start_matches('/'))
            .replace("#{query}", head.query)
    };
    let protocol = fill(&redirect.protocol).to_lowercase();
    let query = fill(&redirect.query);
    let question = if query.is_empty() { "" } else { "?" };
    format!(
        "{protocol}://{}:{}{}{question}{query}",
        fill(&redirect.host),
        fill(&redirect.port),
        fill(&redirect.path)
    )
}
