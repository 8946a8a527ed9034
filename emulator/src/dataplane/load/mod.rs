//! A small load generator: users that send GET requests without pause and count what they get.
//!
//! A user is as strict as a real one and no stricter: an answer with status 500 or above, a connection that is
//! refused or breaks, a body that ends early and an answer that does not come from the sample application are
//! failures; an *idle* connection that the server closes is opened again, as every browser does.

mod statistics;
mod users;

pub use statistics::{Histogram, Statistics, VersionStatistics};
pub use users::Load;
