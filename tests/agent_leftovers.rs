//! A method without tenants on a node where one with tenants ran before: what bears the agent's mark goes, what bears
//! none stays. (VRFs, which this kernel lacks: `kernel_tenants_vrf`.)

mod agent_node;

use agent_node::cloud::{self, Vm};
use agent_node::*;
use interop::wait_until;

const MARK: &str = "external_ids:ovn-bgp-agent=tenant";

/// A stretched network as a former process has left it, and one of somebody else's, which only the marks tell apart.
fn lay_down(node: &Node) {
    for (vni, network) in [(2001, "b4113ba2-78"), (2002, "b4113ba2-79")] {
        for words in [
            format!("link add br-{vni} type bridge stp_state 0"),
            format!("link set br-{vni} up"),
            format!(
                "link add vxlan-{vni} type vxlan id {vni} dstport 4789 local {NODE} nolearning"
            ),
            format!("link set vxlan-{vni} master br-{vni}"),
            format!("link set vxlan-{vni} up"),
            format!("link add vrf{network} type veth peer name ovs{network}"),
            format!("link set vrf{network} master br-{vni}"),
            format!("link set vrf{network} up"),
            format!("neigh add 172.24.4.50 lladdr 02:00:00:00:00:50 dev br-{vni} nud permanent"),
        ] {
            node.ip(&words);
        }
        let entry = "02:00:00:00:00:50 dev";
        let command = format!("bridge fdb add {entry} vxlan-{vni} dst 192.0.2.9 self");
        node.namespace.sh(&command).unwrap();
        let port = format!("ovs{network}");
        node.switch.vsctl(&["add-port", "br-ex", &port]).unwrap();
    }
    for device in ["br-2001", "vxlan-2001", "vrfb4113ba2-78"] {
        node.ip(&format!("link set {device} alias ovn-bgp-agent"));
    }
    let mark = ["set", "port", "ovsb4113ba2-78", MARK];
    node.switch.vsctl(&mark).unwrap();
    let target = node.switch.run_dir().join("br-ex.mgmt");
    let flow = "cookie=0x3e6,priority=1000,ip,in_port=1,dl_src=fa:16:3e:94:ec:e8,actions=output:2";
    let target = target.to_str().unwrap();
    node.place
        .run("ovs-ofctl", &["add-flow", target, flow])
        .unwrap();
}

fn devices(node: &Node) -> String {
    node.ip("-o link show")
}

fn entries(node: &Node) -> String {
    node.namespace.sh("bridge fdb show dev vxlan-2002").unwrap()
}

#[test]
fn a_method_without_tenants_removes_what_one_with_tenants_has_made_and_nothing_of_others() {
    if !can_run() {
        return;
    }
    let (nb, mut node) = lab();
    nb.transact(&cloud::boot(Vm(10))).unwrap();
    lay_down(&node);
    let theirs = entries(&node);

    let planned = node.json(&["plan"])["changes"].to_string();
    for object in ["br-2001", "vxlan-2001", "ovsb4113ba2-78"] {
        assert!(planned.contains(object), "{object} in {planned}");
    }
    for object in ["2002", "b4113ba2-79"] {
        assert!(!planned.contains(object), "{object} in {planned}");
    }

    node.start_agent();
    node.expect(&["172.24.4.10"]);
    let gone = || {
        let devices = devices(&node);
        let ports = node.switch.vsctl(&["list-ports", "br-ex"]).unwrap();
        let flows = own_flows(&node.switch);
        !["2001", "b4113ba2-78"]
            .iter()
            .any(|name| devices.contains(name))
            && !ports.contains("b4113ba2-78")
            && !flows.iter().any(|flow| flow.contains("cookie=0x3e6"))
    };
    if let Err(error) = wait_until(DEADLINE, "the former tenant to go", gone) {
        panic!("{error}: {}{:?}", devices(&node), own_flows(&node.switch));
    }
    let left = devices(&node);
    for device in ["br-2002", "vxlan-2002", "vrfb4113ba2-79"] {
        assert!(left.contains(device), "{device} in {left}");
    }
    let ports = node.switch.vsctl(&["list-ports", "br-ex"]).unwrap();
    assert!(ports.contains("ovsb4113ba2-79"), "{ports}");
    assert_eq!(entries(&node), theirs);
    let neighbours = node.ip("neigh show dev br-2002 nud permanent");
    assert!(neighbours.contains("172.24.4.50"), "{neighbours}");
}
