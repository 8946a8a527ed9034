//! API calls that the emulator answers in process, beside the same calls without their wire format.

use bytes::Bytes;
use emulator::api::Service;
use emulator::faults::FaultSettings;
use http::Request;
use serde_json::{Value, json};

use crate::cpu;
use crate::figures::{Outcome, Row, Section};
use crate::watch::Blog;

/// One call in both forms.
struct Asked {
    service: Service,
    operation: &'static str,
    input: Value,
    request: Request<Bytes>,
}

/// Measures the reads of a settled application, each as often as the others.
pub(crate) async fn measure() -> Outcome<Section> {
    let blog = Blog::serving("1.3.0").await?;
    let asked = reads(&blog)?;
    let emulator = &blog.stage.emulator;
    // Time stands still: AWS's rate limits would refuse all but the first.
    emulator.faults().set(FaultSettings {
        throttling: false,
        ..FaultSettings::default()
    });
    let count = u64::try_from(asked.len())?;
    let handled = cpu::rate(async || {
        for call in &asked {
            let answer = emulator.handle(call.request.clone()).await;
            if !answer.status().is_success() {
                return Err(format!("{}: {answer:?}", call.operation).into());
            }
        }
        Ok(count)
    })
    .await?;
    let carried_out = cpu::rate(async || {
        for call in &asked {
            emulator.call(call.service, call.operation, call.input.clone())?;
        }
        Ok(count)
    })
    .await?;
    blog.operator.stop().await;
    let ratio = handled.median() / carried_out.median();
    let operations: Vec<&str> = asked.iter().map(|call| call.operation).collect();
    let rows = vec![
        Row::new(
            "calls as requests, a second of one core",
            handled.show(0, ""),
            operations.join(", "),
        ),
        Row::new(
            "peer: the same without their wire format",
            carried_out.show(0, ""),
            "",
        ),
        Row::new("calls ÷ peer", format!("{ratio:.2}"), ""),
    ];
    let data = json!({"perSecond": handled.json(), "peerPerSecond": carried_out.json(), "ratio": ratio, "operations": operations});
    Ok(Section {
        key: "emulatorCalls",
        title: "Emulator: API calls in process".to_owned(),
        rows,
        data,
    })
}

/// What the operator reads of a settled application.
fn reads(blog: &Blog) -> Outcome<Vec<Asked>> {
    let services: Vec<Value> = blog
        .stage
        .services()
        .iter()
        .map(|service| service["serviceName"].clone())
        .collect();
    let group = &blog.stage.groups[0];
    let listener = &blog.stage.listeners[0];
    let json_calls = [
        (
            "AmazonSSM",
            Service::Ssm,
            "GetParameters",
            json!({"Names": ["/teal/apps/blog/desired", "/teal/apps/blog/record"]}),
        ),
        (
            "AmazonEC2ContainerServiceV20141113",
            Service::Ecs,
            "DescribeServices",
            json!({"cluster": "prod", "services": services, "include": ["TAGS"]}),
        ),
    ];
    let query_calls = [
        (
            "DescribeTargetHealth",
            json!({"TargetGroupArn": group}),
            vec![("TargetGroupArn", group)],
        ),
        (
            "DescribeListeners",
            json!({"ListenerArns": [listener]}),
            vec![("ListenerArns.member.1", listener)],
        ),
    ];
    let mut asked = Vec::new();
    for (prefix, service, operation, input) in json_calls {
        let request = signed()
            .header("x-amz-target", format!("{prefix}.{operation}"))
            .header("content-type", "application/x-amz-json-1.1");
        let request = request.body(Bytes::from(input.to_string()))?;
        asked.push(Asked {
            service,
            operation,
            input,
            request,
        });
    }
    for (operation, input, pairs) in query_calls {
        // An ARN has no character that a form escapes but these two.
        let escape = |text: &str| text.replace(':', "%3A").replace('/', "%2F");
        let pairs = pairs
            .iter()
            .map(|(name, value)| format!("&{name}={}", escape(value)));
        let body = format!(
            "Action={operation}&Version=2015-12-01{}",
            pairs.collect::<String>()
        );
        let request = signed()
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Bytes::from(body))?;
        asked.push(Asked {
            service: Service::Elbv2,
            operation,
            input,
            request,
        });
    }
    Ok(asked)
}

/// The emulator checks that there is a signature, not whose.
fn signed() -> http::request::Builder {
    let credential = "AWS4-HMAC-SHA256 Credential=AKID/20260801/eu-west-1/x/aws4_request, SignedHeaders=host, Signature=0";
    Request::post("http://localhost/").header("authorization", credential)
}
