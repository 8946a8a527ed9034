//! By what right this process writes: one operator a lease, or one by the deployment's promise.
//!
//! - [`state`]: the lease as a pure state machine: what to ask of the store, and what follows from its answers.
//! - [`store`]: where it is kept. [`terms`]: its durations, and what they must satisfy.
//! - [`keeper`]: the task that drives the state machine over a store. [`authority`]: what the loop asks before it
//!   writes. `shelf` (feature `lab`): a store in memory.
//!
//! # Guarantees
//!
//! - A write is begun only while the lease outlives the write's own deadline by a margin (S16). That is judged by this
//!   process's own monotonic clock: a process that was paused, or whose keeper hangs, does not write.
//! - Expiry is judged by seeing the item unchanged for a full term and a grace on one's own monotonic clock. Wall
//!   clocks are never compared, neither between hosts nor with the item.
//! - Two processes never both have the right to write, while their monotonic clocks run alike within
//!   [`Terms::drift`].
//!
//! # What it must not know
//!
//! Applications and AWS. A store is any place with a conditional write.

pub mod authority;
pub mod keeper;
#[cfg(feature = "lab")]
pub mod shelf;
pub mod state;
pub mod store;
pub mod terms;

pub use authority::{Authority, LeaseHandle, Standing};
pub use keeper::Keeper;
pub use state::{Holding, Lease};
pub use store::{LeaseItem, LeaseStore, Phase};
pub use terms::Terms;
