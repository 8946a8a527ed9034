//! What a container of an image does when tasks are modelled.

use serde::{Deserialize, Serialize};

/// A container's conduct. Durations in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Behaviour {
    /// From its start until it listens.
    pub start_ms: u64,
    /// It exits by itself.
    pub exits: Option<Exit>,
    /// Status it answers to a health check.
    pub health_status: u16,
    /// From its start until it answers 503 to health checks; `None`: never.
    pub unhealthy_after_ms: Option<u64>,
    /// Share of requests, 0 to 1, that it answers with 500 (health checks excepted).
    pub error_share: f64,
    /// How long a request takes, health checks included.
    pub latency_ms: u64,
    /// Its image cannot be pulled.
    pub cannot_pull: bool,
    /// From SIGTERM to its exit; it serves until then. Killed at its stop time-out if that comes first.
    pub stop_ms: u64,
}

/// An exit that nobody asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Exit {
    /// From its start.
    pub after_ms: u64,
    /// Exit code.
    pub code: i32,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            start_ms: 500,
            exits: None,
            health_status: 200,
            unhealthy_after_ms: None,
            error_share: 0.0,
            latency_ms: 20,
            cannot_pull: false,
            stop_ms: 200,
        }
    }
}
