//! A container that is a local program.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;
use tokio::sync::watch;

use super::container::{Exit, Stop, asked_to_end};
use crate::world::view::{ContainerSpec, TaskSpec};

/// Runs `command` (program and arguments) in a process group of its own, until it exits. At SIGTERM the group
/// gets SIGTERM; when the future is dropped or the program has exited, what is left of the group gets SIGKILL.
///
/// The environment is the container's, `PATH`, and `HOST` and `PORT` to listen on.
pub(super) async fn run(
    task: &TaskSpec,
    container: &ContainerSpec,
    command: &[String],
    mut stop: watch::Receiver<Stop>,
) -> Exit {
    let Some((program, arguments)) = command.split_first() else {
        return Exit::not_started(&"`process:` names no program");
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .process_group(0);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.env("HOST", task.address.to_string());
    if let Some(port) = container.ports.first() {
        command.env("PORT", port.to_string());
    }
    command.envs(
        container
            .environment
            .iter()
            .map(|(name, value)| (name, value)),
    );
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Exit::not_started(&format!("{program}: {error}")),
    };
    let group = Group(
        child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)),
    );
    let status = tokio::select! {
        status = child.wait() => status,
        _ = asked_to_end(&mut stop) => {
            group.signal(Signal::TERM);
            child.wait().await
        }
    };
    match status {
        Ok(status) => Exit::with(exit_code(status)),
        Err(error) => Exit {
            code: 1,
            reason: Some(format!("ContainerRuntimeError: {error}")),
        },
    }
}

/// The exit code as a container engine gives it: 128 + the signal where there was one.
fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1)
}

/// The processes of a container; killed when dropped.
struct Group(Option<Pid>);

impl Group {
    /// A group that is gone already cannot be signalled: nothing is left to do then.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
