//! EVPN through FRR: what the running configuration becomes. This kernel has no VRF: FRR's are inactive here, and type
//! 5 routes are the VM's (`tests/frr_backend_vm.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use interop::frr::Frr;
use interop::{Generation, wait_until};
use ovn_bgp_agent::advertise::frr::{
    Attributed, Redistributed, Settings, Status, TIMES, Tenant, Tenants, With,
};
use ovn_bgp_agent::router_advertisement::{Advertisement, Assignment};

use crate::lab::{HOURLY, Lab};
use crate::{DEADLINE, nothing, wait_for, wait_for_problem};

pub(crate) const DEVICE: &str = "vrf1a2b3c4d-5e";

/// Of a node whose FRR carries EVPN.
pub(crate) const FRR_CONFIG: &str = "\
router bgp 64999
 bgp router-id 172.30.1.1
 no bgp default ipv4-unicast
 neighbor 100.65.1.1 remote-as internal
 address-family l2vpn evpn
  neighbor 100.65.1.1 activate
  advertise-all-vni
 exit-address-family
";

pub(crate) fn tenant(rd: &str, import: &[&str], export: &[&str]) -> Tenant {
    let targets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    Tenant {
        asn: 64999,
        rd: Some(rd.parse().unwrap()),
        import: targets(import),
        export: targets(export),
        redistributed: Redistributed::Everything,
        attributes: Attributed::default(),
    }
}

pub(crate) fn said(prefixes: &[(&str, Assignment)], servers: &[&str]) -> Advertisement {
    Advertisement {
        source: None,
        prefixes: prefixes
            .iter()
            .map(|(p, a)| (p.parse().unwrap(), *a))
            .collect(),
        dns_servers: servers
            .iter()
            .map(|server| server.parse().unwrap())
            .collect(),
    }
}

/// Two VNIs, and a device.
fn both() -> Tenants {
    Tenants {
        asn: 64999,
        tenants: BTreeMap::from([
            (
                1001,
                tenant(
                    "172.30.1.1:1001",
                    &["64999:1001", "65000:7"],
                    &["64999:1001"],
                ),
            ),
            (1002, tenant("172.30.1.1:1002", &[], &[])),
        ]),
        bridged: BTreeMap::from([(
            2001,
            tenant("172.30.1.1:2001", &["65000:8"], &["64999:2001"]),
        )]),
        node: Some([172, 30, 1, 1].into()),
        advertisements: BTreeMap::from([(
            DEVICE.into(),
            said(
                &[
                    ("2001:db8:5::/64", Assignment::Dhcp),
                    ("2001:db8:6::/64", Assignment::Autonomous),
                ],
                &["2001:db8::53", "2001:db8::54"],
            ),
        )]),
    }
}

pub(crate) fn none() -> Tenants {
    Tenants {
        asn: 64999,
        node: Some([172, 30, 1, 1].into()),
        ..Tenants::default()
    }
}

pub(crate) fn settings(lab: &Lab, tenants: Tenants, interval: Duration) -> Settings {
    Settings {
        tenants: Some(Arc::new(tenants)),
        ..lab.settings(nothing(), interval)
    }
}

/// The running configuration without what FRR says of itself, each line with the section it is in; VRFs that have none.
fn lines(frr: &Frr) -> BTreeSet<String> {
    let text = frr.vtysh("show running-config").unwrap();
    let mut section = String::new();
    let mut found = BTreeSet::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if !line.starts_with(' ') {
            section = line.to_owned();
        }
        let ours = ["vrf ", "interface ", "router bgp "];
        let words = line.trim();
        let is_line = line.starts_with(' ') || section.starts_with("vrf ");
        let is_ours = ours.iter().any(|header| section.starts_with(header));
        if is_ours && is_line && !words.starts_with(['!', 'e']) {
            found.insert(format!("{section} / {words}"));
        }
    }
    found
}

fn has(frr: &Frr, expected: &[&str]) {
    let found = lines(frr);
    for line in expected {
        assert!(found.contains(*line), "{line}: {found:#?}");
    }
}

#[test]
fn b112_b117_tenants_are_made_once_and_taken_away_without_a_trace() {
    for generation in Generation::ALL {
        let Some(lab) = Lab::new(generation) else {
            return;
        };
        let frr = lab.start_evpn(FRR_CONFIG);
        let before = lines(&frr);
        let often = Duration::from_millis(100);
        let upkeep = lab.spawn(settings(&lab, both(), often));
        wait_for(&upkeep, &Status::InPlace);
        let evpn = "router bgp 64999 vrf vrf-1001 / ";
        has(
            &frr,
            &[
                "vrf vrf-1001 / vni 1001",
                "vrf vrf-1002 / vni 1002",
                &format!("{evpn}redistribute kernel"),
                &format!("{evpn}redistribute connected"),
                &format!("{evpn}advertise ipv4 unicast"),
                &format!("{evpn}advertise ipv6 unicast"),
                &format!("{evpn}rd 172.30.1.1:1001"),
                &format!("{evpn}route-target import 64999:1001"),
                &format!("{evpn}route-target import 65000:7"),
                &format!("{evpn}route-target export 64999:1001"),
                "router bgp 64999 / vni 2001",
                "router bgp 64999 / rd 172.30.1.1:2001",
                "router bgp 64999 / route-target import 65000:8",
                &format!("interface {DEVICE} / ipv6 nd managed-config-flag"),
                &format!("interface {DEVICE} / ipv6 nd prefix 2001:db8:5::/64 no-autoconfig"),
                &format!("interface {DEVICE} / ipv6 nd prefix 2001:db8:6::/64"),
                &format!("interface {DEVICE} / ipv6 nd rdnss 2001:db8::53"),
                &format!("interface {DEVICE} / ipv6 nd rdnss 2001:db8::54"),
                &format!("interface {DEVICE} / no ipv6 nd suppress-ra"),
            ],
        );
        let told = lab.told();
        was_told(generation, &lab, 1, 1);
        let asked = lab.asked();
        wait_until(DEADLINE, "more looks", || lab.asked() > asked + 3).unwrap();
        assert_eq!(
            lab.told(),
            told,
            "{generation:?}: nothing is said when nothing differs"
        );

        upkeep.change(settings(&lab, none(), often));
        let gone = || {
            let left = lines(&frr);
            left == before
        };
        wait_until(DEADLINE, "all of it gone", gone).unwrap();
        let left = lines(&frr);
        assert!(before.is_subset(&left));
        assert!(
            !left.iter().any(|line| line.contains("ipv6 nd")),
            "{left:#?}"
        );
        let told = lab.told();
        let asked = lab.asked();
        wait_until(DEADLINE, "more looks", || lab.asked() > asked + 3).unwrap();
        assert_eq!(
            lab.told(),
            told,
            "{generation:?}: nothing is taken away twice"
        );
        wait_for(&upkeep, &Status::InPlace);
    }
}

/// What FRR's running configuration says in a place, as far as it matters.
fn below(frr: &Frr, place: &str, matters: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let prefix = format!("{place} / ");
    let all = lines(frr).into_iter();
    let below = all.filter_map(|line| line.strip_prefix(&prefix).map(str::to_owned));
    below.filter(|line| matters(line)).collect()
}

/// Waits until FRR says exactly this.
fn comes_to(generation: Generation, said: impl Fn() -> BTreeSet<String>, expected: &[&str]) {
    let expected: BTreeSet<_> = expected.iter().map(|&line| line.to_owned()).collect();
    let waited = wait_until(DEADLINE, "other lines", || said() == expected);
    assert!(
        waited.is_ok(),
        "{generation:?}: {:#?}, not {expected:#?}",
        said()
    );
}

#[test]
fn b114_changes_of_rd_and_route_targets_are_a_difference() {
    for generation in Generation::ALL {
        let Some(lab) = Lab::new(generation) else {
            return;
        };
        let frr = lab.start_evpn(FRR_CONFIG);
        let upkeep = lab.spawn(settings(&lab, both(), HOURLY));
        wait_for(&upkeep, &Status::InPlace);
        let mut other = both();
        other
            .tenants
            .insert(1001, tenant("65000:5", &["65000:7"], &["64999:9"]));
        other.bridged.insert(
            2001,
            tenant("172.30.1.1:2001", &[], &["64999:2001", "65000:10"]),
        );
        other.advertisements.insert(
            DEVICE.into(),
            said(
                &[("2001:db8:6::/64", Assignment::Dhcp)],
                &["2001:db8::54", "2001:db8::55"],
            ),
        );
        upkeep.change(settings(&lab, other, HOURLY));
        let is_of =
            |words: &'static [&str]| move |line: &str| words.iter().any(|w| line.starts_with(w));
        let of_instance = || {
            below(
                &frr,
                "router bgp 64999 vrf vrf-1001",
                is_of(&["rd ", "route-target "]),
            )
        };
        comes_to(
            generation,
            of_instance,
            &[
                "rd 65000:5",
                "route-target import 65000:7",
                "route-target export 64999:9",
            ],
        );
        let of_bridged = || {
            below(&frr, "router bgp 64999", |line| {
                line.contains("route-target")
            })
        };
        comes_to(
            generation,
            of_bridged,
            &[
                "route-target export 64999:2001",
                "route-target export 65000:10",
            ],
        );
        let device = format!("interface {DEVICE}");
        comes_to(
            generation,
            || below(&frr, &device, |_| true),
            &[
                "ipv6 nd managed-config-flag",
                "ipv6 nd prefix 2001:db8:6::/64 no-autoconfig",
                "ipv6 nd rdnss 2001:db8::54",
                "ipv6 nd rdnss 2001:db8::55",
                "no ipv6 nd suppress-ra",
            ],
        );
        wait_for(&upkeep, &Status::InPlace);
        was_told(generation, &lab, 2, 2);
    }
}

/// FRR was told so often, in so many looks at it. One with mgmtd may have lost a line, and have been told it again in the same look.
fn was_told(generation: Generation, lab: &Lab, times: usize, looks: usize) {
    let most = match generation {
        Generation::Bookworm => times,
        Generation::Trixie => looks * TIMES,
    };
    let told = lab.told();
    let is_so = (times..=most).contains(&told);
    assert!(is_so, "{generation:?}: {told}, not {times} to {most}");
}

#[test]
fn a_line_that_frr_has_lost_is_said_again_at_once() {
    for generation in Generation::ALL {
        let Some(lab) = Lab::new(generation) else {
            return;
        };
        let frr = lab.start_evpn(FRR_CONFIG);
        lab.forget("ipv6 nd rdnss 2001:db8::54");
        let upkeep = lab.spawn(settings(&lab, both(), HOURLY));
        wait_for(&upkeep, &Status::InPlace);
        let line = format!("interface {DEVICE} / ipv6 nd rdnss 2001:db8::54");
        has(&frr, &[&line]);
        was_told(generation, &lab, 2, 1);
    }
}

/// Prefix lists and route maps as they are shown are as they were sent.
#[test]
fn b153_the_filter_of_hosts_is_made_once_and_goes_with_the_last_that_needs_it() {
    for generation in Generation::ALL {
        let Some(lab) = Lab::new(generation) else {
            return;
        };
        let frr = lab.start_evpn(FRR_CONFIG);
        let text = || frr.vtysh("show running-config").unwrap();
        let before = text();
        let often = Duration::from_millis(100);
        let mut hosts = both();
        hosts.advertisements.clear();
        hosts.bridged.clear();
        for tenant in hosts.tenants.values_mut() {
            tenant.redistributed = Redistributed::Hosts;
        }
        let upkeep = lab.spawn(settings(&lab, hosts.clone(), often));
        wait_for(&upkeep, &Status::InPlace);
        let filtered = "redistribute kernel route-map ovn-bgp-agent-hosts";
        assert_eq!(text().matches(filtered).count(), 4, "{}", text());
        assert!(!text().contains("redistribute connected"), "{}", text());
        let asked = lab.asked();
        wait_until(DEADLINE, "more looks", || lab.asked() > asked + 3).unwrap();
        assert_eq!(lab.told(), 1, "{generation:?}: {}", text());

        for tenant in hosts.tenants.values_mut() {
            tenant.redistributed = Redistributed::Everything;
        }
        upkeep.change(settings(&lab, hosts, often));
        let unfiltered =
            || !text().contains("ovn-bgp-agent") && text().contains("redistribute kernel\n");
        let waited = wait_until(DEADLINE, "no filter", unfiltered);
        assert!(waited.is_ok(), "{generation:?}: {}", text());
        upkeep.change(settings(&lab, none(), often));
        let waited = wait_until(DEADLINE, "no trace", || text() == before);
        assert!(waited.is_ok(), "{generation:?}: {}", text());
    }
}

#[test]
fn a_restarted_bgpd_or_zebra_is_told_again_within_a_second() {
    for generation in Generation::ALL {
        let Some(lab) = Lab::new(generation) else {
            return;
        };
        let mut frr = lab.start_evpn(FRR_CONFIG);
        let upkeep = lab.spawn(settings(&lab, both(), HOURLY));
        wait_for(&upkeep, &Status::InPlace);
        let all = lines(&frr);
        for daemon in ["bgpd", "zebra"] {
            frr.kill(daemon);
            wait_for_problem(&upkeep, &format!("{daemon} does not run"));
            frr.revive(daemon).unwrap();
            let back = Instant::now();
            let waited = wait_until(DEADLINE, "all is there again", || lines(&frr) == all);
            println!(
                "tenants: {generation:?}: all was there {:?} after {daemon} was back",
                back.elapsed()
            );
            assert!(
                waited.is_ok(),
                "{generation:?}: {daemon}: {:#?}",
                lines(&frr)
            );
            wait_for(&upkeep, &Status::InPlace);
        }
    }
}

#[test]
fn an_frr_without_vnis_is_said_and_has_its_lines_nevertheless() {
    let Some(lab) = Lab::new(Generation::Bookworm) else {
        return;
    };
    let frr = lab.start_evpn(&FRR_CONFIG.replace("  advertise-all-vni\n", ""));
    let upkeep = lab.spawn(settings(&lab, both(), HOURLY));
    wait_for_problem(&upkeep, "configure advertise-all-vni");
    has(&frr, &["vrf vrf-1001 / vni 1001"]);
}

/// FRR's vtysh ends with status 0 when a line is refused (upstream.md 6.3).
#[test]
fn b112_an_rd_of_nobody_is_refused_and_the_lines_after_it_are_taken() {
    for generation in Generation::ALL {
        let Some(lab) = Lab::new(generation) else {
            return;
        };
        let frr = lab.start_evpn(FRR_CONFIG);
        let commands = [
            "vrf vrf-1001",
            "vni 1001",
            "exit",
            "router bgp 64999 vrf vrf-1001",
            "address-family l2vpn evpn",
            "rd None:1001",
            "advertise ipv4 unicast",
            "exit-address-family",
            "exit",
            "interface vrf1a2b3c4d-5e",
            "ipv6 nd rdnss 001:db8::5:",
            "ipv6 nd managed-config-flag",
            "exit",
        ]
        .map(str::to_owned);
        let rejected = lab
            .block_on(lab.vtysh().configure(With::All, &commands))
            .unwrap();
        let of: Vec<&str> = rejected.iter().map(|r| r.command.as_str()).collect();
        assert_eq!(
            of,
            ["rd None:1001", "ipv6 nd rdnss 001:db8::5:"],
            "{rejected:?}"
        );
        has(
            &frr,
            &[
                "vrf vrf-1001 / vni 1001",
                "router bgp 64999 vrf vrf-1001 / advertise ipv4 unicast",
                "interface vrf1a2b3c4d-5e / ipv6 nd managed-config-flag",
            ],
        );
    }
}
