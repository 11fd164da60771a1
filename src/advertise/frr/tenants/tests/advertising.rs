//! What hosts are told of their router.

use super::*;

#[test]
fn b120_a_device_gets_what_its_hosts_are_told() {
    let wanted = advertising(
        "vrf1a2b3c4d-5e",
        &[
            ("2001:db8:5::/64", Assignment::Dhcp),
            ("2001:db8:6::/64", Assignment::Autonomous),
        ],
        &["2001:db8::53"],
    );
    let expected = [
        "interface vrf1a2b3c4d-5e",
        "ipv6 nd managed-config-flag",
        "ipv6 nd prefix 2001:db8:5::/64 no-autoconfig",
        "ipv6 nd prefix 2001:db8:6::/64",
        "ipv6 nd rdnss 2001:db8::53",
        "no ipv6 nd suppress-ra",
        "exit",
    ];
    assert_eq!(told(&wanted, NODE), expected);
    let running = "interface vrf1a2b3c4d-5e\n ipv6 nd managed-config-flag\n \
        ipv6 nd prefix 2001:db8:5::/64 no-autoconfig\n ipv6 nd prefix 2001:db8:6::/64\n \
        ipv6 nd rdnss 2001:db8::53 1800\n no ipv6 nd suppress-ra\nexit\n";
    assert_eq!(told(&wanted, running), [] as [&str; 0]);
    let of_frr_7 = running.replace("vrf1a2b3c4d-5e\n", "vrf1a2b3c4d-5e vrf vrf-1001\n");
    assert_eq!(told(&wanted, &of_frr_7), [] as [&str; 0]);
}

#[test]
fn b120_prefixes_and_servers_that_went_go_from_frr() {
    let running = "interface vrf1a2b3c4d-5e\n ipv6 nd managed-config-flag\n \
        ipv6 nd prefix 2001:db8:5::/64\n ipv6 nd prefix 2001:db8:6::/64 86400 3600 no-autoconfig\n \
        ipv6 nd rdnss 2001:db8::53\n no ipv6 nd suppress-ra\nexit\n";
    let wanted = advertising(
        "vrf1a2b3c4d-5e",
        &[("2001:db8:5::/64", Assignment::Dhcp)],
        &["2001:db8::54"],
    );
    let expected = [
        "interface vrf1a2b3c4d-5e",
        "ipv6 nd prefix 2001:db8:5::/64 no-autoconfig",
        "no ipv6 nd prefix 2001:db8:6::/64",
        "ipv6 nd rdnss 2001:db8::54",
        "no ipv6 nd rdnss 2001:db8::53",
        "exit",
    ];
    assert_eq!(told(&wanted, running), expected);
}

#[test]
fn b120_a_device_that_went_is_silenced_first() {
    let running = "interface vrf1a2b3c4d-5e\n ipv6 nd managed-config-flag\n \
        ipv6 nd prefix 2001:db8:5::/64 no-autoconfig\n ipv6 nd rdnss 2001:db8::53\n no ipv6 nd suppress-ra\nexit\n";
    let expected = [
        "interface vrf1a2b3c4d-5e",
        "ipv6 nd suppress-ra",
        "no ipv6 nd prefix 2001:db8:5::/64",
        "no ipv6 nd rdnss 2001:db8::53",
        "no ipv6 nd managed-config-flag",
        "exit",
    ];
    assert_eq!(told(&tenants([]), running), expected);
}
