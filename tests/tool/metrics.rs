//! What Prometheus is told.

use interop::scrape::{self, Samples};
use interop::{Need, eventually, require};

use crate::lab::{BGPD, Lab, METRICS};

fn scrape(lab: &Lab) -> Samples {
    lab.inside(|| scrape::metrics(METRICS)).unwrap()
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
    let status = |request: &str| {
        let answer = lab.inside(|| scrape::ask(METRICS, request));
        answer.unwrap().0
    };
    assert!(status("GET / HTTP/1.1\r\n\r\n").contains("404"));
    assert!(status("POST /metrics HTTP/1.1\r\n\r\n").contains("405"));
    assert!(status(&"x".repeat(9000)).contains("400"));
}
