//! From FRR to us on a running node: FRR has the configuration that the Python agent's documentation shows, we read
//! the same file, and packets pass meanwhile.

use std::time::Duration;

use interop::frr::Frr;
use interop::netns::{Namespace, connect};
use interop::router::Kind;
use interop::{Need, Place, eventually, require};

use crate::node::{Node, ways};
use crate::ping::{Loss, Ping};

const UPLINKS: [&str; 2] = ["enp2s0", "enp3s0"];
/// What the sample prefers as the source of the default routes.
const LOOPBACKS: [&str; 2] = ["172.30.1.1", "f00d:f00d:f00d:f00d:f00d:f00d:f00d:4"];
/// What is behind the default routes.
const HOSTS: [&str; 2] = ["198.51.100.1", "2001:db8:100::1"];

/// What FRR has beside the sample, and how it ends.
#[derive(Clone, Copy, Debug)]
enum Goodbye {
    /// Nothing; `systemctl stop frr`.
    Stopped,
    /// `bgp graceful-restart`; SIGKILL.
    Killed,
    /// `bgp graceful-restart` and `zebra -r`; `systemctl stop frr`.
    Preserved,
}

/// Between FRR's goodbye and our hello: a start of the agent, and a session. It takes 1.3 s on two busy cores.
const START: Duration = Duration::from_secs(5);

struct Migration {
    node: Node,
    leaf: Frr,
    at_leaf: Namespace,
    frr: Option<Frr>,
    dir: tempfile::TempDir,
}

impl Migration {
    /// FRR runs on the node, and both ends have both ways.
    fn start(kind: Kind, goodbye: Goodbye) -> Self {
        let dir = interop::scratch().unwrap();
        let node = Node::new("node", dir.path());
        let at_leaf = Namespace::new("leaf").unwrap();
        // As on every node that routes: its kernel makes no default route of the leaf's advertisements.
        node.namespace.forward().unwrap();
        at_leaf.forward().unwrap();
        for uplink in UPLINKS {
            connect((&node.namespace, uplink), (&at_leaf, uplink)).unwrap();
        }
        for (at, addresses) in [(&node.namespace, LOOPBACKS), (&at_leaf, HOSTS)] {
            let [v4, v6] = addresses;
            at.address("lo", &format!("{v4}/32")).unwrap();
            at.address("lo", &format!("{v6}/128")).unwrap();
        }
        let place = Place::inside(&at_leaf).with(kind.generation());
        let leaf = Frr::start_replacing(&place, &dir.path().join("leaf"), &leaf_config()).unwrap();
        let sample = sample(goodbye);
        std::fs::write(node.path("frr.conf"), &sample).unwrap();
        let place = Place::inside(&node.namespace).with(kind.generation());
        let start = match goodbye {
            Goodbye::Preserved => Frr::start_retaining,
            Goodbye::Stopped | Goodbye::Killed => Frr::start,
        };
        let frr = start(&place, &dir.path().join("frr"), &sample).unwrap();
        let this = Self {
            node,
            leaf,
            at_leaf,
            frr: Some(frr),
            dir,
        };
        this.wait_complete();
        this
    }

    /// Waits until both ends have both ways, of both families, and nothing is left of an earlier session.
    fn wait_complete(&self) {
        eventually([2; 4], || self.ways());
        eventually(true, || self.is_fresh());
    }

    fn ways(&self) -> [usize; 4] {
        let node = &self.node.namespace;
        [
            ways(node, "default", "enp"),
            ways(node, "::/0", "enp"),
            ways(&self.at_leaf, LOOPBACKS[0], "enp"),
            ways(&self.at_leaf, LOOPBACKS[1], "enp"),
        ]
    }

    fn is_fresh(&self) -> bool {
        ["ipv4", "ipv6"].iter().all(|family| {
            let shown = self.leaf.vtysh(&format!("show bgp {family} unicast json"));
            shown.is_ok_and(|shown| !shown.contains("stale"))
        })
    }

    /// Both families, both ways.
    fn pings(&self) -> Vec<Ping> {
        let (dir, node) = (self.dir.path(), &self.node.namespace);
        let pairs = HOSTS.into_iter().zip(LOOPBACKS);
        pairs
            .flat_map(|(host, loopback)| {
                [
                    Ping::start(node, loopback, host, dir),
                    Ping::start(&self.at_leaf, host, loopback, dir),
                ]
            })
            .collect()
    }

    /// FRR goes, we come.
    fn take_over(&mut self, goodbye: Goodbye) -> Vec<Loss> {
        let pings = self.pings();
        let frr = self.frr.take().expect("FRR runs");
        match goodbye {
            Goodbye::Stopped | Goodbye::Preserved => frr.stop(),
            Goodbye::Killed => frr.kill_all(),
        }
        self.node.configure(&format!(
            "[bgp]\nfrr_config = {}\n",
            self.node.path("frr.conf").display()
        ));
        self.node.start();
        self.wait_complete();
        pings.into_iter().map(Ping::finish).collect()
    }
}

fn sample(goodbye: Goodbye) -> String {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/frr/documented-sample.conf"
    );
    let text = std::fs::read_to_string(path).unwrap();
    // Where a test may not write.
    let text = text.replace("log file /var/log/frr/frr.log debugging\n", "");
    match goodbye {
        Goodbye::Stopped => text,
        Goodbye::Killed | Goodbye::Preserved => text.replace(
            "  bgp graceful-shutdown\n",
            "  bgp graceful-shutdown\n  bgp graceful-restart\n",
        ),
    }
}

/// A leaf as it comes: a helper of graceful restart, since FRR is one by default.
fn leaf_config() -> String {
    let neighbors = UPLINKS.map(|uplink| {
        format!(
            " neighbor {uplink} interface remote-as internal\n neighbor {uplink} password foobar\n \
             neighbor {uplink} timers connect 1\n"
        )
    });
    let family = |family: &str| {
        let neighbors = UPLINKS.map(|uplink| {
            format!("  neighbor {uplink} activate\n  neighbor {uplink} default-originate\n")
        });
        format!(
            " address-family {family} unicast\n  maximum-paths ibgp 2\n{} exit-address-family\n",
            neighbors.concat()
        )
    };
    format!(
        "router bgp 64999\n bgp router-id 10.255.0.1\n no bgp default ipv4-unicast\n{}{}{}",
        neighbors.concat(),
        family("ipv4"),
        family("ipv6"),
    )
}

/// What is lost of each ping when the node goes from FRR to us.
fn migrate(kind: Kind, goodbye: Goodbye) -> Vec<Loss> {
    let mut migration = Migration::start(kind, goodbye);
    let losses = migration.take_over(goodbye);
    for loss in &losses {
        println!("{kind} gives way, {goodbye:?}: {loss}");
    }
    losses
}

#[test]
fn no_packet_is_lost_when_we_follow_an_frr_8_with_graceful_restart_that_is_killed() {
    require!(Need::Root, Need::Program("ping"), Kind::Frr8.need());
    let losses = migrate(Kind::Frr8, Goodbye::Killed);
    assert!(losses.iter().all(|loss| loss.lost == 0), "{losses:#?}");
}

#[test]
fn no_packet_is_lost_when_we_follow_an_frr_10_with_graceful_restart_that_is_killed() {
    require!(Need::Root, Need::Program("ping"), Kind::Frr10.need());
    let losses = migrate(Kind::Frr10, Goodbye::Killed);
    assert!(losses.iter().all(|loss| loss.lost == 0), "{losses:#?}");
}

/// bgpd of FRR 8 says goodbye whatever is configured.
#[test]
fn no_packet_is_lost_when_we_follow_an_frr_10_that_keeps_its_routes_and_is_stopped() {
    require!(Need::Root, Need::Program("ping"), Kind::Frr10.need());
    let losses = migrate(Kind::Frr10, Goodbye::Preserved);
    assert!(losses.iter().all(|loss| loss.lost == 0), "{losses:#?}");
}

#[test]
fn what_is_lost_when_we_follow_an_frr_that_is_stopped_is_the_time_of_our_start() {
    require!(Need::Root, Need::Program("ping"), Kind::Frr8.need());
    let losses = migrate(Kind::Frr8, Goodbye::Stopped);
    assert!(losses.iter().all(|loss| loss.outage < START), "{losses:#?}");
}
