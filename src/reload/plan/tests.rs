use super::*;
use crate::config::{Input, Loaded};

const START: &str = "[DEFAULT]\ndriver = nb_ovn_bgp_driver\n";

fn config(text: &str) -> Config {
    let loaded = Loaded::read(&Input {
        files: vec![("a.conf".into(), format!("{START}{text}"))],
        ..Input::default()
    });
    assert!(loaded.is_valid(), "{:#?}", loaded.problems);
    loaded.config
}

fn lines(old: &str, new: &str) -> Vec<String> {
    plan(&config(old), &config(new)).lines()
}

const TWO: &str =
    "[bgp_neighbor a]\naddress = 192.0.2.1\npassword = x\n[bgp_neighbor b]\naddress = 192.0.2.2\n";

#[test]
fn the_same_configuration_is_nothing() {
    assert_eq!(lines(TWO, TWO), ["nothing differs"]);
    let moved = "[bgp_neighbor b]\naddress = 192.0.2.2\n[bgp_neighbor a]\naddress = 192.0.2.1\npassword = x\n";
    assert_eq!(lines(TWO, moved), ["nothing differs"]);
}

#[test]
fn a_password_concerns_its_neighbour_only_and_is_not_shown() {
    let new = TWO.replace("password = x", "password = hunter2");
    assert_eq!(
        lines(TWO, &new),
        [
            "neighbor a: session restarted (password)",
            "1 neighbor unchanged"
        ]
    );
}

#[test]
fn neighbours_come_and_go() {
    let new = "[bgp_neighbor b]\naddress = 192.0.2.2\n[bgp_neighbor c]\naddress = 192.0.2.1\n";
    assert_eq!(
        lines(TWO, new),
        [
            "neighbor c: added",
            "neighbor a: removed",
            "1 neighbor unchanged"
        ]
    );
}

#[test]
fn what_judges_routes_keeps_the_session() {
    let list = "[bgp_prefix_list l]\nrules = permit 192.0.2.0/24 ge 32\n";
    let old = format!("{list}{TWO}export_prefixes = l\n");
    let wider = old.replace("192.0.2.0/24", "192.0.0.0/16");
    assert_eq!(
        lines(&old, &wider)[0],
        "neighbor b: routes refreshed (export)"
    );
    let timers = format!("{TWO}hold_time = 30\ndescription = x\n");
    assert_eq!(
        lines(TWO, &timers)[0],
        "neighbor b: applied (hold_time, keepalive_time, description)"
    );
}

#[test]
fn a_change_of_a_group_is_one_of_its_members() {
    let text = |families: &str| {
        format!(
            "[bgp_group g]\nfamilies = {families}\n[bgp_neighbor 192.0.2.1]\ngroup = g\n[bgp_neighbor 192.0.2.2]\n"
        )
    };
    assert_eq!(
        lines(&text("ipv4-unicast"), &text("ipv6-unicast")),
        [
            "neighbor 192.0.2.1: session restarted (families)",
            "1 neighbor unchanged"
        ]
    );
}

#[test]
fn another_as_is_another_speaker() {
    let report = lines(
        &format!("[bgp]\nas = 65001\n{TWO}"),
        &format!("[bgp]\nas = 65002\n{TWO}"),
    );
    assert_eq!(
        report,
        [
            "neighbor a: session restarted (as)",
            "neighbor b: session restarted (as)",
            "[bgp] as: applied"
        ]
    );
}

#[test]
fn what_counts_at_the_next_start_only_is_said_and_left() {
    let more = "[DEFAULT]\nbgp_nic = nic7\ndebug = true\nreconcile_interval = 60\n[bgp]\nport = 1179\nmax_paths = 2\n";
    let (old, new) = (config(TWO), config(&format!("{more}{TWO}")));
    assert_eq!(
        plan(&old, &new).lines(),
        [
            "[DEFAULT] reconcile_interval: applied",
            "[DEFAULT] bgp_nic: needs a restart of the agent",
            "[DEFAULT] debug: applied",
            "[bgp] max_paths, multipath_relax: applied",
            "[bgp] port: needs a restart of the agent",
            "2 neighbors unchanged",
        ]
    );
    let running = effective(&old, new.clone());
    assert_eq!(
        (running.bgp.port, running.bgp.multipath.max_paths),
        (179, 2)
    );
    assert!(running.logging.debug && running.agent.bgp_nic == "bgp-nic");
    let again = plan(&running, &new).lines();
    assert_eq!(again[0], "[DEFAULT] bgp_nic: needs a restart of the agent");
    assert_eq!(again.len(), 3, "{again:?}");
}
