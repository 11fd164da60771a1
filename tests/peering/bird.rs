use bgp::RemoteAs;
use interop::bird::Bird;
use interop::{Need, eventually, require};
use ovn_bgp_agent::peering::Password;

use crate::lab::{HOST_V4, HOST_V6, Lab, OURS_V4, OURS_V6, THEIRS_V4, THEIRS_V6, asn};

const BIRD: Need = Need::Program("bird");

fn config(ours: &str, theirs: &str, local_as: u32, more: &str) -> String {
    format!(
        "router id 10.9.0.2;\nprotocol device {{ }}\n\
         protocol static {{ ipv4; route 192.0.2.0/24 blackhole; }}\n\
         protocol bgp leaf {{\n local {theirs} as {local_as};\n neighbor {ours} as 65001;\n connect retry time 1;\n {more}\n\
         ipv4 {{ import all; export all; }};\n ipv6 {{ import all; export all; }};\n}}\n"
    )
}

fn start(lab: &Lab, config: &str) -> Bird {
    Bird::start(&lab.place(), &lab.path(), config).unwrap()
}

#[test]
fn ebgp_over_ipv4_carries_both_families_both_ways() {
    require!(Need::Root, BIRD);
    let lab = Lab::new();
    let bird = start(&lab, &config(OURS_V4, THEIRS_V4, 65002, ""));
    let speaker = lab.speak(THEIRS_V4, asn(65002), |_| {});
    speaker.originate(&[HOST_V4, HOST_V6]);
    eventually(vec![OURS_V4.to_owned()], || {
        bird.next_hops(HOST_V4).unwrap()
    });
    eventually(vec![OURS_V6.to_owned()], || {
        bird.next_hops(HOST_V6).unwrap()
    });
    eventually(vec!["192.0.2.0/24".to_owned()], || speaker.learned());
    speaker.withdraw(HOST_V4);
    eventually(Vec::<String>::new(), || bird.next_hops(HOST_V4).unwrap());
    bird.control("disable leaf").unwrap();
    eventually(true, || speaker.learned().is_empty());
    bird.control("enable leaf").unwrap();
    eventually(vec![OURS_V6.to_owned()], || {
        bird.next_hops(HOST_V6).unwrap()
    });
}

#[test]
fn ibgp_over_ipv6_with_a_password() {
    require!(Need::Root, BIRD);
    let lab = Lab::new();
    let bird = start(
        &lab,
        &config(OURS_V6, THEIRS_V6, 65001, "password \"s3cret\";"),
    );
    let speaker = lab.speak(THEIRS_V6, RemoteAs::Internal, |neighbour| {
        neighbour.password = Password::new("s3cret");
    });
    speaker.originate(&[HOST_V4, HOST_V6]);
    eventually(vec![OURS_V6.to_owned()], || {
        bird.next_hops(HOST_V6).unwrap()
    });
    // The interface has an IPv4 address, which serves as next hop.
    eventually(vec![OURS_V4.to_owned()], || {
        bird.next_hops(HOST_V4).unwrap()
    });
}

#[test]
fn a_refresh_is_answered() {
    require!(Need::Root, BIRD);
    let lab = Lab::new();
    let bird = start(&lab, &config(OURS_V4, THEIRS_V4, 65002, ""));
    let speaker = lab.speak(THEIRS_V4, asn(65002), |_| {});
    speaker.originate(&[HOST_V4]);
    eventually(vec![OURS_V4.to_owned()], || {
        bird.next_hops(HOST_V4).unwrap()
    });
    bird.control("reload in leaf").unwrap();
    eventually(true, || speaker.neighbor().received.route_refreshes >= 1);
    eventually(vec![OURS_V4.to_owned()], || {
        bird.next_hops(HOST_V4).unwrap()
    });
}
