//! The demo from end to end, as a user runs it: real sockets, real tasks, the real operator.

#![cfg(feature = "emulator")]
#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use serde_json::Value;

/// A TCP port of this machine that nobody uses now.
fn free_port() -> String {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap().port().to_string()
}

fn demo(more: &[&str]) -> (Option<i32>, String, String) {
    let ports = [free_port(), free_port()];
    let output = Command::new(env!("CARGO_BIN_EXE_teal"))
        .args([
            "demo",
            "--json",
            "--production-port",
            &ports[0],
            "--test-port",
            &ports[1],
        ])
        .args(more)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_release_under_load_loses_no_request() {
    let (code, told, log) = demo(&["--speed", "2"]);
    let summary: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!(
        (code, &summary["outcome"], &summary["failed"]),
        (Some(0), &Value::from("Succeeded"), &Value::from(0)),
        "{told}\n{log}"
    );
    assert_eq!(summary["serving"], "1.4.0");
    let stages: Vec<&str> = summary["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|took| took["stage"].as_str().unwrap())
        .collect();
    assert_eq!(stages, ["ScaleUp", "Validate", "Shift", "Bake", "CleanUp"]);
    let answered =
        |version: &str, what: &str| summary["byVersion"][version][what].as_f64().unwrap();
    assert_eq!(
        answered("1.3.0", "requests") + answered("1.4.0", "requests"),
        summary["requests"].as_f64().unwrap()
    );
    assert!(
        answered("1.3.0", "first") < answered("1.4.0", "first")
            && answered("1.3.0", "last") < answered("1.4.0", "last")
    );
    for (operation, calls) in [
        ("CreateService", 1),
        ("DeleteService", 1),
        ("ModifyListener", 2),
        ("RegisterTaskDefinition", 1),
    ] {
        assert_eq!(summary["awsCalls"][operation], calls, "{operation}: {told}");
    }
}

#[test]
fn a_bad_release_is_found_by_its_analysis_and_taken_back() {
    let (code, told, log) = demo(&["--bad-release", "--speed", "2"]);
    let summary: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!(
        (code, &summary["outcome"], &summary["serving"]),
        (Some(0), &"RolledBack".into(), &"1.4.0".into()),
        "{told}\n{log}"
    );
    let reason = summary["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("analysis errors: green failed "),
        "{reason}"
    );
    assert_eq!(summary["failed"], summary["failures"]["status 500"]);
    let saw = summary["saw"]["1.4.1"].as_f64().unwrap();
    assert!(saw > 0.0 && saw < summary["visitors"].as_f64().unwrap());
}

#[test]
fn a_port_in_use_is_told_with_what_to_do() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_teal"))
        .args(["demo", "--production-port", &port])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(8));
    assert!(
        told.contains(&format!("cannot listen on 127.0.0.1:{port}"))
            && told.contains("--production-port"),
        "{told}"
    );
}
