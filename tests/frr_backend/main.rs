//! `bgp_backend = frr` against FRR 8.4 and 10.3 in network namespaces: vtysh, rejections, restarts, silence.
//! What the kernel has for FRR needs VRF devices: `tests/frr_backend_vm.rs`.

mod in_vm;
mod lab;
mod latency;
mod policy;
mod tenants;

use std::time::{Duration, Instant};

use interop::frr::Frr;
use interop::{Generation, wait_until};
use lab::{FRR_CONFIG, HOURLY, Lab, leaking};
use ovn_bgp_agent::advertise::frr::{Status, Upkeep, Wanted, With};

const DEADLINE: Duration = Duration::from_secs(60);

fn nothing() -> Wanted {
    Wanted::Nothing {
        vrf: "bgp-vrf".into(),
    }
}

fn wait_for(upkeep: &Upkeep, status: &Status) {
    let there = || upkeep.status() == *status;
    let waited = wait_until(DEADLINE, &format!("{status:?}"), there);
    assert!(waited.is_ok(), "{:?}", upkeep.status());
}

fn wait_for_problem(upkeep: &Upkeep, words: &str) {
    let there = || matches!(upkeep.status(), Status::Problem(p) if p.contains(words));
    let waited = wait_until(DEADLINE, words, there);
    assert!(waited.is_ok(), "{:?}", upkeep.status());
}

/// The running configuration from the first `router` on, without the daemons' own remarks.
fn running(frr: &Frr) -> String {
    let text = frr.vtysh("show running-config").unwrap();
    let from = text.find("router bgp").unwrap_or(text.len());
    text[from..].to_owned()
}

fn leaks(frr: &Frr) -> bool {
    let text = running(frr);
    text.matches("import vrf bgp-vrf").count() == 2
        && text.contains("router bgp 64999 vrf bgp-vrf")
        && text.matches("redistribute connected").count() == 3
}

#[test]
fn leaking_is_made_once_and_taken_away_without_a_trace() {
    for generation in Generation::ALL {
        let Some(lab) = Lab::new(generation) else {
            return;
        };
        let frr = lab.start(FRR_CONFIG);
        let before = running(&frr);
        let often = Duration::from_millis(100);
        let upkeep = lab.keep(leaking(), often);
        wait_for(&upkeep, &Status::InPlace);
        assert!(leaks(&frr), "{generation:?}: {}", running(&frr));
        let asked = lab.asked();
        wait_until(DEADLINE, "more looks", || lab.asked() > asked + 3).unwrap();
        assert_eq!(
            lab.told(),
            1,
            "one conversation, and none when nothing differs"
        );

        upkeep.change(lab.settings(nothing(), often));
        wait_for(&upkeep, &Status::Clean);
        assert_eq!(running(&frr), before, "{generation:?}");
        upkeep.change(lab.settings(leaking(), often));
        wait_for(&upkeep, &Status::InPlace);
        assert!(leaks(&frr));
    }
}

#[test]
fn b018_a_restarted_frr_is_told_again_at_once() {
    for generation in Generation::ALL {
        let Some(lab) = Lab::new(generation) else {
            return;
        };
        let mut frr = lab.start(FRR_CONFIG);
        // The next look of the interval would be an hour away.
        let upkeep = lab.keep(leaking(), HOURLY);
        wait_for(&upkeep, &Status::InPlace);
        frr.kill("bgpd");
        wait_for_problem(&upkeep, "bgpd does not run");
        frr.revive("bgpd").unwrap();
        let back = Instant::now();
        wait_for(&upkeep, &Status::InPlace);
        println!(
            "b018: {generation:?} was told again {:?} after it was back",
            back.elapsed()
        );
        assert!(leaks(&frr), "{}", running(&frr));
    }
}

#[test]
fn b019_without_a_router_id_it_is_said_and_tried_again() {
    let Some(lab) = Lab::new(Generation::Bookworm) else {
        return;
    };
    let frr = lab.start("router bgp 64999\n no bgp default ipv4-unicast\n");
    let upkeep = lab.keep(leaking(), Duration::from_millis(200));
    wait_for_problem(&upkeep, "set bgp_router_id");
    assert!(!running(&frr).contains("bgp-vrf"));
    let line = "neighbor 192.0.2.1 remote-as internal";
    let family = ["address-family ipv4 unicast", "neighbor 192.0.2.1 activate"];
    frr.configure(&[&["router bgp 64999", line], &family[..]].concat())
        .unwrap();
    wait_for(&upkeep, &Status::InPlace);
    assert!(leaks_from_summary(&frr), "{}", running(&frr));
}

fn leaks_from_summary(frr: &Frr) -> bool {
    let summary = frr.json("show bgp ipv4 unicast summary").unwrap();
    let id = summary["routerId"].as_str().unwrap().to_owned();
    running(frr).contains(&format!("bgp router-id {id}"))
}

#[test]
fn another_as_is_said_and_frr_left_alone() {
    let Some(lab) = Lab::new(Generation::Bookworm) else {
        return;
    };
    let frr = lab.start("router bgp 65001\n bgp router-id 192.0.2.1\n");
    let before = running(&frr);
    let upkeep = lab.keep(leaking(), HOURLY);
    wait_for_problem(&upkeep, "make them equal");
    assert_eq!(running(&frr), before);
    assert_eq!(lab.told(), 0);
}

#[test]
fn what_frr_refuses_is_left_out_and_the_rest_is_sent() {
    for generation in Generation::ALL {
        let Some(lab) = Lab::new(generation) else {
            return;
        };
        let frr = lab.start(FRR_CONFIG);
        let commands = [
            "router bgp 64999",
            "neighbor 100.65.1.2 remote-as 1",
            "no such line",
            "address-family ipv4 unicast",
            "import vrf bgp-vrf",
            "exit-address-family",
            "exit",
            "router bgp 65000",
            "address-family ipv4 unicast",
            "import vrf blue",
            "exit-address-family",
            "exit",
            "router bgp 64999",
            "address-family ipv6 unicast",
            "import vrf bgp-vrf",
            "exit-address-family",
            "exit",
        ]
        .map(str::to_owned);
        let rejected = lab
            .block_on(lab.vtysh().configure(With::Bgpd, &commands))
            .unwrap();
        let of: Vec<&str> = rejected.iter().map(|r| r.command.as_str()).collect();
        let expected = [
            "neighbor 100.65.1.2 remote-as 1",
            "no such line",
            "router bgp 65000",
        ];
        assert_eq!(of, expected, "{generation:?}: {rejected:?}");
        assert!(rejected[0].answer.contains("local system"), "{rejected:?}");
        assert!(rejected[2].answer.contains("64999"), "{rejected:?}");
        let text = running(&frr);
        assert_eq!(text.matches("import vrf bgp-vrf").count(), 2, "{text}");
        assert!(!text.contains("blue"));
    }
}

#[test]
fn an_frr_that_hangs_or_comes_late_is_reported_and_waited_for() {
    let Some(lab) = Lab::new(Generation::Bookworm) else {
        return;
    };
    let upkeep = lab.keep(leaking(), Duration::from_millis(200));
    wait_for_problem(&upkeep, "bgpd does not run");
    let frr = lab.start(FRR_CONFIG);
    wait_for(&upkeep, &Status::InPlace);
    frr.freeze().unwrap();
    wait_for_problem(&upkeep, "did not answer vtysh within 10s");
}

#[test]
fn a_vtysh_that_cannot_be_run_is_named() {
    let Some(lab) = Lab::new(Generation::Bookworm) else {
        return;
    };
    let _frr = lab.start(FRR_CONFIG);
    let mut settings = lab.settings(leaking(), HOURLY);
    settings.vtysh.program = lab.plain_file();
    let upkeep = lab.spawn(settings);
    wait_for_problem(&upkeep, "frr_vtysh names it");
    wait_for_problem(&upkeep, "Permission denied");
}

#[test]
fn without_an_frr_there_is_nothing_to_take_away() {
    let Some(lab) = Lab::new(Generation::Bookworm) else {
        return;
    };
    let upkeep = lab.keep(nothing(), HOURLY);
    wait_for(&upkeep, &Status::Clean);
    assert_eq!(lab.asked(), 0);
}
