use std::net::Ipv4Addr;

use ipnet::IpNet;
use proptest::prelude::*;

use super::*;
use crate::mac::MacAddr;
use crate::reconcile::object::{FlowOutput, FlowSource};

fn entry(flow: &FlowMod) -> FlowEntry {
    FlowEntry {
        table: flow.table,
        priority: flow.priority,
        cookie: flow.cookie,
        idle_timeout: 0,
        hard_timeout: 0,
        oxm: flow.oxm.clone(),
        instructions: flow.instructions.clone(),
    }
}

fn key(priority: u16, in_port: u32, ether_type: EtherType, source: Option<FlowSource>) -> Key {
    Key::Flow {
        bridge: "br-ex".into(),
        priority,
        in_port,
        ether_type,
        source,
    }
}

fn value(cookie: u64, mac: [u8; 6], output: Option<FlowOutput>) -> Value {
    Value::Flow(Flow {
        cookie,
        set_eth_dst: MacAddr(mac),
        output,
    })
}

fn source(v6: bool) -> impl Strategy<Value = FlowSource> + Clone {
    let network = (any::<[u8; 16]>(), 0..=128u8).prop_map(move |(bytes, length)| {
        let address = Ipv6Addr::from(bytes);
        let net = if v6 {
            IpNet::new(address.into(), length)
        } else {
            let [a, b, c, d, ..] = bytes;
            IpNet::new(Ipv4Addr::new(a, b, c, d).into(), length % 33)
        };
        net.unwrap().trunc()
    });
    (any::<[u8; 6]>(), network).prop_map(|(mac, network)| FlowSource {
        mac: MacAddr(mac),
        network,
    })
}

fn output() -> impl Strategy<Value = FlowOutput> {
    (1..0xff00u32, any::<bool>()).prop_map(|(port, strip_vlan)| FlowOutput { port, strip_vlan })
}

fn family() -> impl Strategy<Value = (EtherType, Option<FlowSource>)> {
    let families = [
        EtherType::Ipv4,
        EtherType::Ipv6,
        EtherType::Arp,
        EtherType::Nd,
    ];
    (0..families.len()).prop_flat_map(move |index| {
        let ether_type = families[index];
        let asks = ether_type == EtherType::Nd;
        let source = source(asks || ether_type == EtherType::Ipv6);
        // Solicitations are of one address, or of any.
        let source = (proptest::option::of(source.clone()), source);
        let source = source.prop_map(move |(any, mut some): (Option<FlowSource>, FlowSource)| {
            some.network = IpNet::from(some.network.addr());
            any.map(|any| if asks { some } else { any })
        });
        (Just(ether_type), source)
    })
}

proptest! {
    #[test]
    fn a_flow_reads_as_it_was_written(
        priority: u16, in_port: u32, (ether_type, source) in family(), tenant: bool, mac: [u8; 6],
        output in proptest::option::of(output()),
    ) {
        let cookie = if tenant { TENANT_FLOW_COOKIE } else { FLOW_COOKIE };
        let (key, value) = (key(priority, in_port, ether_type, source), value(cookie, mac, output));
        let added = add(&key, &value).unwrap();
        let read = object(&"br-ex".into(), &entry(&added));
        prop_assert_eq!(read, (key.clone(), Found::owned(value)));
        prop_assert_eq!(remove(&key).unwrap().oxm, added.oxm);
    }

    #[test]
    fn any_flow_is_an_object_that_can_be_removed(
        table: u8,
        priority: u16,
        oxm in proptest::collection::vec(any::<u8>(), 0..40),
        instructions in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let flow = FlowEntry {
            table, priority, cookie: FLOW_COOKIE,
            idle_timeout: 0, hard_timeout: 0, oxm: oxm.clone(), instructions,
        };
        let (key, found) = object(&"br-ex".into(), &flow);
        prop_assert!(found.owned);
        let removed = remove(&key).unwrap();
        prop_assert_eq!((removed.table, removed.priority), (table, priority));
        prop_assert_eq!(removed.cookie & removed.cookie_mask, FLOW_COOKIE & removed.cookie_mask);
    }

    #[test]
    fn a_match_cut_short_is_another_flow((ether_type, source) in family(), cut in 0..60usize) {
        let whole = add(&key(900, 7, ether_type, source), &value(FLOW_COOKIE, [2; 6], None)).unwrap();
        let mut flow = entry(&whole);
        prop_assume!(cut < flow.oxm.len());
        flow.oxm.truncate(cut);
        let (read, _) = object(&"br-ex".into(), &flow);
        prop_assert_ne!(read, key(900, 7, ether_type, source));
    }
}

#[test]
fn our_two_cookies_and_no_others_are_asked_for() {
    let CookieMask { cookie, mask } = OUR_COOKIES;
    let asked: Vec<u64> = (0..0x800).filter(|c| c & mask == cookie).collect();
    assert_eq!(asked, [0x3e6, 0x3e7]);
    assert_ne!(0x1_0000_03e6 & mask, cookie);
}

#[test]
fn a_source_of_the_other_family_is_no_flow() {
    let source = FlowSource {
        mac: MacAddr([2; 6]),
        network: "10.0.0.0/24".parse().unwrap(),
    };
    let key = key(1000, 1, EtherType::Ipv6, Some(source));
    assert_eq!(add(&key, &value(TENANT_FLOW_COOKIE, [2; 6], None)), None);
    assert_eq!(remove(&key), None);
}

#[test]
fn a_flow_with_our_match_and_other_actions_has_our_key() {
    let key = key(900, 1, EtherType::Ipv4, None);
    let mut flow = entry(&add(&key, &value(FLOW_COOKIE, [2; 6], None)).unwrap());
    flow.instructions.truncate(8);
    let (found, what) = object(&"br-ex".into(), &flow);
    assert_eq!(found, key);
    assert!(matches!(what.value, Value::Stray { .. }));
}

#[test]
fn a_flow_that_expires_is_not_as_wished() {
    let key = key(900, 1, EtherType::Ipv4, None);
    let mut flow = entry(&add(&key, &value(FLOW_COOKIE, [2; 6], None)).unwrap());
    flow.idle_timeout = 60;
    assert!(matches!(
        object(&"br-ex".into(), &flow).1.value,
        Value::Stray { .. }
    ));
}

#[test]
fn d33_a_flow_of_another_shape_is_a_stray() {
    let flow = FlowEntry {
        table: 3,
        priority: 1000,
        cookie: FLOW_COOKIE,
        idle_timeout: 0,
        hard_timeout: 0,
        oxm: Vec::new(),
        instructions: Vec::new(),
    };
    let (key, _) = object(&"br-ex".into(), &flow);
    assert!(matches!(key, Key::StrayFlow { table: 3, .. }));
}

#[test]
fn a_solicitation_is_sent_on_to_the_one_address_that_it_is_for() {
    let target: IpNet = "fe80::e74:de6b:dd5/128".parse().unwrap();
    let of = |network| {
        let mac = MacAddr([2; 6]);
        key(1000, 1, EtherType::Nd, Some(FlowSource { mac, network }))
    };
    let wanted = value(TENANT_FLOW_COOKIE, [2; 6], None);
    let added = add(&of(target), &wanted).unwrap();
    let mut entry = entry(&added);
    let (read, found) = object(&Arc::from("br-ex"), &entry);
    assert_eq!((&read, &found.value), (&of(target), &wanted));
    // To another address, it is not ours.
    if let Some(last) = entry.instructions.get_mut(47) {
        *last ^= 1;
    }
    let (read, found) = object(&Arc::from("br-ex"), &entry);
    assert_eq!(read, of(target));
    assert!(matches!(found.value, Value::Stray { .. }), "{found:?}");
    assert_eq!(add(&of("fe80::/64".parse().unwrap()), &wanted), None);
}

#[test]
fn solicitations_that_no_target_is_named_of_go_to_the_group_of_their_target() {
    let any = key(900, 1, EtherType::Nd, None);
    let wanted = value(FLOW_COOKIE, [0x33, 0x33, 0xff, 0, 0, 0], None);
    let added = add(&any, &wanted).unwrap();
    let entry = entry(&added);
    let read = |entry: &FlowEntry| object(&Arc::from("br-ex"), entry);
    assert_eq!(read(&entry), (any.clone(), Found::owned(wanted)));
    // Without the move, to another group, or of packets to another one, it is not ours.
    for at in (0..4).chain(8..16).chain(24..96) {
        let mut other = entry.clone();
        other.instructions[at] ^= 1;
        let (key, found) = read(&other);
        assert!(
            key == any && matches!(found.value, Value::Stray { .. }),
            "{at}: {found:?}"
        );
    }
    let mut other = entry.clone();
    let mask = other.oxm.len() - 13 - 1;
    other.oxm[mask] ^= 1;
    assert!(matches!(read(&other).0, Key::StrayFlow { .. }));
}
