//! The wire between an operator and the emulated AWS. It carries each request to the emulator, whether the caller
//! waits for the answer or not, keeps what went over it, and holds every request against the shipped IAM policy.

use std::collections::{BTreeSet, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws::in_process::NoAnswer;
use bytes::Bytes;
use emulator::Emulator;
use emulator::emulator::ConnectionLost;
use emulator::faults::history::is_read;
use emulator::protocol::request;
use emulator::world::elb::routing::RequestHead;
use emulator::world::{World, traffic};
use http::{HeaderMap, Request, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::iam::{self, Asked, Policy};

/// One direction of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Milliseconds since the account began.
    pub at: u64,
    /// The operation of a request, the status of an answer.
    pub what: String,
    /// SHA-256 over everything that was sent: head and body.
    pub digest: [u8; 32],
}

/// One request to hooks.example.
#[derive(Debug, Clone, PartialEq)]
pub struct Hooked {
    /// When, in milliseconds since the account began.
    pub at: u64,
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`.
    pub timestamp: String,
    /// `webhook-signature`.
    pub signature: String,
    /// The body.
    pub body: Value,
}

/// Everything that went over one account's wire. Clones share it.
#[derive(Debug, Clone)]
pub struct Wire {
    emulator: Emulator,
    policy: Option<Arc<Policy>>,
    /// Lists end with their first page.
    first_pages: bool,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    exchanges: Vec<Exchange>,
    asked: BTreeSet<Asked>,
    visits: Vec<String>,
    /// What the service at hooks.example was told.
    hooked: Vec<Hooked>,
    /// What it answers, in order; after the last one that one again; none: 200 and nothing more.
    hook_answers: Vec<(u16, String)>,
    /// What the Prometheus server at prometheus.example answers; none: nothing listens.
    prometheus: Option<String>,
    /// Reads that were held against the policy already: nothing about them depends on the account's state.
    judged: HashSet<[u8; 32]>,
    denied: Vec<String>,
}

impl Wire {
    /// A wire on which everything is allowed.
    pub fn new(emulator: &Emulator) -> Self {
        Self {
            emulator: emulator.clone(),
            policy: None,
            first_pages: false,
            kept: Arc::default(),
        }
    }

    /// A wire that holds every request against `policy`.
    pub fn judged_by(emulator: &Emulator, policy: Policy) -> Self {
        Self {
            policy: Some(Arc::new(policy)),
            ..Self::new(emulator)
        }
    }

    /// A wire whose lists end with their first page: what a reader gets that never asks for a second one.
    pub fn of_first_pages(emulator: &Emulator) -> Self {
        Self {
            first_pages: true,
            ..Self::new(emulator)
        }
    }

    /// What went over it, in order.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.lock().exchanges.clone()
    }

    /// How many requests went over it.
    pub fn requests(&self) -> usize {
        let is_request = |exchange: &&Exchange| exchange.what.starts_with("> ");
        self.lock().exchanges.iter().filter(is_request).count()
    }

    /// Writes that went over it, but those of the lease: when, and which operation.
    pub fn writes(&self) -> Vec<(u64, String)> {
        let writes = |exchange: &Exchange| {
            let operation = exchange.what.strip_prefix("> ")?;
            let writes = !is_read(operation) && operation != "PutItem";
            writes.then(|| (exchange.at, operation.to_owned()))
        };
        self.lock().exchanges.iter().filter_map(writes).collect()
    }

    /// The permissions that were asked for, each once.
    pub fn asked(&self) -> BTreeSet<Asked> {
        self.lock().asked.clone()
    }

    /// Requests that the policy does not allow.
    pub fn denied(&self) -> Vec<String> {
        self.lock().denied.clone()
    }

    /// A request that goes to a listener of the load balancer, or to nobody.
    fn to_the_application(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, NoAnswer> {
        let (uri, mut kept) = (request.uri(), self.lock());
        let host = uri.host().unwrap_or_default();
        kept.visits.push(format!("{} {uri}", request.method()));
        let dice = kept.visits.len() as u64;
        if host == "hooks.example" {
            return Ok(hook(&mut kept, request, self.emulator.now()));
        }
        let answer = kept.prometheus.clone();
        drop(kept);
        if let (Some("prometheus.example"), Some(value)) = (uri.host(), answer) {
            let result = json!([{"metric": {}, "value": [0, value]}]);
            let body =
                json!({"status": "success", "data": {"resultType": "vector", "result": result}});
            return Ok(Response::new(Bytes::from(body.to_string())));
        }
        let port = uri.port_u16().filter(|_| host == "blog.example");
        let port = port.ok_or(NoAnswer::NotConnected)?;
        let headers: Vec<(&str, &str)> = request
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect();
        let head = RequestHead {
            method: request.method().as_str(),
            path: uri.path(),
            host,
            headers: &headers,
            query: uri.query().unwrap_or_default(),
            source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let ask = |world: &mut World| traffic::ask(world, port, &head, dice);
        let status = self.emulator.with(ask);
        let answer = Response::builder().status(status);
        Ok(answer.body(Bytes::from("hello")).expect("a status"))
    }

    /// Requests that went elsewhere than to AWS, in order: method and address.
    pub fn visits(&self) -> Vec<String> {
        self.lock().visits.clone()
    }

    /// What the service at `hooks.example` was told, in order.
    pub fn hooked(&self) -> Vec<Hooked> {
        self.lock().hooked.clone()
    }

    /// What it answers from here on: status and body, in order, and the last one again and again.
    pub fn hook_answers(&self, answers: &[(u16, &str)]) {
        let answers = answers
            .iter()
            .map(|(status, body)| (*status, (*body).to_owned()));
        self.lock().hook_answers = answers.rev().collect();
    }

    /// The Prometheus server at `prometheus.example` answers every query with this from here on.
    pub fn prometheus(&self, value: &str) {
        self.lock().prometheus = Some(value.to_owned());
    }

    /// Carries one request. Once it is on the wire it arrives, even when the caller goes away.
    pub(crate) async fn carry(&self, request: Request<Bytes>) -> Result<Response<Bytes>, NoAnswer> {
        if request.uri().host() != Some("aws.invalid") {
            return self.to_the_application(&request);
        }
        self.sent(&request);
        let wire = self.clone();
        let answer = tokio::spawn(async move {
            let response = wire.emulator.handle(request).await;
            let lost = response.extensions().get().copied();
            wire.answered(&response, lost);
            match lost {
                None if wire.first_pages => Ok(response.map(|body| first_page(&body))),
                None => Ok(response),
                Some(ConnectionLost::Refused) => Err(NoAnswer::NotConnected),
                Some(ConnectionLost::Broken) => Err(NoAnswer::Broken),
            }
        });
        answer.await.expect("the emulator answers")
    }

    fn sent(&self, request: &Request<Bytes>) {
        let head = format!("{} {}", request.method(), request.uri());
        let recognised = request::recognise(request);
        let operation = match &recognised {
            Ok(received) => received.operation.name.clone(),
            Err(refused) => refused.operation.clone(),
        };
        let body: [u8; 32] = Sha256::digest(request.body()).into();
        let mut kept = self.lock();
        kept.exchanges.push(Exchange {
            at: self.emulator.now(),
            what: format!("> {operation}"),
            digest: digest(&head, request.headers(), request.body()),
        });
        let Some(policy) = &self.policy else { return };
        if is_read(&operation) && !kept.judged.insert(body) {
            return;
        }
        drop(kept);
        let asked = recognised
            .map_err(|refused| refused.error)
            .and_then(|received| Ok((received.service, received.decode()?)))
            .map_err(|error| format!("{operation}: {error}"))
            .and_then(|(service, input)| iam::asked(&self.emulator, service, &operation, &input));
        let mut kept = self.lock();
        match asked {
            Ok(asked) => {
                let denied = asked.iter().filter(|asked| !policy.allows(asked));
                kept.denied.extend(denied.map(ToString::to_string));
                kept.asked.extend(asked);
            }
            Err(unknown) => kept.denied.push(unknown),
        }
    }

    fn answered(&self, response: &Response<Bytes>, lost: Option<ConnectionLost>) {
        let head = format!("{} {lost:?}", response.status());
        self.lock().exchanges.push(Exchange {
            at: self.emulator.now(),
            what: format!("< {head}"),
            digest: digest(&head, response.headers(), response.body()),
        });
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The service at hooks.example.
fn hook(kept: &mut Kept, request: &Request<Bytes>, at: u64) -> Response<Bytes> {
    let header = |name: &str| {
        let value = request.headers().get(name);
        let value = value.and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    kept.hooked.push(Hooked {
        at,
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body: serde_json::from_slice(request.body()).unwrap_or_default(),
    });
    let (status, body) = match &mut kept.hook_answers {
        answers if answers.len() > 1 => answers.pop().unwrap_or_default(),
        answers => answers.last().cloned().unwrap_or((200, String::new())),
    };
    let answer = Response::builder().status(status);
    answer.body(Bytes::from(body)).expect("a status")
}

/// The same answer without the token that leads to another page. Names keep their length: in CBOR that counts.
fn first_page(body: &Bytes) -> Bytes {
    let text = String::from_utf8_lossy(body);
    if let (Some(from), Some(to)) = (text.find("<NextMarker>"), text.find("</NextMarker>")) {
        return (text[..from].to_owned() + &text[to + 13..]).into();
    }
    let mut body = body.to_vec();
    for at in 0..body.len() {
        if let Some(name) = body.get_mut(at..at + 9)
            && name.eq_ignore_ascii_case(b"NextToken")
        {
            name[..4].copy_from_slice(b"seen");
        }
    }
    body.into()
}

/// Over the head, every header but the signature, and the body. The SDK writes a DynamoDB item's members in any order,
/// and signs what it wrote: members count in alphabetical order.
fn digest(head: &str, headers: &HeaderMap, body: &[u8]) -> [u8; 32] {
    let mut sum = Sha256::new();
    sum.update(head);
    for (name, value) in headers {
        if name == http::header::AUTHORIZATION {
            continue;
        }
        sum.update(name.as_str());
        sum.update(b": ");
        sum.update(value.as_bytes());
        sum.update(b"\n");
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(mut members) => {
            members.sort_all_objects();
            sum.update(members.to_string());
        }
        Err(_) => sum.update(body),
    }
    sum.finalize().into()
}
