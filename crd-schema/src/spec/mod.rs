//! The Application as people write it, and the way from there to [`crate::Application`].
//!
//! - [`load`](fn@load): text (YAML or JSON) to a validated Application, or *every* problem with line, column, path
//!   and what would be right.
//! - [`schema`](fn@schema): the JSON Schema of the document, for editors; the same schema drives the structural checks, so the
//!   two cannot disagree.
//! - [`Invalid`], [`Problem`]: what is wrong, for people (`Display`) and for machines (`Serialize`).
//!
//! What is known but not supported yet stands in the schema too, as a field that nothing satisfies, with the reason
//! as its text: it is refused by name and never ignored.

mod analysis;
mod autoscaling;
mod check;
mod document;
mod format;
mod gates;
mod load;
mod node;
mod path;
mod problem;
mod refused;
mod rolling;
mod schedule;
mod schema;
mod worker;

pub use load::{MAX_BYTES, load};
pub use problem::{Invalid, Problem};
pub use schema::schema;
