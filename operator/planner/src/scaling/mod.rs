//! A service's autoscaling, and what it looks like on the service that comes after it.
//!
//! Application Auto Scaling knows a service by its name, so a release leaves what it knows behind unless somebody moves
//! it. The way through the room:
//!
//! - [`Scaling`], [`Suspended`], [`Policy`]: what it knows of one service.
//! - [`copied`]: the same for another service of the application, or why that cannot be.
//! - [`given`]: what the spec says instead.
//! - [`Change`]: one write of it.
//! - [`shows`]: whether what is described is what was put.

mod change;
mod copy;
mod covers;
mod given;
mod state;

pub use change::Change;
pub use copy::{Place, copied};
pub use covers::shows;
pub use given::given;
pub use state::{Policy, Scaling, Suspended};
