//! AWS's answers: what the operator believes of them.

use std::sync::{Arc, Mutex};

use arbitrary::Unstructured;
use aws::{AwsCloud, CallMetrics, Connection, Names};
use bytes::Bytes;
use emulator::Emulator;
use emulator::protocol::cbor;
use emulator::protocol::model::{self, Protocol};
use emulator::protocol::request::{self, Received};
use emulator::protocol::validate::{self, Direction, Violation};
use emulator::protocol::xml;
use http::{Request, Response};
use planner::{Memory, Mono, Now, Tuning, World, safety};
use prometheus::Registry;
use runtime::clock::Clock;
use runtime::cloud::{Cloud, Focus};
use serde_json::Value;

use crate::account::{self, SECRET};
use crate::edits::{below, damage, edit};
use crate::oracle;

/// The reads of one round.
const READS: [&str; 14] = [
    "GetParameters",
    "ListServices",
    "DescribeServices",
    "ListTasks",
    "DescribeTasks",
    "DescribeTargetGroups",
    "DescribeTargetGroupAttributes",
    "DescribeTargetHealth",
    "DescribeListeners",
    "DescribeRules",
    "DescribeTaskDefinition",
    "ListTaskDefinitions",
    "DescribeScalableTargets",
    "GetParametersByPath",
];

/// Texts that AWS's answers use, in places where they do not belong.
const WORDS: [&str; 16] = [
    "ACTIVE",
    "INACTIVE",
    "DRAINING",
    "RUNNING",
    "MISSING",
    "healthy",
    "draining",
    "forward",
    "redirect",
    "PRIMARY",
    "FAILED",
    "teal:application",
    "teal:generation",
    "blog",
    "2.0.0",
    "SecureString",
];

/// One request and what was answered, before it became bytes; null where the bytes mean nothing.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) operation: String,
    pub(crate) input: Value,
    pub(crate) output: Value,
}

/// What is done to the answers of one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// Members change; it stays JSON or XML.
    Members,
    /// Bytes change.
    Bytes,
    /// HTTP status as well.
    Status(u16),
}

/// Damages the answers of one read operation. The first byte says which, the second how, the others where.
///
/// No part of the world is known wrongly: it is what the answers say, or it is unread for a reason that fits on a line
/// and tells no secret. Answers in JSON that end too soon leave everything that needs them unread.
pub(crate) fn an_answer_of_aws(data: &[u8]) {
    let [operation, how, choices @ ..] = data else {
        return;
    };
    let operation = READS[usize::from(*operation) % READS.len()];
    let damage = match how % 8 {
        0..=4 => Damage::Members,
        5 | 6 => Damage::Bytes,
        _ => Damage::Status([400, 403, 429, 500, 503, 204, 301][usize::from(how / 8) % 7]),
    };
    account::run(async {
        let told = Told::default();
        let (world, specs) = observe(&told, operation, damage, choices).await;
        let told = told.0.lock().expect("no panic while it was held").clone();
        oracle::check(&account::application(), &world, &told);
        decide(&world);
        for reason in oracle::reasons(&world).into_iter().chain(specs) {
            assert!(!reason.contains(SECRET), "{reason}");
            assert!(!reason.contains("this is a bug"), "{reason}");
            assert!(!reason.contains(char::is_control), "{reason:?}");
            assert!(
                reason.chars().count() <= 1_500,
                "{} bytes: {reason}",
                reason.len()
            );
        }
    });
}

/// Every world has a plan, and the guard has an answer to it.
fn decide(world: &World) {
    let application = account::application();
    let tuning = Tuning::default();
    let mut memory = Memory::new(Mono(0));
    memory.clean_start = Some(true);
    let wall = "2026-08-01T00:00:00Z".parse().expect("a time");
    for at in [1_000, 6_000, 11_000] {
        let now = Now {
            mono: Mono(at),
            wall,
        };
        memory.absorb(world, &tuning, now);
        let plan = planner::plan(&application, world, &memory, &tuning, now);
        if let Some(write) = plan.step {
            drop(safety::check(
                &application,
                world,
                &memory,
                &tuning,
                &write,
                now,
            ));
        }
    }
}

/// What was answered, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<Exchange>>>);

impl Told {
    fn tell(&self, received: &Received, output: Value) {
        self.0.lock().expect("nothing panics here").push(Exchange {
            operation: received.operation.name.clone(),
            input: received.decode().expect("the SDK's requests are right"),
            output,
        });
    }
}

async fn observe(
    told: &Told,
    operation: &'static str,
    damage: Damage,
    choices: &[u8],
) -> (World, Vec<String>) {
    let emulator = account::emulator();
    let (told, choices) = (told.clone(), choices.to_vec());
    let http = aws::in_process::http_client(move |request: Request<Bytes>| {
        let (emulator, told, choices) = (emulator.clone(), told.clone(), choices.clone());
        async move { Ok(answer(&emulator, &told, request, (operation, damage, &choices)).await) }
    });
    let clock = Clock::starting_at("2026-08-01T00:00:00Z".parse().expect("a time"));
    let metrics = CallMetrics::new(&Registry::new()).expect("a fresh registry");
    let connection = Connection::in_process(http, clock, &aws::Settings::default(), metrics);
    let cloud = AwsCloud::new(&connection, Names::default(), clock);
    let focus = Focus {
        base: None,
        services: vec!["blog-of-yesterday".to_owned()],
        conflicts: Vec::new(),
        spec_present: true,
    };
    let world = cloud.observe(&account::application(), &focus).await;
    let specs = match cloud.specs().await {
        Ok(specs) => specs
            .into_iter()
            .filter_map(|spec| spec.text.err())
            .collect(),
        Err(error) => vec![error.to_string()],
    };
    (world, specs)
}

async fn answer(
    emulator: &Emulator,
    told: &Told,
    request: Request<Bytes>,
    (operation, how, choices): (&str, Damage, &[u8]),
) -> Response<Bytes> {
    let received =
        request::recognise(&request).expect("the emulator has every read of the operator");
    let mut response = emulator.handle(request).await;
    let succeeded = response.status().is_success();
    let output = match received.decode() {
        Ok(input) if succeeded => emulator
            .call(received.service, &received.operation.name, input)
            .expect("what was answered once is answered again"),
        Ok(_) | Err(_) => Value::Null,
    };
    if received.operation.name != operation || !succeeded {
        told.tell(&received, output);
        return response;
    }
    let mut choices = Unstructured::new(choices);
    let (mut body, mut output) = (response.body().to_vec(), output);
    match how {
        Damage::Bytes => {
            damage(&mut body, &mut choices);
            if *response.body() != body {
                output = Value::Null;
            }
            // The SDK's readers take more than JSON and XML, in what they skip above all, and no bytes for `{}`. An
            // object that does not end is the least that none may take.
            let read = serde_json::from_slice::<Value>(&body);
            let ends = read.is_ok() || read.is_err_and(|error| !error.is_eof());
            if received.protocol == Protocol::Json && !body.is_empty() && !ends {
                output = Value::String("garbage".to_owned());
            }
        }
        Damage::Members | Damage::Status(_) => {
            if operation == "GetParameters" && below(&mut choices, 2) == 1 {
                edit_record(&mut output, &mut choices);
            } else {
                edit(&mut output, &mut choices, &WORDS);
            }
            body = encode(&received, &output);
            // XML has no types: a number where a text belongs is a text, which the oracle does not follow.
            if received.protocol == Protocol::Query && mistyped(&received, &output) {
                output = Value::Null;
            }
        }
    }
    if let Damage::Status(status) = how {
        *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
        if below(&mut choices, 2) == 1 {
            body = br#"{"__type":"ClusterNotFoundException","message":"no\nsuch \u0000 cluster"}"#
                .to_vec();
        }
        output = Value::Null;
    }
    told.tell(&received, output);
    *response.body_mut() = Bytes::from(body);
    response
}

/// Changes members of the record inside its parameter.
fn edit_record(output: &mut Value, choices: &mut Unstructured<'_>) {
    let parameters = output["Parameters"].as_array_mut();
    for parameter in parameters.into_iter().flatten() {
        let record = parameter["Value"]
            .as_str()
            .map(serde_json::from_str::<Value>);
        if let Some(Ok(mut record @ Value::Object(_))) = record {
            edit(
                &mut record,
                choices,
                &["Settled", "Bake", "RollBack", "0.9"],
            );
            parameter["Value"] = Value::String(record.to_string());
        }
    }
}

fn mistyped(received: &Received, output: &Value) -> bool {
    let shape = received.operation.output.as_ref();
    let shape = shape.map_or("", |side| side.shape.as_str());
    let model = model::of(received.service);
    validate::violations(model, shape, output, Direction::Output)
        .iter()
        .any(|violation| matches!(violation, Violation::Type { .. }))
}

/// The output as its service would write it, right or wrong.
fn encode(received: &Received, output: &Value) -> Vec<u8> {
    let name = &received.operation.name;
    let shape = received.operation.output.as_ref();
    let shape = shape.map_or("", |side| side.shape.as_str());
    match received.protocol {
        Protocol::Cbor => cbor::encode(model::of(received.service), shape, output),
        Protocol::Json => output.to_string().into_bytes(),
        Protocol::Rest => {
            let payload = output["Payload"].as_str().unwrap_or_default();
            payload.as_bytes().to_vec()
        }
        Protocol::Query => {
            let mut members = String::new();
            xml::members(model::of(received.service), shape, output, &mut members);
            format!("<{name}Response><{name}Result>{members}</{name}Result></{name}Response>")
                .into_bytes()
        }
    }
}
