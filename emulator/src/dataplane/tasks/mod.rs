//! Tasks that really run, each on the address that the world gave it.
//!
//! A container is the built-in [`sample`] application, in this process, unless its command starts with
//! `process:`; then it is a local [`process`]. Addresses other than 127.0.0.1 in 127.0.0.0/8 can be used at once
//! on Linux; elsewhere (macOS) each must first be given to the loopback interface
//! (`ifconfig lo0 alias 127.x.y.z`).

mod container;
mod process;
mod sample;
mod supervisor;

pub(super) use supervisor::Supervisor;
