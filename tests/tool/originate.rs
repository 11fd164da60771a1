//! Routes by hand.

use std::fmt::Write;
use std::net::Ipv4Addr;

use interop::{Need, eventually, require};

use crate::lab::{BGPD, Lab};

#[test]
fn ten_thousand_prefixes_of_a_file_reach_the_leaf_and_leave_it() {
    require!(Need::Root, BGPD);
    let lab = Lab::new(65002);
    let file = lab.dir.path().join("prefixes");
    let mut text = "# ten thousand\n".to_owned();
    for n in 0..10_000u32 {
        writeln!(text, "{}", Ipv4Addr::from(0x0a10_0000 + n)).unwrap();
    }
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let said = lab.says(&["originate", "--file", file]);
    assert!(said.starts_with("10000 prefixes originated"), "{said}");
    eventually(10_000, || lab.prefixes_at_leaf());
    assert_eq!(
        lab.says(&["withdraw", "--file", file]),
        "10000 prefixes withdrawn\n"
    );
    eventually(0, || lab.prefixes_at_leaf());
}

#[test]
fn a_route_has_the_attributes_that_were_asked_for_and_goes_with_withdraw() {
    require!(Need::Root, BGPD);
    let lab = Lab::new(65001);
    lab.says(&[
        "originate",
        "198.51.100.7",
        "--med",
        "42",
        "--local-preference",
        "70",
        "--community",
        "65001:5,no-export",
        "--large-community",
        "4200000000:1:2",
        "--next-hop",
        "10.9.0.77",
    ]);
    eventually(false, || lab.path("198.51.100.7/32").is_null());
    let path = lab.path("198.51.100.7/32");
    assert_eq!(path["metric"], 42, "{path}");
    assert_eq!(path["locPrf"], 70, "{path}");
    assert_eq!(path["community"]["string"], "65001:5 no-export", "{path}");
    assert_eq!(path["largeCommunity"]["string"], "4200000000:1:2", "{path}");
    assert_eq!(path["nexthops"][0]["ip"], "10.9.0.77", "{path}");
    lab.says(&["withdraw", "--all"]);
    eventually(true, || lab.path("198.51.100.7/32").is_null());
}

#[test]
fn a_bad_prefix_is_named_and_nothing_is_originated() {
    require!(Need::Root, BGPD);
    let lab = Lab::new(65002);
    let file = lab.dir.path().join("prefixes");
    std::fs::write(&file, "198.51.100.7\n198.51.100.0/33\n").unwrap();
    let output = lab.output(&["originate", "--file", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("prefixes:2:"), "{error}");
    let routes = lab.json(&["show", "routes"]);
    let own = routes["routes"].as_array().unwrap().iter();
    assert_eq!(own.filter(|r| r["peer"].is_null()).count(), 0, "{routes}");
}

#[test]
fn a_stop_is_silent_and_the_leaf_keeps_the_routes() {
    require!(Need::Root, BGPD);
    let mut lab = Lab::new(65002);
    lab.says(&["originate", "198.51.100.7"]);
    eventually(1, || lab.prefixes_at_leaf());
    lab.stop();
    eventually(false, || lab.frr.is_established(crate::lab::OURS));
    assert!(!lab.path("198.51.100.7/32").is_null(), "kept while away");
    lab.start();
    // What was originated by hand does not survive, and End-of-RIB says so.
    eventually(true, || lab.path("198.51.100.7/32").is_null());
}
