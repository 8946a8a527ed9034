//! Checks of single texts, by the name that `format` gives them in the schema.

use std::time::Duration;

use jiff::fmt::friendly::SpanParser;

use super::schedule::Edge;
use crate::analysis::Condition;
use crate::{image, schedule};

/// The longest length of time that may be written.
const LONGEST: Duration = Duration::from_secs(14 * 24 * 3600);

/// `Err` says what would be right. Formats that are not known here allow everything.
pub(super) fn check(format: &str, text: &str) -> Result<(), String> {
    match format {
        "application-name" => name(text, 40),
        "gate-name" => name(text, 20),
        "condition" => text.parse::<Condition>().map(drop).map_err(str::to_owned),
        "metric-id" => metric_id(text),
        "time-zone" => time_zone(text),
        "window-end" => Edge::parse(text).map(drop),
        "url" => url(text),
        "header-name" => header_name(text),
        "header-value" if text.chars().any(char::is_control) => {
            Err("write printable characters only".into())
        }
        "target-group-arn" => arn(text, ArnKind::TargetGroup),
        "listener-arn" => arn(text, ArnKind::Listener),
        "rule-arn" => arn(text, ArnKind::Rule),
        "family" => {
            family(text).map_err(|right| format!("{right}, or `inline:` with AWS's own JSON"))
        }
        "family-alone" => family(text),
        "function" => function(text),
        "parameter-name" => parameter(text),
        "secret-variable" => variable(text),
        "image-template" => image::Template::parse(text).map(|_| ()),
        "period" => period(text).map(|_| ()),
        "deadline" if period(text)? < Duration::from_secs(1) => Err("write at least `1s`".into()),
        "response-time" => response_time(text),
        "tag-key" if text.starts_with("aws:") || text.starts_with("teal:") => {
            Err("keys that start with `aws:` or `teal:` are taken; choose another".into())
        }
        _ => Ok(()),
    }
}

/// A length of time such as `30s`, `5m` or `1h30m`.
pub(super) fn period(text: &str) -> Result<Duration, String> {
    let right =
        || "write a length of time such as `30s`, `5m` or `1h30m`, at most `336h`".to_owned();
    let starts_with_digit = text.starts_with(|c: char| c.is_ascii_digit());
    let parsed = SpanParser::new()
        .parse_unsigned_duration(text)
        .ok()
        .filter(|_| starts_with_digit);
    parsed.filter(|period| *period <= LONGEST).ok_or_else(right)
}

/// Whole milliseconds within the longest time that a load balancer usually waits.
fn response_time(text: &str) -> Result<(), String> {
    let right =
        "write a length of time from `1ms` to `60s`, in whole milliseconds, such as `300ms`";
    let time = period(text).map_err(|_| right)?;
    let within = (Duration::from_millis(1)..=Duration::from_secs(60)).contains(&time);
    let whole = time.subsec_nanos().is_multiple_of(1_000_000);
    (within && whole)
        .then_some(())
        .ok_or_else(|| right.to_owned())
}

fn time_zone(text: &str) -> Result<(), String> {
    let right = "write the IANA name of a time zone, such as `Europe/Berlin` or `UTC`";
    let known = schedule::zone(text).map(drop);
    known.ok_or_else(|| right.to_owned())
}

/// Small letters, digits and `-`, at most `longest` characters.
fn name(text: &str, longest: usize) -> Result<(), String> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let right = (1..=longest).contains(&text.len())
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-');
    right.then_some(()).ok_or_else(|| {
        format!(
            "write 1 to {longest} small letters, digits and `-`, with a letter or digit at both ends"
        )
    })
}

/// An absolute URL with a host, and without a user or a password, which would stand there for all to read.
fn url(text: &str) -> Result<(), String> {
    let right = "write an address such as `http://internal.example:9080/health`";
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    let authority = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    match authority {
        Some(authority) if authority.contains('@') => {
            Err("write the address without a user and a password".into())
        }
        Some(authority) if !authority.is_empty() && http::Uri::try_from(text).is_ok() => Ok(()),
        Some(_) | None => Err(right.into()),
    }
}

/// An id of a query of GetMetricData.
fn metric_id(text: &str) -> Result<(), String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let right = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(word)
        && text.len() <= 255;
    let words = "write a small letter, then letters, digits and `_`";
    right.then_some(()).ok_or_else(|| words.to_owned())
}

fn header_name(text: &str) -> Result<(), String> {
    let owned = [
        "host",
        "content-length",
        "idempotency-key",
        "transfer-encoding",
    ];
    if owned.iter().any(|name| text.eq_ignore_ascii_case(name)) {
        return Err("it is set for each request; remove it".into());
    }
    http::HeaderName::try_from(text)
        .map(drop)
        .map_err(|_| "write a header's name, such as `x-test`".to_owned())
}

/// A task definition family, or one revision of it.
fn family(text: &str) -> Result<(), String> {
    let (family, revision) = text.split_once(':').unwrap_or((text, "1"));
    let right = (1..=255).contains(&family.len())
        && family
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        && !revision.is_empty()
        && revision.chars().all(|c| c.is_ascii_digit());
    right.then_some(()).ok_or_else(|| {
        "write a task definition's `family` or `family:revision` (not an ARN)".to_owned()
    })
}

/// A parameter's full name.
/// (<https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html>)
fn parameter(text: &str) -> Result<(), String> {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let rest = text.strip_prefix('/').unwrap_or_default();
    let right = rest
        .split('/')
        .all(|part| !part.is_empty() && part.chars().all(inner));
    let words = "write the full name of a parameter, such as `/teal/secrets/qa`";
    right.then_some(()).ok_or_else(|| words.to_owned())
}

/// A variable that may hold a webhook's secret, and nothing else of the environment.
fn variable(text: &str) -> Result<(), String> {
    let inner = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let rest = text.strip_prefix("TEAL_WEBHOOK_").unwrap_or_default();
    let right = !rest.is_empty() && rest.chars().all(inner);
    let words = "write the name of a variable that begins with `TEAL_WEBHOOK_`";
    right.then_some(()).ok_or_else(|| words.to_owned())
}

/// A Lambda function's name or ARN, perhaps with a version or an alias.
/// (<https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>)
fn function(text: &str) -> Result<(), String> {
    let right =
        "write a function's name, `name:alias` or its ARN (`arn:aws:lambda:…:function:name`)";
    let named = match text.split_once(":function:") {
        Some((arn, named)) => {
            let parts: Vec<&str> = arn.split(':').collect();
            let right = matches!(&parts[..], ["arn", partition, "lambda", region, account]
                if partition.starts_with("aws") && !region.is_empty() && account.len() == 12
                    && account.chars().all(|c| c.is_ascii_digit()));
            right.then_some(named)
        }
        None => Some(text),
    };
    let word = |word: &str, longest: usize| {
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        (1..=longest).contains(&word.len()) && word.chars().all(inner)
    };
    let fits = |named: &str| {
        let (name, qualifier) = named.split_once(':').unwrap_or((named, "1"));
        word(name, 64) && (qualifier == "$LATEST" || word(qualifier, 128))
    };
    let right_one = named.is_some_and(fits);
    right_one.then_some(()).ok_or_else(|| right.to_owned())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ArnKind {
    TargetGroup,
    Listener,
    Rule,
}

impl ArnKind {
    /// Resource type and number of parts that follow it.
    /// (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancingv2.html>)
    fn shape(self) -> (&'static str, usize) {
        match self {
            Self::TargetGroup => ("targetgroup", 2),
            Self::Listener => ("listener", 4),
            Self::Rule => ("listener-rule", 5),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::TargetGroup => {
                "a target group's ARN (arn:aws:elasticloadbalancing:…:targetgroup/NAME/ID)"
            }
            Self::Listener => {
                "an application load balancer listener's ARN (arn:aws:elasticloadbalancing:…:listener/app/NAME/ID/ID)"
            }
            Self::Rule => {
                "a listener rule's ARN (arn:aws:elasticloadbalancing:…:listener-rule/app/NAME/ID/ID/ID)"
            }
        }
    }
}

fn arn(text: &str, wanted: ArnKind) -> Result<(), String> {
    let kinds = [ArnKind::TargetGroup, ArnKind::Listener, ArnKind::Rule];
    match kinds.into_iter().find(|kind| is_arn(text, *kind)) {
        Some(found) if found == wanted => Ok(()),
        Some(ArnKind::Rule) if wanted == ArnKind::Listener => {
            Err("this is the ARN of a rule; write it as `rule:`".into())
        }
        Some(ArnKind::Listener) if wanted == ArnKind::Rule => {
            Err("this is the ARN of a listener; write it as `listener:`".into())
        }
        Some(found) => Err(format!(
            "this is {}; write {}",
            found.words(),
            wanted.words()
        )),
        None if text.contains(":loadbalancer/") => Err(format!(
            "this is a load balancer's ARN; write {}",
            wanted.words()
        )),
        None if text.contains("/net/") => Err(format!(
            "network load balancers are not supported; write {}",
            wanted.words()
        )),
        None => Err(format!("write {}", wanted.words())),
    }
}

fn is_arn(text: &str, kind: ArnKind) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [
        "arn",
        partition,
        "elasticloadbalancing",
        region,
        account,
        resource,
    ] = parts.as_slice()
    else {
        return false;
    };
    let name = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let id = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    let resource_name = |text: &str| {
        (1..=32).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let (resource_type, following) = kind.shape();
    let mut resource = resource.split('/');
    if !(name(partition)
        && name(region)
        && account.len() == 12
        && account.chars().all(|c| c.is_ascii_digit()))
        || resource.next() != Some(resource_type)
    {
        return false;
    }
    let mut rest: Vec<&str> = resource.collect();
    if rest.len() != following || kind != ArnKind::TargetGroup && rest.remove(0) != "app" {
        return false;
    }
    resource_name(rest[0]) && rest[1..].iter().all(|part| id(part))
}
