//! The documents that people, pipelines and the operator exchange through SSM Parameter Store.
//!
//! - [`spec`]: the Application as people write it: reading, checking, explaining what is wrong, JSON Schema.
//! - [`application`]: the Application after validation: what the rest of the house works with.
//! - [`gate`]: tests that a release must pass.
//! - [`webhook`]: somebody else's service, told or asked by a signed POST.
//! - [`event`]: what may happen.
//! - [`analysis`]: what is watched while a release is on its way.
//! - [`strategy`]: how traffic moves, as steps.
//! - [`schedule`]: when releases may begin.
//! - [`desired`]: the version that a release pipeline wishes for.
//! - [`intent`]: what a person asks of a rollout.
//! - [`status`]: what the operator tells.
//! - [`record`]: the operator's durable memory of one application.
//! - [`identity`]: names and ARNs as types; what cannot be said cannot go wrong.
//!
//! This room knows documents: no AWS client, no clock, no decision. Everything that is read is somebody else's data:
//! it is bounded, read totally, and ends in a value or an error.

pub mod analysis;
pub mod application;
pub mod desired;
pub mod event;
pub mod gate;
pub mod identity;
mod image;
pub mod intent;
pub mod record;
pub mod schedule;
pub mod spec;
pub mod status;
pub mod strategy;
mod text;
pub mod webhook;

pub use application::Application;
pub use desired::{Desired, DesiredError};
pub use identity::{AnalysisName, ApplicationName, GateName, ListenerArn, RuleArn, TargetGroupArn};
pub use record::Record;
pub use status::Status;
