//! What the whole agent tells Prometheus: exposures, wiring, databases, and how long OVN's news take to the speaker.

mod agent_node;

use agent_node::cloud::{self, Vm};
use agent_node::*;
use interop::scrape::{self, Samples};
use interop::wait_until;

const METRICS: &str = "127.0.0.1:9469";

fn scrape(node: &Node) -> Samples {
    let scraped = node.namespace.inside(|| scrape::metrics(METRICS));
    scraped.unwrap().unwrap()
}

#[test]
fn the_agents_metrics_follow_what_ovn_wants() {
    if !can_run() {
        return;
    }
    let (nb, mut node) = lab();
    node.configure_section("bgp", &format!("metrics_listen = {METRICS}"));
    nb.transact(&cloud::boot(Vm(10))).unwrap();
    node.start_agent();
    node.expect(&["172.24.4.10"]);
    let before = scrape(&node);
    let of = |samples: &Samples, name: &str| {
        let value = samples.get(&format!("ovn_bgp_agent_{name}"));
        *value.unwrap_or_else(|| panic!("no {name} in {samples:#?}"))
    };
    let told = "ovn_to_advert_seconds_count";
    assert_eq!(of(&before, "exposures"), 1.0);
    assert_eq!(of(&before, "bgp_originated_prefixes{source=\"ovn\"}"), 1.0);
    assert_eq!(of(&before, told), 0.0, "the first pass is no news");
    assert!(of(&before, "reconcile_writes_total") > 0.0);
    assert_eq!(of(&before, "changes_failed_total"), 0.0);
    let connected: Vec<_> = before
        .iter()
        .filter(|(name, _)| name.starts_with("ovn_bgp_agent_database_connected"))
        .collect();
    assert!(connected.len() >= 2, "{before:#?}");
    assert!(connected.iter().all(|(_, up)| **up == 1.0), "{connected:?}");

    nb.transact(&cloud::boot(Vm(11))).unwrap();
    node.expect(&["172.24.4.10", "172.24.4.11"]);
    // The speaker tells the neighbour before the agent's loop has noted how long that took.
    let noted = wait_until(DEADLINE, "the change in the histogram", || {
        of(&scrape(&node), told) == 1.0
    });
    let after = scrape(&node);
    assert!(noted.is_ok(), "{after:#?}");
    assert_eq!(of(&after, "exposures"), 2.0);
    let took = of(&after, "ovn_to_advert_seconds_sum");
    assert!(took > 0.0 && took < DEADLINE.as_secs_f64(), "{took}");
    let counted = of(&after, "ovn_to_advert_seconds_bucket{le=\"+Inf\"}");
    assert_eq!(counted, 1.0);
    assert!(of(&after, "changes_applied_total") > of(&before, "changes_applied_total"));
    assert!(of(&after, "bgp_update_to_wire_seconds_count") >= 1.0);
}
