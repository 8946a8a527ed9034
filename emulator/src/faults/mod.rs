//! What goes wrong between a caller and AWS: throttling, errors before and after the effect, lost answers,
//! latency, reads that lag behind writes. And the record of all calls, by which a test sees what happened.
//!
//! - [`plan`]: faults as data, set by a seed file, over HTTP or in process.
//! - [`buckets`]: AWS's token buckets.
//! - [`history`]: the past states from which lagging reads are answered.
//! - [`journal`]: counters and a bounded log of calls.
//! - [`holding`]: calls that wait until somebody says how they go on.
//! - [`handle`]: all of them together.

pub mod buckets;
pub mod handle;
pub mod history;
pub mod holding;
pub mod journal;
pub mod plan;

pub use handle::Faults;
pub use plan::{Effect, Fault, FaultSettings, When};
