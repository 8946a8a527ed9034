//! Real sockets: the load balancer and the tasks behind it.
//!
//! - `plane`: the driver that makes reality follow the world ([`DataPlane`]).
//! - `balancer`: one open port for each listener, and the way of a request to a target and back.
//! - `tasks`: the built-in sample application and local processes, each on its own address.
//! - `health`: health checks.
//! - [`load`]: users that send requests and count what they get.

mod balancer;
mod health;
pub mod load;
mod plane;
mod tasks;
mod wire;

pub use balancer::{ListenerStatus, OpenError};
pub use plane::{DataPlane, Options};
