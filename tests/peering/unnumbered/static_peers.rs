//! Link-local neighbours whose address is configured: routers that do not discover theirs.

use bgp::{PeerConfig, RemoteAs};
use interop::bird::Bird;
use interop::gobgp::Gobgp;
use interop::{Generation, Need, eventually, require};
use ovn_bgp_agent::peering::Neighbour;

use super::{Fabric, learned, set_link_local, wait_established};
use crate::lab::{HOST_V4, HOST_V6, Speaker};

const OURS: &str = "fe80::a";
const THEIRS: &str = "fe80::b";

fn fabric() -> Fabric {
    let fabric = Fabric::new(1);
    set_link_local(&fabric.ours, "eth0", OURS);
    set_link_local(&fabric.leaves[0], "eth0", THEIRS);
    fabric
}

fn speak(fabric: &Fabric) -> Speaker {
    let unnumbered = PeerConfig::unnumbered("leaf", "eth0", RemoteAs::External);
    let peer = PeerConfig {
        remote_address: Some(THEIRS.parse().unwrap()),
        connect_retry: std::time::Duration::from_secs(2),
        ..unnumbered
    };
    let speaker = Speaker::start(&fabric.ours, vec![Neighbour::new(peer)]);
    speaker.originate(&[HOST_V4, HOST_V6]);
    speaker
}

#[test]
fn bird_takes_and_gives_both_families() {
    require!(Need::Root, Need::Program("bird"), Need::Trixie);
    for generation in Generation::ALL {
        let fabric = fabric();
        let config = format!(
            "router id 10.9.0.2;\nprotocol device {{ }}\n\
             protocol static {{ ipv4; route 192.0.2.0/24 blackhole; }}\n\
             protocol static {{ ipv6; route 2001:db8:9::/48 blackhole; }}\n\
             protocol bgp node {{\n local {THEIRS} as 65002;\n neighbor {OURS}%eth0 as 65001;\n connect retry time 1;\n\
             ipv4 {{ import all; export all; extended next hop; }};\n ipv6 {{ import all; export all; }};\n}}\n"
        );
        let place = fabric.place(0, generation);
        let bird = Bird::start(&place, &fabric.path(0), &config).unwrap();
        let speaker = speak(&fabric);
        wait_established(&speaker, 0);
        for prefix in [HOST_V4, HOST_V6] {
            eventually(vec![true], || {
                let shown = bird
                    .show(&format!("show route for {prefix}"))
                    .unwrap_or_default();
                let via = shown.lines().filter(|line| line.contains("via "));
                via.map(|line| line.contains(&format!("via {OURS} on eth0")))
                    .collect()
            });
        }
        eventually(
            vec![
                ("192.0.2.0/24".to_owned(), THEIRS.to_owned()),
                ("2001:db8:9::/48".to_owned(), THEIRS.to_owned()),
            ],
            || learned(&speaker),
        );
    }
}

#[test]
fn gobgp_takes_and_gives_both_families() {
    require!(Need::Root, Need::Program("gobgpd"), Need::Trixie);
    for generation in Generation::ALL {
        let fabric = fabric();
        let family = |name: &str| {
            format!(
                "[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"{name}\"\n"
            )
        };
        let config = format!(
            "[global.config]\nas = 65002\nrouter-id = \"10.9.0.2\"\n[[neighbors]]\n[neighbors.config]\n\
             neighbor-address = \"{OURS}%eth0\"\npeer-as = 65001\n{}{}",
            family("ipv4-unicast"),
            family("ipv6-unicast")
        );
        let place = fabric.place(0, generation);
        let gobgp = Gobgp::start(&place, &fabric.path(0), &config).unwrap();
        let speaker = speak(&fabric);
        wait_established(&speaker, 0);
        for prefix in [HOST_V4, HOST_V6] {
            eventually(vec![OURS.to_owned()], || gobgp.next_hops(prefix).unwrap());
        }
        for (family, prefix) in [("ipv4", "192.0.2.0/24"), ("ipv6", "2001:db8:9::/48")] {
            // 3.36 sends "::" where 3.10 sends its address, unless it is told.
            gobgp
                .run(&format!(
                    "global rib add -a {family} {prefix} nexthop {THEIRS}"
                ))
                .unwrap();
        }
        eventually(
            vec![
                ("192.0.2.0/24".to_owned(), THEIRS.to_owned()),
                ("2001:db8:9::/48".to_owned(), THEIRS.to_owned()),
            ],
            || learned(&speaker),
        );
    }
}
