//! What Prometheus is told, read by the letter of its text format.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;

use interop::{Need, eventually, require};

use crate::lab::{BGPD, Lab, METRICS};

/// A scrape: status line, and body.
fn get(lab: &Lab, request: &str) -> (String, String) {
    let answer = lab.inside(|| {
        let mut stream = TcpStream::connect(METRICS).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

fn scrape(lab: &Lab) -> Samples {
    let (status, body) = get(lab, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(status, "HTTP/1.1 200 OK");
    parse(&body)
}

/// Values by name with labels, as written.
type Samples = BTreeMap<String, f64>;

/// Parses strictly: every sample under the HELP and TYPE of its family, once, with labels well quoted.
fn parse(text: &str) -> Samples {
    let mut samples = Samples::new();
    let mut families = BTreeSet::new();
    let (mut family, mut kind) = (String::new(), String::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(!words.is_empty(), "{line}");
            assert!(families.insert(name.to_owned()), "{name} comes twice");
            let kinds = lines.next().unwrap().strip_prefix("# TYPE ").unwrap();
            let (of, is) = kinds.split_once(' ').unwrap();
            assert_eq!(of, name);
            assert!(["counter", "gauge", "histogram"].contains(&is), "{kinds}");
            (family, kind) = (name.to_owned(), is.to_owned());
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        assert!(name.chars().all(plain), "{line}");
        let suffix = name
            .strip_prefix(&*family)
            .unwrap_or_else(|| panic!("{line} not of {family}"));
        match kind.as_str() {
            "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}"),
            "counter" => assert!(suffix.is_empty() && name.ends_with("_total"), "{line}"),
            _ => assert!(suffix.is_empty(), "{line}"),
        }
        check_labels(&series[name.len()..]);
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(
            samples.insert(series.to_owned(), value).is_none(),
            "{line} comes twice"
        );
    }
    assert!(text.ends_with('\n'));
    samples
}

/// `{name="value",…}`, quotes and backslashes escaped.
fn check_labels(labels: &str) {
    if labels.is_empty() {
        return;
    }
    let inner = labels
        .strip_prefix('{')
        .and_then(|l| l.strip_suffix('}'))
        .unwrap();
    let mut rest = inner;
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"").unwrap();
        assert!(
            name.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
            "{labels}"
        );
        let mut escaped = false;
        let end = value.find(|c: char| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        rest = &value[end.unwrap() + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

#[test]
fn metrics_are_well_formed_and_say_what_is() {
    require!(Need::Root, BGPD);
    let mut lab = Lab::new(65002);
    lab.says(&["originate", "198.51.100.7", "198.51.100.8"]);
    eventually(2, || lab.prefixes_at_leaf());
    let samples = scrape(&lab);
    let of = |name: &str| {
        let value = samples.get(&format!("ovn_bgp_agent_{name}"));
        *value.unwrap_or_else(|| panic!("no {name} in {samples:#?}"))
    };
    let leaf = |name: &str| of(&format!("{name}{{neighbor=\"leaf\"}}"));
    assert_eq!(of("bgp_sessions{state=\"Established\"}"), 1.0);
    assert_eq!(leaf("bgp_neighbor_up"), 1.0);
    assert_eq!(leaf("bgp_prefixes_sent"), 2.0);
    assert_eq!(leaf("bgp_session_flaps_total"), 0.0);
    assert_eq!(of("bgp_originated_prefixes{source=\"operator\"}"), 2.0);
    assert!(of("bgp_update_to_wire_seconds_count") >= 1.0);
    let opens = "{neighbor=\"leaf\",direction=\"received\",type=\"open\"}";
    assert!(of(&format!("bgp_messages_total{opens}")) >= 1.0);
    assert!(samples["process_resident_memory_bytes"] > 1e6);
    lab.frr.kill("bgpd");
    eventually(
        1.0,
        || scrape(&lab)["ovn_bgp_agent_bgp_session_flaps_total{neighbor=\"leaf\"}"],
    );
    let down = scrape(&lab);
    let mut reasons = down.keys().filter(|key| key.contains("last_reset"));
    assert!(reasons.next().unwrap().contains("cause=\""), "{down:#?}");
}

#[test]
fn what_is_no_scrape_is_refused() {
    require!(Need::Root, BGPD);
    let lab = Lab::new(65002);
    let status = |request: &str| get(&lab, request).0;
    assert!(status("GET / HTTP/1.1\r\n\r\n").contains("404"));
    assert!(status("POST /metrics HTTP/1.1\r\n\r\n").contains("405"));
    assert!(status(&"x".repeat(9000)).contains("400"));
}
