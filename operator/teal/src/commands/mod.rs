//! One file a command, as long as the command is short.

pub(crate) mod adopt;
pub(crate) mod apply;
pub(crate) mod health;
pub(crate) mod init;
pub(crate) mod plan;
pub(crate) mod release;
mod second_group;
pub(crate) mod shell;
pub(crate) mod status;
pub(crate) mod validate;
pub(crate) mod verbs;
