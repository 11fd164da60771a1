//! Messages that others recorded: the captures of os-ken (`tests/fixtures/os-ken`, see its NOTICE).

use super::*;

/// The TCP payload of the first packet of a capture file (pcap, Ethernet, IPv4 or IPv6 without extensions).
fn payload(file: &[u8]) -> &[u8] {
    let length = u32::from_le_bytes(file[32..36].try_into().unwrap());
    let frame = &file[40..40 + usize::try_from(length).unwrap()];
    let (ethertype, packet) = (&frame[12..14], &frame[14..]);
    let (head, total) = match ethertype {
        [0x08, 0x00] => (
            usize::from(packet[0] & 15) * 4,
            u16::from_be_bytes([packet[2], packet[3]]).into(),
        ),
        [0x86, 0xdd] => (
            40,
            40 + usize::from(u16::from_be_bytes([packet[4], packet[5]])),
        ),
        other => panic!("not IP: {other:02x?}"),
    };
    let segment = &packet[head..total];
    &segment[usize::from(segment[12] >> 4) * 4..]
}

fn messages(octets: &[u8], options: &CodecOptions) -> Vec<Message> {
    let mut buffer = BytesMut::from(octets);
    let mut messages = Vec::new();
    while let Some(raw) = frame::next_message(&mut buffer, options.max_message_len()).unwrap() {
        messages.push(decode(&raw, options).unwrap());
    }
    assert!(buffer.is_empty(), "octets left over");
    messages
}

/// The recorded sessions were internal where LOCAL_PREF shows it, and had four-octet AS numbers.
fn session() -> CodecOptions {
    CodecOptions {
        internal_peer: true,
        ..wide()
    }
}

macro_rules! capture {
    ($name:literal) => {
        (
            $name,
            include_bytes!(concat!("../../../tests/fixtures/os-ken/", $name, ".pcap")).as_slice(),
        )
    };
}

const BASICS: [(&str, &[u8]); 4] = [
    capture!("bgp4-keepalive"),
    capture!("bgp4-open"),
    capture!("bgp4-update"),
    capture!("bgp4-update_ipv6"),
];

const OTHER_FAMILIES: [(&str, &[u8]); 17] = [
    capture!("bgp4-update_vpnv6"),
    capture!("evpn_esi_arbitrary"),
    capture!("evpn_esi_as_based"),
    capture!("evpn_esi_l2_bridge"),
    capture!("evpn_esi_lacp"),
    capture!("evpn_esi_mac_base"),
    capture!("evpn_esi_router_id"),
    capture!("evpn_nlri_eth_a-d"),
    capture!("evpn_nlri_eth_seg"),
    capture!("evpn_nlri_inc_multi_eth_tag"),
    capture!("evpn_nlri_ip_prefix"),
    capture!("evpn_nlri_mac_ip_ad"),
    capture!("flowspec_nlri_ipv4"),
    capture!("flowspec_nlri_ipv6"),
    capture!("flowspec_nlri_l2vpn"),
    capture!("flowspec_nlri_vpn4"),
    capture!("flowspec_nlri_vpn6"),
];

/// The messages of one capture of the families other than unicast.
pub(super) fn recorded(name: &str, options: &CodecOptions) -> Vec<Message> {
    let (_, file) = OTHER_FAMILIES
        .into_iter()
        .find(|(n, _)| *n == name)
        .unwrap();
    messages(payload(file), options)
}

/// FlowSpec actions are extended communities; these four UPDATEs carry no destination, so that they are read alone.
const ACTIONS: [(&str, &[u8]); 4] = [
    capture!("flowspec_action_redirect"),
    capture!("flowspec_action_traffic_action"),
    capture!("flowspec_action_traffic_marking"),
    capture!("flowspec_action_traffic_rate"),
];

fn only<const N: usize>(captures: [(&str, &'static [u8]); N], name: &str) -> Vec<Message> {
    let (_, file) = captures.into_iter().find(|(n, _)| *n == name).unwrap();
    messages(payload(file), &session())
}

/// What tshark says of the same file: AS 65534, 180 s, 172.17.80.53; families, both kinds of refresh, four-octet AS.
#[test]
fn the_recorded_open_reads_as_tshark_reads_it() {
    let expected = Open {
        asn: Asn(65534),
        hold_time: 180,
        router_id: RouterId([172, 17, 80, 53].into()),
        capabilities: vec![
            Capability::Multiprotocol(Family::IPV4_UNICAST),
            Capability::Unknown {
                code: 128,
                value: vec![].into(),
            },
            Capability::RouteRefresh,
            Capability::FourOctetAs(Asn(65534)),
        ],
    };
    assert_eq!(only(BASICS, "bgp4-open"), [Message::Open(expected)]);
    assert_eq!(only(BASICS, "bgp4-keepalive"), [Message::Keepalive]);
}

#[test]
fn the_recorded_ipv4_update_reads_as_tshark_reads_it() {
    let [Message::Update(update)] = &only(BASICS, "bgp4-update")[..] else {
        panic!("one UPDATE")
    };
    assert!(update.errors.is_empty());
    assert_eq!(prefixes(update, false), ["192.168.0.0/24"]);
    let attributes = update.update.attributes.as_ref().unwrap();
    assert_eq!(attributes.as_path.to_string(), "65534 65533");
    assert_eq!(attributes.next_hop, Some([172, 17, 80, 74].into()));
}

/// Quagga's, with a link-local next hop beside the global one, and End-of-RIB behind it.
#[test]
fn the_recorded_ipv6_update_reads_as_tshark_reads_it() {
    let [Message::Update(update), Message::Update(end)] = &only(BASICS, "bgp4-update_ipv6")[..]
    else {
        panic!("two UPDATEs")
    };
    assert!(update.errors.is_empty());
    assert_eq!(prefixes(update, false), ["2010:ab8:2::/48"]);
    assert_eq!(
        update.update.mp_reach.as_ref().unwrap().next_hop,
        Some(NextHop::V6 {
            address: "2001:db8:0:aaaa::2".parse().unwrap(),
            link_local: Some("fe80::2".parse().unwrap()),
        })
    );
    let attributes = update.update.attributes.as_ref().unwrap();
    assert_eq!(
        (attributes.as_path.to_string(), attributes.med),
        ("65002".into(), Some(0))
    );
    assert_eq!(end.end_of_rib(), Some(Family::IPV6_UNICAST));
}

/// Families that were not negotiated: the destinations stay octets, nothing is announced or withdrawn, nobody is hurt.
#[test]
fn recorded_updates_of_other_families_are_kept_unread() {
    for (name, file) in OTHER_FAMILIES {
        for message in messages(payload(file), &session()) {
            let Message::Update(update) = message else {
                panic!("{name}: not an UPDATE")
            };
            assert_eq!(update.announcements().count(), 0, "{name}");
            // Those made for os-ken's own tests carry nothing but the destinations (RFC 7606 §3 d).
            let missing = notification::update_subcode::MISSING_WELL_KNOWN_ATTRIBUTE;
            assert!(
                update.errors.iter().all(|error| error.subcode == missing),
                "{name}: {:?}",
                update.errors
            );
            let reach = update.update.mp_reach.as_ref().unwrap();
            assert!(
                matches!(&reach.nlri, FamilyNlri::Opaque(octets) if !octets.is_empty()),
                "{name}"
            );
        }
    }
}

#[test]
fn recorded_flowspec_actions_are_extended_communities() {
    for (name, file) in ACTIONS {
        let [Message::Update(update)] = &messages(payload(file), &session())[..] else {
            panic!("{name}: not one UPDATE")
        };
        let communities = &update
            .update
            .attributes
            .as_ref()
            .unwrap()
            .extended_communities;
        assert_eq!(communities.len(), 1, "{name}");
        assert_eq!(
            communities[0].0[0], 0x80,
            "{name}: generic transitive experimental"
        );
    }
}

/// What we make of the recorded messages of our own families, written again, reads the same.
#[test]
fn recorded_messages_are_written_again() {
    for (name, file) in BASICS {
        for message in messages(payload(file), &session()) {
            let mut out = BytesMut::new();
            message.encode(&mut out, &session()).unwrap();
            assert_eq!(messages(&out, &session()), [message], "{name}");
        }
    }
}
