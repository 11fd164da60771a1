use super::*;

/// FRR 10.3 with the Python agent's lines in it.
const PYTHON: &str = include_str!("../../../../tests/fixtures/golden/frr_leak/vtysh-run.txt");
const STRETCHED: &str =
    include_str!("../../../../tests/fixtures/golden/frr_leak/stretched_l2/vtysh-run.txt");
const ROUTER_ID: Ipv4Addr = Ipv4Addr::new(172, 30, 1, 1);

fn leaking(connected: bool, kernel: bool) -> Leaking {
    Leaking {
        asn: 64999,
        vrf: "bgp-vrf".into(),
        redistribute: Redistribute { connected, kernel },
        attributes: None,
    }
}

fn missing(text: &str, leaking: &Leaking) -> Vec<String> {
    leaking.missing(&Running::parse(text), ROUTER_ID).unwrap()
}

#[test]
fn what_the_python_agent_left_needs_nothing() {
    assert!(missing(PYTHON, &leaking(true, false)).is_empty());
    assert!(missing(STRETCHED, &leaking(false, true)).is_empty());
}

#[test]
fn b018_a_restarted_frr_gets_both_blocks() {
    let restarted = "router bgp 64999\n neighbor 192.0.2.1 remote-as internal\n !\n address-family ipv4 unicast\n  redistribute connected\n exit-address-family\nexit\n";
    let expected = [
        "router bgp 64999",
        "address-family ipv4 unicast",
        "import vrf bgp-vrf",
        "exit-address-family",
        "address-family ipv6 unicast",
        "import vrf bgp-vrf",
        "exit-address-family",
        "exit",
        "router bgp 64999 vrf bgp-vrf",
        "bgp router-id 172.30.1.1",
        "address-family ipv4 unicast",
        "redistribute connected",
        "exit-address-family",
        "address-family ipv6 unicast",
        "redistribute connected",
        "exit-address-family",
        "exit",
    ];
    assert_eq!(missing(restarted, &leaking(true, false)), expected);
}

#[test]
fn only_the_line_that_is_missing_is_sent() {
    let without = PYTHON.replacen("  import vrf bgp-vrf\n", "", 1);
    let expected = [
        "router bgp 64999",
        "address-family ipv4 unicast",
        "import vrf bgp-vrf",
        "exit-address-family",
        "exit",
    ];
    assert_eq!(missing(&without, &leaking(true, false)), expected);
}

#[test]
fn another_advertisement_method_changes_the_redistribution_and_leaves_none_behind() {
    let subnets = missing(PYTHON, &leaking(true, true));
    let kernel = |l: &&String| *l == "redistribute kernel";
    assert_eq!(subnets.iter().filter(kernel).count(), 2, "{subnets:?}");
    assert!(!subnets.iter().any(|l| l.starts_with("no ")));
    let back = missing(STRETCHED, &leaking(true, false));
    let gone = |l: &&String| *l == "no redistribute kernel";
    assert_eq!(back.iter().filter(gone).count(), 2, "{back:?}");
}

const LINE: &str = "redistribute connected route-map ovn-bgp-agent-policy";

/// [`PYTHON`] with something else in the place of the lines of our VRF.
fn redistributing(lines: &str) -> String {
    let (before, ours) = PYTHON.split_once("router bgp 64999 vrf bgp-vrf").unwrap();
    let ours = ours.replace("redistribute connected", lines);
    format!("{before}router bgp 64999 vrf bgp-vrf{ours}")
}

fn attributing(attributed: Attributed) -> Leaking {
    Leaking {
        attributes: Some(Arc::new(attributed)),
        ..leaking(true, false)
    }
}

fn med() -> Attributed {
    let mut attributed = Attributed::default();
    let attributes = crate::exposure::Attributes {
        med: Some(50),
        ..Default::default()
    };
    attributed.add("172.24.4.10/32".parse().unwrap(), &attributes);
    attributed
}

#[test]
fn without_policies_nothing_is_said_of_them() {
    let nothing = attributing(Attributed::default());
    assert!(missing(PYTHON, &nothing).is_empty());
    let anew = missing("router bgp 64999\nexit\n", &nothing);
    assert!(!anew.iter().any(|line| line.contains("map")), "{anew:?}");
}

#[test]
fn the_map_is_there_before_it_is_used_and_after() {
    let commands = missing(PYTHON, &attributing(med()));
    let at = |line: &str| commands.iter().position(|c| c == line).unwrap();
    assert_eq!(
        commands[0],
        "ip prefix-list ovn-bgp-agent-policy-1 seq 1 permit 172.24.4.10/32"
    );
    assert!(at("route-map ovn-bgp-agent-policy permit 65535") < at(LINE));
    let lines = commands.iter().filter(|line| *line == LINE);
    assert_eq!(lines.count(), 2, "{commands:?}");

    let running = redistributing(LINE)
        + "route-map ovn-bgp-agent-policy permit 1\n match ip address prefix-list \
        ovn-bgp-agent-policy-1\n set metric 50\nexit\nroute-map ovn-bgp-agent-policy permit 65535\nexit\n\
        ip prefix-list ovn-bgp-agent-policy-1 seq 1 permit 172.24.4.10/32\n";
    assert!(missing(&running, &attributing(med())).is_empty());
    assert!(
        missing(&running, &leaking(true, false)).is_empty(),
        "nothing is known yet"
    );

    let gone = missing(&running, &attributing(Attributed::default()));
    let of = |line: &str| gone.iter().filter(|command| *command == line).count();
    assert_eq!(of("no redistribute connected"), 2);
    assert_eq!(of("redistribute connected"), 2);
    let last = [
        "exit",
        "no route-map ovn-bgp-agent-policy",
        "no ip prefix-list ovn-bgp-agent-policy-1",
    ];
    assert_eq!(gone[gone.len() - 3..], last);
    let removed = removal(&Running::parse(&running), "bgp-vrf");
    let last = [
        "no router bgp 64999 vrf bgp-vrf",
        "no route-map ovn-bgp-agent-policy",
        "no ip prefix-list ovn-bgp-agent-policy-1",
    ];
    assert_eq!(removed[removed.len() - 3..], last);
}

#[test]
fn where_the_operator_has_a_route_map_attributes_do_not_pass_and_that_is_said() {
    let theirs = redistributing("redistribute connected route-map tag");
    let wanted = attributing(med());
    assert!(missing(&theirs, &wanted).is_empty());
    let said = wanted.complete(&Running::parse(&theirs)).unwrap_err();
    let said = said.to_string();
    assert!(
        said.contains("'redistribute connected route-map tag' (ipv4 unicast)"),
        "{said}"
    );
    let nothing = attributing(Attributed::default());
    assert_eq!(nothing.complete(&Running::parse(&theirs)), Ok(()));
}

#[test]
fn an_operators_route_map_on_our_line_stays() {
    let with = PYTHON.replace(
        "  redistribute connected\n exit-address-family\n !\n address-family ipv6 unicast\n  redistribute connected\n exit-address-family\nexit\n!\nip protocol",
        "  redistribute connected route-map tag\n exit-address-family\n !\n address-family ipv6 unicast\n  redistribute connected\n exit-address-family\nexit\n!\nip protocol",
    );
    assert_ne!(with, PYTHON);
    assert!(missing(&with, &leaking(true, false)).is_empty());
}

#[test]
fn another_as_or_no_instance_is_said_and_nothing_is_sent() {
    let refused = |text: &str| {
        let running = Running::parse(text);
        leaking(true, false)
            .missing(&running, ROUTER_ID)
            .unwrap_err()
    };
    assert_eq!(
        refused("router bgp 65001\nexit\n"),
        CannotLeak::OtherAs {
            asn: 64999,
            found: "65001".into()
        }
    );
    assert_eq!(refused(""), CannotLeak::NoInstance { asn: 64999 });
}

#[test]
fn the_removal_leaves_the_operators_configuration() {
    let commands = removal(&Running::parse(PYTHON), "bgp-vrf");
    let expected = [
        "router bgp 64999",
        "address-family ipv4 unicast",
        "no import vrf bgp-vrf",
        "exit-address-family",
        "address-family ipv6 unicast",
        "no import vrf bgp-vrf",
        "exit-address-family",
        "exit",
        "no router bgp 64999 vrf bgp-vrf",
    ];
    assert_eq!(commands, expected);
    let clean = "router bgp 64999\n address-family ipv4 unicast\n  import vrf blue\n exit-address-family\nexit\n";
    assert!(removal(&Running::parse(clean), "bgp-vrf").is_empty());
}

#[test]
fn a_vrf_instance_with_neighbours_of_the_operators_stays() {
    let shared = PYTHON.replace(
        "router bgp 64999 vrf bgp-vrf\n",
        "router bgp 64999 vrf bgp-vrf\n neighbor 192.0.2.7 remote-as 65007\n",
    );
    let commands = removal(&Running::parse(&shared), "bgp-vrf");
    assert!(!commands.iter().any(|c| c.starts_with("no router")));
    let gone = |c: &&String| *c == "no redistribute connected";
    assert_eq!(commands.iter().filter(gone).count(), 2, "{commands:?}");
}
