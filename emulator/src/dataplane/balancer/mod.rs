//! The load balancer: one open port for each listener of the world, and the way of a request from a client to a
//! target and back.
//!
//! As with an Application Load Balancer every connection belongs to one *node*, every request is routed on its
//! own by the configuration that this node has adopted, and connections to clients and to targets outlive any
//! change of configuration. HTTPS listeners speak plain HTTP here (and say `X-Forwarded-Proto: https`); protocol
//! upgrades are not passed on.

mod headers;
mod listener;
mod pool;
mod ports;
mod proxy;
mod upload;

pub use listener::OpenError;
pub use ports::ListenerStatus;

pub(super) use ports::Balancer;
