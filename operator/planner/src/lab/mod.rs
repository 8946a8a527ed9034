//! An abstract AWS for tests and models: services, groups, rules and parameters in virtual time, exact and fast.
//!
//! It follows the same facts as the emulator, without wire, images or sockets: a group must be named by a rule before
//! a service can be bound to it; a new target is healthy after one check; scaling down drains; a deleted service's
//! name stays locked for a while.

mod account;
mod example;
mod gates;
mod groups;
mod operator;
mod rolling;
mod scaling;

pub use account::{DELETION, DRAIN, Lab, LabService, TASK_START, tags_of};
pub use example::{
    analysis, application, desired, per_release, rolling, rolling_behind_a_load_balancer,
    two_routes, worker,
};
pub use gates::{Tests, required};
pub use groups::LabGroup;
pub use operator::{Ending, Operator};
pub use rolling::{Ecs, REPLACED, Update};
