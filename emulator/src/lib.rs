//! A local AWS that behaves in time: ECS, ELBv2, SSM and a few neighbours, on one endpoint.
//!
//! It knows AWS and nothing of any operator. Rooms, from the inside out:
//!
//! - [`world`]: pure state and rules in time; no sockets, no clock, no randomness of its own.
//! - [`api`]: one file a service: which operations exist and what each does to the world.
//! - [`protocol`]: the wire: AWS JSON, Query/XML and CBOR, driven by the official service models.
//! - [`faults`]: throttling, errors before and after effect, read lag.
//! - [`emulator`]: the handle that holds them together: world, clock, faults.
//! - [`server`], [`admin`]: AWS's API and the emulator's own on one port; [`seed`]: the stage, set from a file.
//! - [`dataplane`]: real sockets: the weighted load balancer and the tasks behind it.
//!
//! Arrows: `server`, `dataplane` -> `emulator` -> `protocol`, `faults` -> `api` -> `world`. The world names none
//! of the others.

pub mod admin;
pub mod api;
pub mod dataplane;
pub mod emulator;
pub mod faults;
pub mod protocol;
pub mod seed;
pub mod server;
pub mod world;

pub use emulator::{ConnectionLost, Emulator};
