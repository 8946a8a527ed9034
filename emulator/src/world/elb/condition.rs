//! Conditions of rules and how a request meets them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::routing::RequestHead;

/// A condition; it holds if any of its values matches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Condition {
    /// `path-pattern`, case-sensitive.
    Path(Vec<String>),
    /// `host-header`.
    Host(Vec<String>),
    /// `http-header`.
    Header {
        /// Name, in any case.
        name: String,
        /// Patterns.
        values: Vec<String>,
    },
    /// `http-request-method`, exact.
    Method(Vec<String>),
    /// `query-string`: key (any, if absent) and value patterns.
    Query(Vec<(Option<String>, String)>),
    /// `source-ip`: address and prefix length.
    SourceIp(Vec<(IpAddr, u8)>),
}

impl Condition {
    /// Reads a `RuleCondition`, in the old form (`Values`) or the new one (`…Config`).
    #[must_use]
    pub fn parse(condition: &Value) -> Option<Self> {
        let values = |config: &str| {
            let list = &condition[config]["Values"];
            strings(if list.is_array() {
                list
            } else {
                &condition["Values"]
            })
        };
        match condition["Field"].as_str()? {
            "path-pattern" => Some(Self::Path(values("PathPatternConfig"))),
            "host-header" => Some(Self::Host(values("HostHeaderConfig"))),
            "http-header" => Some(Self::Header {
                name: condition["HttpHeaderConfig"]["HttpHeaderName"]
                    .as_str()?
                    .to_owned(),
                values: values("HttpHeaderConfig"),
            }),
            "http-request-method" => Some(Self::Method(values("HttpRequestMethodConfig"))),
            "query-string" => Some(Self::Query(
                condition["QueryStringConfig"]["Values"]
                    .as_array()?
                    .iter()
                    .filter_map(|pair| {
                        Some((
                            pair["Key"].as_str().map(str::to_owned),
                            pair["Value"].as_str()?.to_owned(),
                        ))
                    })
                    .collect(),
            )),
            "source-ip" => Some(Self::SourceIp(
                values("SourceIpConfig")
                    .iter()
                    .filter_map(|cidr| parse_cidr(cidr))
                    .collect(),
            )),
            _ => None,
        }
    }

    /// Whether a request meets it.
    #[must_use]
    pub fn holds(&self, head: &RequestHead<'_>) -> bool {
        match self {
            Self::Path(patterns) => patterns
                .iter()
                .any(|pattern| glob(pattern, head.path, Case::Sensitive)),
            Self::Host(patterns) => patterns
                .iter()
                .any(|pattern| glob(pattern, head.host, Case::Ignored)),
            Self::Header { name, values } => head
                .headers
                .iter()
                .filter(|(header, _)| header.eq_ignore_ascii_case(name))
                .any(|(_, value)| {
                    values
                        .iter()
                        .any(|pattern| glob(pattern, value, Case::Ignored))
                }),
            Self::Method(methods) => methods.iter().any(|method| method == head.method),
            Self::Query(pairs) => pairs.iter().any(|(key, pattern)| {
                head.query
                    .split('&')
                    .filter(|part| !part.is_empty())
                    .any(|part| {
                        let (name, value) = part.split_once('=').unwrap_or((part, ""));
                        key.as_ref()
                            .is_none_or(|key| glob(key, name, Case::Ignored))
                            && glob(pattern, value, Case::Ignored)
                    })
            }),
            Self::SourceIp(networks) => networks
                .iter()
                .any(|(network, prefix)| within(head.source_ip, *network, *prefix)),
        }
    }
}

/// Reads `192.0.2.0/24`.
#[must_use]
pub fn parse_cidr(cidr: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = cidr.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let prefix: u8 = prefix.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    (prefix <= longest).then_some((address, prefix))
}

fn within(address: IpAddr, network: IpAddr, prefix: u8) -> bool {
    let (address, network, bits) = match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => (
            u128::from(address.to_bits()),
            u128::from(network.to_bits()),
            32,
        ),
        (IpAddr::V6(address), IpAddr::V6(network)) => (address.to_bits(), network.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    prefix == 0 || (address ^ network) >> (bits - u32::from(prefix)) == 0
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Sensitive,
    Ignored,
}

/// AWS's wildcards: `*` is any text, `?` any one character.
fn glob(pattern: &str, text: &str, case: Case) -> bool {
    let fold = |text: &str| -> Vec<u8> {
        match case {
            Case::Sensitive => text.as_bytes().to_vec(),
            Case::Ignored => text.to_ascii_lowercase().into_bytes(),
        }
    };
    let (pattern, text) = (fold(pattern), fold(text));
    let (mut at, mut pos) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while pos < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at + 1, pos));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[pos] => {
                at += 1;
                pos += 1;
            }
            Some(_) | None => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    at = star;
                    pos = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array()
        .map(|values| {
            values
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_in_aws() {
        assert!(glob("/api/*", "/api/v1/users", Case::Sensitive));
        assert!(!glob("/api/*", "/API/v1", Case::Sensitive));
        assert!(glob("*.example.com", "Shop.Example.com", Case::Ignored));
        assert!(glob("/a?c*e", "/abcde", Case::Sensitive));
        assert!(!glob("/a", "/ab", Case::Sensitive));
        assert!(glob("*", "", Case::Sensitive));
    }

    #[test]
    fn networks_hold_their_addresses() {
        let inside = |cidr: &str, address: &str| {
            let (network, prefix) = parse_cidr(cidr).unwrap();
            within(address.parse().unwrap(), network, prefix)
        };
        assert!(inside("10.1.0.0/16", "10.1.200.3"));
        assert!(!inside("10.1.0.0/16", "10.2.0.1"));
        assert!(inside("0.0.0.0/0", "8.8.8.8"));
        assert!(inside("2001:db8::/32", "2001:db8::1"));
        assert!(!inside("0.0.0.0/0", "::1"));
        assert_eq!(parse_cidr("10.0.0.0/33"), None);
    }
}
