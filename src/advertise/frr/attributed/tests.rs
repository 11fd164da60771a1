use super::*;
use crate::route_settings::{RouteSettings, Setting};

const PLAIN: &str = "router bgp 64999\nexit\n";

fn attributes(communities: &str, med: Option<u32>) -> Attributes {
    let mut settings = RouteSettings::default();
    settings.set(Setting::Communities, communities).unwrap();
    Attributes {
        communities: settings.communities,
        med,
        ..Attributes::default()
    }
}

fn attributed(routes: &[(&str, &Attributes)]) -> Attributed {
    let mut attributed = Attributed::default();
    for (prefix, attributes) in routes {
        attributed.add(prefix.parse().unwrap(), attributes);
    }
    attributed
}

fn commands(wished: &Attributed, running: &str) -> Commands {
    let running = Running::parse(running);
    difference(LEAKED, wished, &[vec![]], &running)
}

/// What FRR shows of these commands.
fn shown(commands: &[String]) -> String {
    let inside = ["match ", "set "];
    let line = |line: &String| match inside.iter().any(|words| line.starts_with(words)) {
        true => format!(" {line}\n"),
        false => format!("{line}\n"),
    };
    commands.iter().map(line).collect()
}

#[test]
fn each_family_and_set_of_attributes_has_its_entry_and_its_list() {
    let gold = attributes("no-export 65000:100 65000:1:2", Some(50));
    let wished = attributed(&[
        ("172.24.4.10/32", &gold),
        ("172.24.4.12/32", &gold),
        ("2001:db8::10/128", &gold),
        ("10.0.0.0/24", &attributes("", Some(7))),
        ("172.24.4.13/32", &attributes("", None)),
    ]);
    let expected = "\
ip prefix-list ovn-bgp-agent-policy-1 seq 1 permit 172.24.4.10/32
ip prefix-list ovn-bgp-agent-policy-1 seq 2 permit 172.24.4.12/32
ip prefix-list ovn-bgp-agent-policy-2 seq 1 permit 10.0.0.0/24
ipv6 prefix-list ovn-bgp-agent-policy-3 seq 1 permit 2001:db8::10/128
route-map ovn-bgp-agent-policy permit 1
 match ip address prefix-list ovn-bgp-agent-policy-1
 set community 65000:100 65535:65281
 set large-community 65000:1:2
 set metric 50
exit
route-map ovn-bgp-agent-policy permit 2
 match ip address prefix-list ovn-bgp-agent-policy-2
 set metric 7
exit
route-map ovn-bgp-agent-policy permit 3
 match ipv6 address prefix-list ovn-bgp-agent-policy-3
 set community 65000:100 65535:65281
 set large-community 65000:1:2
 set metric 50
exit
route-map ovn-bgp-agent-policy permit 65535
exit
";
    let commands = commands(&wished, PLAIN);
    assert_eq!(shown(&commands.before), expected);
    assert_eq!(commands.after, [""; 0]);
    // An agent that starts again finds it so.
    let again = difference(LEAKED, &wished, &[vec![]], &Running::parse(expected));
    assert_eq!(again, Commands::default());
}

#[test]
fn a_route_that_comes_or_goes_is_one_line() {
    let gold = attributes("65000:100", None);
    let two = attributed(&[("172.24.4.10/32", &gold), ("172.24.4.12/32", &gold)]);
    let running = shown(&commands(&two, PLAIN).before);
    let other = attributed(&[("172.24.4.11/32", &gold), ("172.24.4.12/32", &gold)]);
    let commands = commands(&other, &running);
    let list = "ip prefix-list ovn-bgp-agent-policy-1";
    assert_eq!(
        commands.before,
        [format!("{list} seq 3 permit 172.24.4.11/32")]
    );
    assert_eq!(
        commands.after,
        [format!("no {list} seq 1 permit 172.24.4.10/32")]
    );
}

#[test]
fn other_attributes_are_a_new_entry_before_the_old_one_goes() {
    let running = shown(
        &commands(
            &attributed(&[("172.24.4.10/32", &attributes("65000:100", None))]),
            PLAIN,
        )
        .before,
    );
    let wished = attributed(&[("172.24.4.10/32", &attributes("65000:200", None))]);
    let commands = commands(&wished, &running);
    let before = [
        "ip prefix-list ovn-bgp-agent-policy-2 seq 1 permit 172.24.4.10/32",
        "route-map ovn-bgp-agent-policy permit 2",
        "match ip address prefix-list ovn-bgp-agent-policy-2",
        "set community 65000:200",
        "exit",
    ];
    assert_eq!(commands.before, before);
    let after = [
        "no route-map ovn-bgp-agent-policy permit 1",
        "no ip prefix-list ovn-bgp-agent-policy-1",
    ];
    assert_eq!(commands.after, after);
}

#[test]
fn an_entry_that_somebody_has_changed_is_made_anew() {
    let wished = attributed(&[("172.24.4.10/32", &attributes("65000:100", None))]);
    let running = shown(&commands(&wished, PLAIN).before);
    let changed = running.replace("set community 65000:100", "set community 65000:1");
    let repaired = commands(&wished, &changed);
    let entry = "route-map ovn-bgp-agent-policy permit 2".to_owned();
    assert!(repaired.before.contains(&entry), "{repaired:?}");
    assert_eq!(
        repaired.after[0],
        "no route-map ovn-bgp-agent-policy permit 1"
    );
    let denying = running.replace("permit 65535", "deny 65535");
    let expected = [
        "no route-map ovn-bgp-agent-policy deny 65535",
        "route-map ovn-bgp-agent-policy permit 65535",
        "exit",
    ];
    assert_eq!(commands(&wished, &denying).before, expected);
}

#[test]
fn what_is_named_otherwise_is_not_ours() {
    let theirs = "route-map ovn-bgp-agent-policy-vni-7 permit 1\nexit\nroute-map ovn-bgp-agent permit 10\nexit\n\
        route-map ovn-bgp-agent-policy-x permit 1\nexit\n\
        ip prefix-list ovn-bgp-agent-policy-vni-7-1 seq 1 permit 172.24.4.10/32\nip prefix-list x seq 5 permit any\n";
    let running = Running::parse(theirs);
    assert_eq!(removal(LEAKED, &running), [""; 0]);
    let expected = [
        "no route-map ovn-bgp-agent-policy-vni-7",
        "no ip prefix-list ovn-bgp-agent-policy-vni-7-1",
    ];
    assert_eq!(removal(&of_vni(7), &running), expected);
    assert_eq!(running_vnis(&running), BTreeSet::from([7]));
}
