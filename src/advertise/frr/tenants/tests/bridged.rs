//! Stretched networks.

use super::*;

fn stretched(all: impl IntoIterator<Item = (u32, Tenant)>) -> Tenants {
    Tenants {
        bridged: all.into_iter().collect(),
        node: Some([172, 30, 1, 1].into()),
        ..tenants([])
    }
}

/// [`NODE`] with the blocks of these VNIs.
fn with_vnis(blocks: &[(u32, &[&str])]) -> String {
    let block = |(vni, lines): &(u32, &[&str])| {
        let lines: String = lines.iter().map(|line| format!("   {line}\n")).collect();
        format!("  vni {vni}\n{lines}  exit-vni\n")
    };
    let blocks: String = blocks.iter().map(block).collect();
    NODE.replace(" exit-address", &format!("{blocks} exit-address"))
}

fn in_default(lines: &[&str]) -> Vec<String> {
    let around = ["router bgp 64999", "address-family l2vpn evpn"];
    let end = ["exit-address-family", "exit"];
    let all = around.iter().chain(lines).chain(&end);
    all.map(|line| (*line).to_owned()).collect()
}

#[test]
fn a_stretched_network_has_its_distinguisher_and_targets_in_the_default_instance() {
    let rd = "172.30.1.1:2001";
    let wanted = stretched([(2001, tenant(Some(rd), &["65000:7"], &["64999:2001"]))]);
    // What FRR derives itself it takes no line for.
    let own = ["rd 172.30.1.1:2001", "route-target import 65000:7"];
    let whole = [&["vni 2001"][..], &own, &["exit-vni"]].concat();
    assert_eq!(told(&wanted, NODE), in_default(&whole));
    assert_eq!(told(&wanted, &with_vnis(&[(2001, &own)])), [] as [&str; 0]);
    // Another target, and one less.
    let other = stretched([(2001, tenant(Some(rd), &[], &["64999:2001", "64999:9999"]))]);
    let change = [
        "vni 2001",
        "route-target export 64999:9999",
        "no route-target import 65000:7",
        // Last: beside another it is taken.
        "route-target export 64999:2001",
        "exit-vni",
    ];
    assert_eq!(
        told(&other, &with_vnis(&[(2001, &own)])),
        in_default(&change)
    );
}

#[test]
fn the_block_of_a_stretched_network_goes_with_it_and_those_of_others_stay() {
    let blocks: [(u32, &[&str]); 4] = [
        (2001, &["rd 172.30.1.1:2001", "route-target import 65000:7"]),
        // Of an operator: another distinguisher, none, and one with a line that is none of ours.
        (2002, &["rd 65000:2002"]),
        (2003, &[]),
        (2004, &["rd 172.30.1.1:2004", "advertise-svi-ip"]),
    ];
    let running = with_vnis(&blocks);
    let gone = told(&stretched([]), &running);
    assert_eq!(gone, in_default(&["no vni 2001"]));
}

#[test]
fn an_frr_without_vnis_is_told_of_no_stretched_network_and_it_is_said() {
    let wanted = stretched([(2001, tenant(None, &[], &[]))]);
    let running = NODE.replace("  advertise-all-vni\n", "");
    assert_eq!(told(&wanted, &running), [] as [&str; 0]);
    let missing = CannotHost::NoVnis {
        asn: "64999".to_owned(),
    };
    assert_eq!(wanted.complete(&Running::parse(&running)), Err(missing));
}
