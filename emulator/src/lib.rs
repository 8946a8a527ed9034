//! A local AWS that behaves in time: ECS, ELBv2, SSM and a few neighbours, on one endpoint.
//!
//! It knows AWS and nothing of any operator. Rooms, from the inside out:
//!
//! - [`world`]: pure state and rules in time; no sockets, no clock, no randomness of its own.
//! - [`api`]: one file a service: which operations exist and what each does to the world.
//! - [`protocol`]: the wire: AWS JSON and Query/XML, driven by the official service models.
//! - [`faults`]: throttling, errors before and after effect, read lag.
//! - [`dataplane`]: real sockets: the weighted load balancer and the tasks behind it.
//!
//! Arrows: `dataplane`, `protocol`, `faults` -> `api` -> `world`. The world names none of the others.

pub mod api;
pub mod dataplane;
pub mod faults;
pub mod protocol;
pub mod world;
