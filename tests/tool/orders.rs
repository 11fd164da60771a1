//! `drain`, `undrain`, `reset` and `reload`.

use interop::{Need, eventually, require};

use crate::lab::{BGPD, Lab};

const HOST: &str = "198.51.100.7/32";

/// The communities FRR has with the prefix.
fn communities(lab: &Lab) -> String {
    let path = lab.path(HOST);
    path["community"]["string"]
        .as_str()
        .unwrap_or("")
        .to_owned()
}

#[test]
fn a_drain_asks_for_other_paths_then_withdraws_and_undrain_takes_it_back() {
    require!(Need::Root, BGPD);
    let lab = Lab::new(65002);
    lab.says(&["originate", HOST]);
    eventually(1, || lab.prefixes_at_leaf());
    lab.says(&["drain", "--keep"]);
    eventually("graceful-shutdown".to_owned(), || communities(&lab));
    assert_eq!(lab.json(&["show", "summary"])["drain"], "leaving");
    let said = lab.says(&["drain", "--after", "1", "--wait"]);
    assert!(said.starts_with("drained"), "{said}");
    eventually(0, || lab.prefixes_at_leaf());
    assert_eq!(lab.json(&["show", "summary"])["drain"], "withdrawn");
    assert!(lab.frr.is_established(crate::lab::OURS));
    // What is originated meanwhile waits.
    lab.says(&["originate", "198.51.100.8"]);
    lab.says(&["undrain"]);
    eventually(2, || lab.prefixes_at_leaf());
    assert_eq!(communities(&lab), "");
    assert_eq!(lab.json(&["show", "summary"])["drain"], "no");
}

#[test]
fn a_reset_ends_the_session_for_a_moment_and_a_soft_one_keeps_it() {
    require!(Need::Root, BGPD);
    let lab = Lab::new(65002);
    let before = lab.json(&["show", "neighbors", "leaf"]);
    let said = lab.says(&["reset", "leaf", "--soft"]);
    assert!(said.contains("asked for its routes again"), "{said}");
    let after = lab.json(&["show", "neighbors", "leaf"]);
    let refreshes = |neighbors: &serde_json::Value| {
        let sent = &neighbors["leaf"]["messageStats"]["routeRefreshSent"];
        sent.as_u64().unwrap()
    };
    assert!(refreshes(&after) > refreshes(&before), "{after}");
    assert_eq!(after["leaf"]["connectionsDropped"], 0, "{after}");
    lab.says(&["reset", "leaf", "--message", "rack 7 moves"]);
    let at_leaf = || {
        let ours = crate::lab::OURS;
        let neighbor = lab.frr.json(&format!("show bgp neighbors {ours}"));
        neighbor.unwrap()[ours].clone()
    };
    eventually(1, || at_leaf()["connectionsDropped"].as_u64().unwrap());
    lab.wait_established();
    let leaf = lab.json(&["show", "neighbors"])["leaf"].clone();
    assert_eq!(leaf["lastResetDueTo"], "reset by the operator", "{leaf}");
    let output = lab.output(&["reset", "spine"]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("no neighbor is called 'spine'"), "{error}");
}

#[test]
fn a_reload_says_what_it_does_and_a_broken_file_changes_nothing() {
    require!(Need::Root, BGPD);
    let lab = Lab::new(65002);
    assert_eq!(lab.says(&["reload"]), "nothing differs\n");
    let text = lab.configuration();
    let added = format!("{text}[bgp_neighbor spare]\naddress = 10.9.0.3\nremote_as = 65003\n");
    lab.configure(&added);
    let said = lab.says(&["reload"]);
    assert!(said.contains("neighbor spare: added"), "{said}");
    assert!(lab.json(&["show", "neighbors"])["spare"].is_object());
    lab.configure(&format!("{text}[bgp_neighbor broken]\nremote_as = none\n"));
    // The subcommand reads the same file for the socket, so it is asked for by another way.
    let output = lab.output_with_socket(&["reload"]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("remote_as"), "{error}");
    lab.configure(&text);
    assert!(lab.json(&["show", "neighbors"])["spare"].is_object());
    assert_eq!(
        lab.json(&["show", "neighbors"])["leaf"]["connectionsDropped"],
        0
    );
}

#[test]
fn check_and_a_dry_run_tell_what_a_reload_would_do_and_do_nothing() {
    require!(Need::Root, BGPD);
    let mut lab = Lab::new(65002);
    let check = |lab: &Lab, words: &[&str]| {
        // Its status is about the node, which is none here.
        let output = lab.output(&[&["check"], words].concat());
        String::from_utf8(output.stdout).unwrap()
    };
    let would = |told: &str| -> Vec<String> {
        let lines = told
            .lines()
            .filter_map(|l| l.strip_prefix("reload would: "));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(would(&check(&lab, &[])), ["nothing differs"]);
    lab.configure(&format!("{}password = s3cret\n", lab.configuration()));
    let expected = "neighbor leaf: session restarted (password)";
    assert_eq!(would(&check(&lab, &[])), [expected]);
    assert_eq!(lab.says(&["reload", "--dry-run"]), format!("{expected}\n"));
    assert!(would(&check(&lab, &["--config-only"])).is_empty());
    let json = check(&lab, &["--json"]);
    let _: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        lab.json(&["show", "neighbors"])["leaf"]["connectionsDropped"],
        0
    );
    lab.stop();
    assert!(would(&check(&lab, &[])).is_empty(), "no agent runs");
}
