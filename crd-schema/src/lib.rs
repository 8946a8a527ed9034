//! The documents that people, pipelines and the operator exchange through SSM Parameter Store.
//!
//! - [`application`]: the Application after validation: what the rest of the house works with.
//! - [`identity`]: names and ARNs as types; what cannot be said cannot go wrong.
//! - [`record`]: the operator's durable memory of one application.
//!
//! This room knows documents: no AWS client, no clock, no decision.

pub mod application;
pub mod desired;
pub mod identity;
mod image;
pub mod record;
pub mod spec;
pub mod status;
mod text;

pub use application::Application;
pub use desired::{Desired, DesiredError};
pub use identity::{ApplicationName, ListenerArn, RuleArn, TargetGroupArn};
pub use record::Record;
pub use status::Status;
