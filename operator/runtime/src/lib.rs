//! The loop around the planner. No SDK: AWS is behind the traits in [`cloud`].

pub mod cloud;
