//! The data plane over real sockets, with a world set up in process.

mod backend;
mod failures;
mod proxy;
mod release;
mod stage;
mod tasks;
