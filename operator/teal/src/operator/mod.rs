//! The operator as a program: the loop of `runtime` over the wall of `aws`, with its HTTP server.
//!
//! - [`run`]: `teal run`. [`assemble`]: the parts put together, also for `teal demo`.
//! - [`http`]: what it answers. [`pace`]: its bounds and polls.

pub(crate) mod assemble;
pub(crate) mod http;
pub(crate) mod pace;
pub(crate) mod run;

pub(crate) use assemble::{Lease, Operator, Options};
