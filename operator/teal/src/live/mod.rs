//! What is drawn again in place on a terminal, for whoever waits.
//!
//! - [`screen`]: the place. [`draw`]: bars, rows, stages.
//! - [`rollout`]: one application's release, from its status alone. [`stages`]: how long each of its stages took.

pub(crate) mod draw;
pub(crate) mod rollout;
pub(crate) mod screen;
mod stages;
