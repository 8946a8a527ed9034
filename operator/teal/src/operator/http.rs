//! What the operator answers over HTTP. Read-only: verbs go through Parameter Store, where IAM decides.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use crd_schema::ApplicationName;
use prometheus::{Registry, TextEncoder};
use runtime::clock::Clock;
use runtime::snapshot::{Board, Leadership, Snapshot};
use serde::Serialize;
use serde_json::{Value, json};

/// What the answers are made from.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    pub(crate) registry: Registry,
    pub(crate) board: Board,
    pub(crate) clock: Clock,
}

/// `/metrics`, `/healthz`, `/readyz`, `/api/v1/applications` and `/api/v1/applications/NAME`.
pub(crate) fn router(sources: Sources) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/api/v1/applications", get(applications))
        .route("/api/v1/applications/{name}", get(application))
        .with_state(sources)
}

async fn metrics(State(sources): State<Sources>) -> Response {
    match TextEncoder::new().encode_to_string(&sources.registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn healthz(State(sources): State<Sources>) -> Response {
    match sources.board.health().stuck(sources.clock.mono()) {
        None => {
            let role = sources.board.leadership().role.label();
            Json(json!({"status": "ok", "role": role})).into_response()
        }
        Some(why) => (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(json!({"status": "stuck", "why": why})),
        )
            .into_response(),
    }
}

async fn readyz(State(sources): State<Sources>) -> Response {
    match sources.board.ready() {
        Ok(()) => {
            let role = sources.board.leadership().role.label();
            Json(json!({"status": "ready", "role": role})).into_response()
        }
        Err(missing) => (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(json!({"status": "not ready", "missing": missing})),
        )
            .into_response(),
    }
}

async fn applications(State(sources): State<Sources>) -> Json<Value> {
    let all: BTreeMap<_, _> = sources.board.all();
    let all: Vec<View> = all.values().map(|snapshot| View::of(snapshot)).collect();
    let Leadership {
        role,
        leader,
        trouble,
    } = sources.board.leadership();
    Json(json!({
        "role": role.label(),
        "leader": leader,
        "leaseTrouble": trouble,
        "applications": all,
    }))
}

async fn application(State(sources): State<Sources>, Path(name): Path<String>) -> Response {
    match sources.board.get(&ApplicationName::new(&name)) {
        Some(snapshot) => Json(View::of(&snapshot)).into_response(),
        None => {
            let error = format!("no application {name:?} is known, or it was not looked at yet");
            (StatusCode::NOT_FOUND, Json(json!({"error": error}))).into_response()
        }
    }
}

/// One application as the API shows it.
#[derive(Serialize)]
struct View {
    at: jiff::Timestamp,
    status: crd_schema::Status,
    /// The write that the last reconcile planned, for people.
    step: Option<String>,
    notes: Vec<String>,
}

impl View {
    fn of(snapshot: &Snapshot) -> Self {
        let plan = snapshot.plan.as_ref();
        Self {
            at: snapshot.at,
            status: snapshot.status.clone(),
            step: plan
                .and_then(|plan| plan.step.as_ref())
                .map(planner::Write::describe),
            notes: plan
                .map(|plan| plan.report.notes.clone())
                .unwrap_or_default(),
        }
    }
}
