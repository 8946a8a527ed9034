//! Conditions of listener rules: patterns and networks, held against a slower and plainer reading of them.

use std::net::{IpAddr, Ipv6Addr};

use emulator::world::elb::condition::{Condition, parse_cidr};
use emulator::world::elb::routing::RequestHead;

/// The bytes, split at the first line break: a pattern (or a network), and a text (or an address).
///
/// `*` is any text and `?` any one byte, in any number; a network holds what shares its prefix.
pub(crate) fn a_condition(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (pattern, subject) = text.split_once('\n').unwrap_or((&text, ""));
    let address: IpAddr = subject.parse().unwrap_or(IpAddr::V6(Ipv6Addr::LOCALHOST));
    let headers = [("X-Colour", subject)];
    let head = RequestHead {
        method: subject,
        path: subject,
        host: subject,
        headers: &headers,
        query: subject,
        source_ip: address,
    };
    let patterns = || vec![pattern.to_owned()];
    // The plain reading takes time that grows with the square; long texts say nothing new.
    if pattern.len() * subject.len() <= 10_000 {
        let holds = |sensitive: bool| {
            let fold = |text: &str| {
                if sensitive {
                    text.to_owned()
                } else {
                    text.to_ascii_lowercase()
                }
            };
            matches(fold(pattern).as_bytes(), fold(subject).as_bytes())
        };
        assert_eq!(
            Condition::Path(patterns()).holds(&head),
            holds(true),
            "{pattern:?} {subject:?}"
        );
        assert_eq!(
            Condition::Host(patterns()).holds(&head),
            holds(false),
            "{pattern:?} {subject:?}"
        );
    }
    let by_header = Condition::Header {
        name: "x-colour".to_owned(),
        values: patterns(),
    };
    assert_eq!(
        by_header.holds(&head),
        Condition::Host(patterns()).holds(&head)
    );
    let _ = Condition::Query(vec![(Some(pattern.to_owned()), "*".to_owned())]).holds(&head);
    if let Some((network, prefix)) = parse_cidr(pattern) {
        assert_eq!(
            parse_cidr(&format!("{network}/{prefix}")),
            Some((network, prefix))
        );
        let inside = Condition::SourceIp(vec![(network, prefix)]).holds(&head);
        assert_eq!(
            inside,
            shares(bits(network), bits(address), prefix),
            "{network}/{prefix} {address}"
        );
    }
}

/// Whether a pattern matches, by what remains of the pattern at each place of the text.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let mut row: Vec<bool> = vec![false; text.len() + 1];
    row[0] = true;
    for byte in pattern {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            next[at] = match byte {
                b'*' => row[at] || at > 0 && next[at - 1],
                b'?' => at > 0 && row[at - 1],
                byte => at > 0 && row[at - 1] && text[at - 1] == *byte,
            };
        }
        row = next;
    }
    row[text.len()]
}

/// An address as a row of bits.
fn bits(address: IpAddr) -> Vec<bool> {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    octets
        .iter()
        .flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1))
        .collect()
}

fn shares(network: Vec<bool>, address: Vec<bool>, prefix: u8) -> bool {
    network.len() == address.len()
        && network
            .iter()
            .zip(&address)
            .take(prefix.into())
            .all(|(one, other)| one == other)
}
