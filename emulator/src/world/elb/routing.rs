//! The way of one request: listener, rule, group, targets.

use std::net::{IpAddr, SocketAddrV4};

use crate::world::World;

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
    let _ = (world, node, listener_arn, head, dice);
    Route::NoListener
}
