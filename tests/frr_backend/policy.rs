//! What policies say of routes, through FRR 8.4 and 10.3, read at a neighbour. A namespace is the VRF (`zebra -n`).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use interop::frr::Frr;
use interop::{Generation, Namespace, Place, eventually_within, wait_until};
use ipnet::IpNet;
use ovn_bgp_agent::advertise::frr::{Attributed, Status, Tenants, Upkeep, Wanted};
use ovn_bgp_agent::exposure::Attributes;
use ovn_bgp_agent::route_settings::{RouteSettings, Setting};

use crate::lab::{HOURLY, Lab, leaking};
use crate::tenants::{none, settings, tenant};
use crate::{DEADLINE, nothing, running, wait_for, wait_for_problem};

const FRR_CONFIG: &str = "\
router bgp 64999
 bgp router-id 172.30.1.1
 no bgp default ipv4-unicast
 neighbor 100.65.1.1 remote-as internal
 neighbor fd00:65::1 remote-as internal
 address-family ipv4 unicast
  neighbor 100.65.1.1 activate
  neighbor 100.65.1.1 next-hop-self
 exit-address-family
 address-family ipv6 unicast
  neighbor fd00:65::1 activate
  neighbor fd00:65::1 next-hop-self
 exit-address-family
 address-family l2vpn evpn
  neighbor 100.65.1.1 activate
  advertise-all-vni
 exit-address-family
";

const LEAF_CONFIG: &str = "\
router bgp 64999
 bgp router-id 192.0.2.254
 no bgp default ipv4-unicast
 neighbor 100.65.1.2 remote-as internal
 neighbor fd00:65::2 remote-as internal
 address-family ipv4 unicast
  neighbor 100.65.1.2 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor fd00:65::2 activate
 exit-address-family
 address-family l2vpn evpn
  neighbor 100.65.1.2 activate
 exit-address-family
";

const GOLD: &str = "65000:100 no-export 65000:1:2 soo:65000:7";

/// As the leaf reads [`GOLD`], with MED 50 and local preference 300.
const GOLD_AT_LEAF: &str = "50 300 65000:100 no-export 65000:1:2";
const PLAIN_AT_LEAF: &str = "0 100";

fn attributes(communities: &str, med: u32) -> Attributes {
    let mut settings = RouteSettings::default();
    settings.set(Setting::Communities, communities).unwrap();
    Attributes {
        communities: settings.communities,
        med: Some(med),
        local_pref: Some(300),
        ..Attributes::default()
    }
}

fn attributed(prefixes: &[&str], attributes: &Attributes) -> Attributed {
    let mut attributed = Attributed::default();
    for prefix in prefixes {
        attributed.add(prefix.parse().unwrap(), attributes);
    }
    attributed
}

fn saying(attributed: Attributed) -> Wanted {
    leaking().attributing(Some(Arc::new(attributed)))
}

/// MED, local preference, communities and large communities of a prefix at the leaf; nothing while it has none.
fn heard(leaf: &Frr, prefix: &str) -> String {
    let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
    let route = leaf.json(&format!("show bgp {family} unicast {prefix}"));
    let Ok(route) = route else {
        return String::new();
    };
    let path = &route["paths"][0];
    let text = |of: &str| path[of]["string"].as_str().unwrap_or_default().to_owned();
    let Some(med) = path["metric"].as_u64() else {
        return String::new();
    };
    let (communities, large) = (text("community"), text("largeCommunity"));
    let heard = format!("{med} {} {communities} {large}", path["locPrf"]);
    heard.trim_end().to_owned()
}

fn hears(leaf: &Frr, prefix: &str, expected: &str) {
    eventually_within(DEADLINE, expected.to_owned(), || heard(leaf, prefix));
}

/// The first that the leaf hears of a prefix.
fn first_heard(leaf: &Frr, prefix: &str) -> String {
    let mut first = String::new();
    wait_until(DEADLINE, prefix, || {
        first = heard(leaf, prefix);
        !first.is_empty()
    })
    .unwrap();
    first
}

fn change(lab: &Lab, upkeep: &mut Upkeep, wanted: Wanted) {
    upkeep.change(lab.settings(wanted, HOURLY));
    lab.block_on(async { tokio::time::timeout(DEADLINE, upkeep.tried()).await })
        .unwrap();
    wait_for(upkeep, &Status::InPlace);
}

struct Stage {
    lab: Lab,
    vrf: Namespace,
    leaf: Frr,
}

impl Stage {
    fn new(generation: Generation) -> Option<Self> {
        let lab = Lab::new(generation)?;
        lab.node.address("up0", "fd00:65::2/64").unwrap();
        lab.leaf.address("down0", "fd00:65::1/64").unwrap();
        let vrf = Namespace::new("vrf").unwrap();
        for line in [
            "link set lo up",
            "link add bgp-nic type veth peer name other",
            "link set bgp-nic up",
            "link set other up",
        ] {
            vrf.ip(line).unwrap();
        }
        let dir = lab.dir.path().join("leaf");
        std::fs::create_dir_all(&dir).unwrap();
        let place = Place::inside(&lab.leaf).with(generation);
        let leaf = match generation {
            Generation::Bookworm => {
                Frr::start_daemons(&place, &dir, LEAF_CONFIG, &["zebra", "bgpd"])
            }
            Generation::Trixie => {
                let place = place.mount(Path::new(&dir), "/run/frr");
                Frr::start_daemons(&place, &dir, LEAF_CONFIG, &["mgmtd", "zebra", "bgpd"])
            }
        };
        let leaf = leaf.unwrap();
        Some(Self { lab, vrf, leaf })
    }

    fn start(&self, config: &str) -> Frr {
        self.lab.start_in_vrf(config, ("bgp-vrf", &self.vrf))
    }

    fn expose(&self, prefix: &str) {
        let net: IpNet = prefix.parse().unwrap();
        let nodad = if net.addr().is_ipv6() { " nodad" } else { "" };
        self.vrf
            .ip(&format!("address add {prefix} dev bgp-nic{nodad}"))
            .unwrap();
    }
}

#[test]
fn what_policies_say_is_heard_with_the_first_word_changes_and_goes() {
    for generation in Generation::ALL {
        let Some(stage) = Stage::new(generation) else {
            return;
        };
        let Stage { lab, leaf, .. } = &stage;
        let mut frr = stage.start(FRR_CONFIG);
        let before = running(&frr);
        let mut upkeep = lab.keep(saying(Attributed::default()), HOURLY);
        wait_for(&upkeep, &Status::InPlace);
        assert!(!running(&frr).contains("ovn-bgp-agent"), "today's lines");
        stage.expose("172.24.4.11/32");
        hears(leaf, "172.24.4.11/32", PLAIN_AT_LEAF);

        // FRR is told before the route is there.
        let ours = ["172.24.4.10/32", "2001:db8::10/128"];
        let gold = attributed(&ours, &attributes(GOLD, 50));
        change(lab, &mut upkeep, saying(gold.clone()));
        for prefix in ours {
            stage.expose(prefix);
            assert_eq!(first_heard(leaf, prefix), GOLD_AT_LEAF, "{generation:?}");
        }
        hears(leaf, "172.24.4.11/32", PLAIN_AT_LEAF);
        let origin = leaf.vtysh("show bgp ipv4 unicast 172.24.4.10/32").unwrap();
        assert!(origin.contains("SoO:65000:7"), "{origin}");

        // An agent that starts again does not know at first what policies say, and then finds it so.
        let told = lab.told();
        drop(upkeep);
        let mut upkeep = lab.keep(leaking(), HOURLY);
        wait_for(&upkeep, &Status::InPlace);
        change(lab, &mut upkeep, saying(gold));
        assert_eq!(lab.told(), told, "adopted without a write");

        // Other attributes, and a route that has them from now on.
        let more = ["172.24.4.10/32", "172.24.4.11/32"];
        let silver = attributed(&more, &attributes("65000:200", 60));
        change(lab, &mut upkeep, saying(silver.clone()));
        for prefix in more {
            hears(leaf, prefix, "60 300 65000:200");
        }
        hears(leaf, "2001:db8::10/128", PLAIN_AT_LEAF);

        // A restarted FRR has lost all of it, and never announces without.
        frr.kill("bgpd");
        wait_for_problem(&upkeep, "bgpd does not run");
        for prefix in more {
            hears(leaf, prefix, "");
        }
        frr.revive("bgpd").unwrap();
        assert_eq!(first_heard(leaf, "172.24.4.10/32"), "60 300 65000:200");
        wait_for(&upkeep, &Status::InPlace);

        change(lab, &mut upkeep, saying(Attributed::default()));
        for prefix in more {
            hears(leaf, prefix, PLAIN_AT_LEAF);
        }
        assert!(
            !running(&frr).contains("ovn-bgp-agent"),
            "{}",
            running(&frr)
        );

        change(lab, &mut upkeep, saying(silver));
        upkeep.change(lab.settings(nothing(), HOURLY));
        wait_for(&upkeep, &Status::Clean);
        assert_eq!(running(&frr), before, "{generation:?}: another backend");
    }
}

#[test]
fn an_operators_route_map_stays_and_it_is_said_that_attributes_do_not_pass() {
    const THEIRS: &str = "route-map theirs permit 10\n set metric 7\nexit\nrouter bgp 64999 vrf bgp-vrf\n bgp router-id 172.30.1.1\n \
        address-family ipv4 unicast\n  redistribute connected route-map theirs\n exit-address-family\n \
        address-family ipv6 unicast\n  redistribute connected route-map theirs\n exit-address-family\nexit\n";
    for generation in Generation::ALL {
        let Some(stage) = Stage::new(generation) else {
            return;
        };
        let Stage { lab, leaf, .. } = &stage;
        let frr = stage.start(&format!("{FRR_CONFIG}exit\n{THEIRS}"));
        let gold = attributed(&["172.24.4.10/32"], &attributes(GOLD, 50));
        let upkeep = lab.keep(saying(gold), HOURLY);
        wait_for_problem(&upkeep, "'redistribute connected route-map theirs'");
        stage.expose("172.24.4.10/32");
        hears(leaf, "172.24.4.10/32", "7 100");
        assert!(
            !running(&frr).contains("ovn-bgp-agent"),
            "{}",
            running(&frr)
        );
        // Nothing to say, nothing in the way.
        upkeep.change(lab.settings(saying(Attributed::default()), HOURLY));
        wait_for(&upkeep, &Status::InPlace);
        let lines = running(&frr)
            .matches("redistribute connected route-map theirs")
            .count();
        assert_eq!(lines, 2);
    }
}

/// What the leaf has of type 5 for a host: the lines of its path.
fn heard_of_tenant(leaf: &Frr, address: &str) -> String {
    let text = leaf.vtysh("show bgp l2vpn evpn route detail").unwrap();
    let route = format!("Route [5]:[0]:[32]:[{address}] ");
    let path = text
        .split("BGP routing table entry for")
        .find(|entry| entry.contains(&route));
    path.unwrap_or_default().to_owned()
}

#[test]
fn what_policies_say_of_a_tenants_routes_is_in_type_5() {
    for generation in Generation::ALL {
        let Some(stage) = Stage::new(generation) else {
            return;
        };
        let Stage { lab, vrf, leaf } = &stage;
        let link =
            "link add vxlan-1001 type vxlan id 1001 local 172.30.1.1 dstport 4789 nolearning";
        lab.node.address("lo", "172.30.1.1/32").unwrap();
        lab.node.ip(link).unwrap();
        lab.node
            .ip(&format!("link set vxlan-1001 netns {}", vrf.name()))
            .unwrap();
        for line in [
            "link add br-1001 type bridge",
            "link set br-1001 up",
            "link set vxlan-1001 master br-1001 up",
            "address add 10.77.0.1/24 dev br-1001",
        ] {
            vrf.ip(line).unwrap();
        }
        let frr = lab.start_in_vrf(FRR_CONFIG, ("vrf-1001", vrf));
        let of = |attributed: Attributed| {
            let mut tenant = tenant("172.30.1.1:1001", &[], &[]);
            tenant.attributes = attributed;
            let mut tenants: Tenants = none();
            tenants.tenants.insert(1001, tenant);
            settings(lab, tenants, Duration::from_millis(500))
        };
        let gold = attributed(&["172.24.4.10/32"], &attributes(GOLD, 50));
        let mut upkeep = lab.spawn(of(gold));
        lab.block_on(upkeep.tried());
        for host in ["172.24.4.10/32", "172.24.4.11/32"] {
            vrf.ip(&format!("route add {host} dev bgp-nic")).unwrap();
        }
        eventually_within(DEADLINE, true, || {
            let path = heard_of_tenant(leaf, "172.24.4.10");
            [
                "metric 50, localpref 300",
                "Community: 65000:100 no-export",
                "Large Community: 65000:1:2",
            ]
            .iter()
            .all(|words| path.contains(words))
        });
        eventually_within(DEADLINE, true, || {
            heard_of_tenant(leaf, "172.24.4.11").contains("metric 0, localpref 100")
        });
        upkeep.change(of(attributed(
            &["172.24.4.10/32"],
            &attributes("65000:200", 60),
        )));
        eventually_within(DEADLINE, true, || {
            let path = heard_of_tenant(leaf, "172.24.4.10");
            path.contains("metric 60, localpref 300") && path.contains("Community: 65000:200")
        });
        upkeep.change(of(Attributed::default()));
        eventually_within(DEADLINE, true, || {
            heard_of_tenant(leaf, "172.24.4.10").contains("metric 0, localpref 100")
        });
        eventually_within(DEADLINE, false, || running(&frr).contains("ovn-bgp-agent"));
    }
}
