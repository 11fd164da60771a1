//! `clear_vrf_routes_on_startup` in the kernel: the judge is iproute2.

mod kernel_node;

use kernel_node::{in_namespace, ip};
use ovn_bgp_agent::kernel::clear_table;

const TABLE: u32 = 10;
const LARGE: u32 = 70_000;

fn lines(family: &str, table: u32) -> Vec<String> {
    let (ok, text) = kernel_node::try_ip(&format!("{family} route show table {table}"));
    let gone = text.contains("table does not exist");
    assert!(ok || gone, "{text}");
    let lines = text.lines().filter(|_| !gone);
    lines.map(|line| line.trim().to_owned()).collect()
}

fn links() {
    ip("link add up0 type veth peer name down0");
    for link in ["lo", "down0", "up0"] {
        ip(&format!("link set {link} up"));
    }
    ip("address add 192.0.2.2/24 dev up0");
    ip("address add 2001:db8:ffff::2/64 dev up0 nodad");
}

#[test]
fn b009_routes_of_both_families_go_with_gateways_and_without() {
    in_namespace(|| async {
        links();
        ip("nexthop add id 7 via 192.0.2.1 dev up0");
        ip("nexthop add id 8 via 2001:db8:ffff::1 dev up0");
        for route in [
            "-4 route add 10.1.0.0/24 dev up0 table 10",
            "-4 route add 10.2.0.0/24 via 192.0.2.1 table 10",
            "-4 route add 10.2.0.0/24 via 192.0.2.1 metric 20 table 10",
            "-4 route append 10.2.0.0/24 via 192.0.2.3 table 10",
            "-4 route add 10.3.0.0/24 table 10 nexthop via 192.0.2.1 nexthop via 192.0.2.3",
            "-4 route add 10.4.0.0/24 nhid 7 table 10",
            "-4 route add 10.5.0.0/24 via 192.0.2.1 proto kernel table 10",
            "-4 route add unreachable default metric 4278198272 table 10",
            "-6 route add 2001:db8:1::/64 dev up0 table 10",
            "-6 route add 2001:db8:2::/64 via 2001:db8:ffff::1 table 10",
            "-6 route add 2001:db8:3::/64 table 10 nexthop via 2001:db8:ffff::1 nexthop via 2001:db8:ffff::3",
            "-6 route add 2001:db8:4::/64 nhid 8 table 10",
            "-6 route add unreachable default metric 4278198272 table 10",
        ] {
            ip(route);
        }
        assert_eq!(clear_table(TABLE).await.unwrap(), 13);
        assert_eq!(lines("-4", TABLE), Vec::<String>::new());
        assert_eq!(lines("-6", TABLE), Vec::<String>::new());
    });
}

#[test]
fn b009_b012_bgp_the_hosts_own_and_other_tables_stay() {
    in_namespace(|| async {
        links();
        for route in [
            "-4 route add 10.1.0.0/24 via 192.0.2.1 proto bgp table 10",
            "-4 route add local 10.2.0.1 dev up0 scope host table 10",
            "-6 route add 2001:db8:1::/64 via 2001:db8:ffff::1 proto bgp table 10",
            "-6 route add local 2001:db8:2::1 dev lo table 10",
            "-4 route add 10.9.0.0/24 via 192.0.2.1 table 10",
            "-4 route add 10.9.0.0/24 via 192.0.2.1 table 11",
            "-4 route add 10.9.0.0/24 via 192.0.2.1",
            "-6 route add 2001:db8:9::/64 via 2001:db8:ffff::1 table 10",
            "-6 route add 2001:db8:9::/64 via 2001:db8:ffff::1 table 11",
        ] {
            ip(route);
        }
        let others = || {
            [
                lines("-4", 254),
                lines("-4", 11),
                lines("-6", 254),
                lines("-6", 11),
            ]
        };
        let before = others();
        assert_eq!(clear_table(TABLE).await.unwrap(), 2);
        assert_eq!(lines("-4", TABLE).len(), 2, "{:?}", lines("-4", TABLE));
        assert_eq!(lines("-6", TABLE).len(), 2, "{:?}", lines("-6", TABLE));
        assert_eq!(others(), before);
        assert_eq!(
            clear_table(TABLE).await.unwrap(),
            0,
            "nothing is left to do"
        );
    });
}

#[test]
fn b009_a_table_beyond_255_is_cleared_and_a_missing_one_is_empty() {
    in_namespace(|| async {
        links();
        ip(&format!(
            "-4 route add 10.1.0.0/24 via 192.0.2.1 table {LARGE}"
        ));
        ip("-4 route add 10.1.0.0/24 via 192.0.2.1 table 70001");
        assert_eq!(clear_table(LARGE).await.unwrap(), 1);
        assert_eq!(lines("-4", LARGE), Vec::<String>::new());
        assert_eq!(lines("-4", 70_001).len(), 1);
        assert_eq!(clear_table(4242).await.unwrap(), 0);
    });
}
