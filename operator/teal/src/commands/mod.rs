//! One file a command, as long as the command is short.

pub(crate) mod apply;
pub(crate) mod health;
pub(crate) mod init;
pub(crate) mod plan;
pub(crate) mod release;
pub(crate) mod shell;
pub(crate) mod status;
pub(crate) mod validate;
pub(crate) mod verbs;
