//! Writes: one AWS call each, sent once, and the look before it.
//!
//! - [`writer`]: the runtime's trait.
//! - `send`: each write as its call. Bodies from a user's template are sent as the plan has them, to the last member.
//! - `look`: does what the write touches still look as the plan saw it?

mod look;
mod scaling;
mod send;
pub mod writer;

pub(crate) use send::with_body;
pub use writer::AwsWriter;
