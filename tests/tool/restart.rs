//! What a restart says of itself (RFC 4724 §3): a process that follows another, or a node that has booted.

use interop::{Need, eventually, require};
use serde_json::Value;

use crate::lab::{BGPD, Lab, OURS};

/// The R bit of our OPEN, and the F bit of IPv4 unicast, as FRR read them.
fn bits(lab: &Lab) -> (Value, Value) {
    let neighbor = lab.frr.json(&format!("show bgp neighbors {OURS}")).unwrap();
    let restart = &neighbor[OURS]["gracefulRestartInfo"];
    let family = &restart["ipv4Unicast"];
    (restart["rBit"].clone(), family["fBit"].clone())
}

#[test]
fn forwarding_outlives_the_process_and_not_the_node() {
    require!(Need::Root, BGPD);
    let mut lab = Lab::new(65002);
    let yes = (Value::from(true), Value::from(true));
    let no = (Value::from(false), Value::from(false));
    eventually(no.clone(), || bits(&lab));
    lab.stop();
    lab.start();
    eventually(yes, || bits(&lab));
    lab.stop();
    // What a reboot does to /run.
    std::fs::remove_file(lab.dir.path().join("control.boot")).unwrap();
    lab.start();
    eventually(no, || bits(&lab));
}
