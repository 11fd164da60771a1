use ipnet::Ipv6Net;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// What FRR sends: lifetime, source link-layer address.
const ADVERT: [u8; 24] = [
    134, 0, 0x12, 0x34, 64, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 9,
];

fn decode(octets: &[u8]) -> Result<Packet, Invalid> {
    Packet::decode(&Arrival {
        source: ROUTER,
        hop_limit: 255,
        octets,
    })
}

/// `ADVERT` with one octet replaced.
fn with(at: usize, octet: u8) -> Vec<u8> {
    let mut octets = ADVERT.to_vec();
    octets[at] = octet;
    octets
}

#[test]
fn an_advertisement_is_read() {
    let wanted = RouterAdvertisement {
        hop_limit: 64,
        router_lifetime: 30,
        link_address: Some([2, 0, 0, 0, 0, 9]),
        ..RouterAdvertisement::default()
    };
    assert_eq!(decode(&ADVERT), Ok(Packet::Advertisement(wanted)));
}

#[test]
fn what_was_forwarded_is_dropped() {
    for hop_limit in [0, 1, 64, 254] {
        let arrival = Arrival {
            source: ROUTER,
            hop_limit,
            octets: &ADVERT,
        };
        assert_eq!(Packet::decode(&arrival), Err(Invalid::HopLimit(hop_limit)));
    }
}

#[test]
fn an_advertisement_from_a_global_address_is_dropped() {
    for source in ["2001:db8::1", "::", "fd00::1", "ff02::1", "::1"] {
        let source = source.parse().unwrap();
        let arrival = Arrival {
            source,
            hop_limit: 255,
            octets: &ADVERT,
        };
        assert_eq!(Packet::decode(&arrival), Err(Invalid::Source(source)));
    }
}

#[test]
fn a_code_other_than_zero_is_dropped() {
    assert_eq!(decode(&with(1, 1)), Err(Invalid::Code(1)));
}

#[test]
fn other_types_are_dropped() {
    for kind in [0, 1, 128, 135, 136, 137] {
        assert_eq!(decode(&with(0, kind)), Err(Invalid::Type(kind)));
    }
}

#[test]
fn a_message_cut_anywhere_is_dropped() {
    for length in 0..ADVERT.len() {
        // The advertisement may end after its fixed part.
        if length != 16 {
            assert_eq!(decode(&ADVERT[..length]), Err(Invalid::Short), "{length}");
        }
    }
}

#[test]
fn an_option_of_length_zero_drops_the_message() {
    assert_eq!(decode(&with(17, 0)), Err(Invalid::EmptyOption));
}

#[test]
fn an_option_beyond_the_end_drops_the_message() {
    for units in [2, 255] {
        assert_eq!(decode(&with(17, units)), Err(Invalid::Short));
    }
}

#[test]
fn unknown_options_are_skipped() {
    let mut octets = ADVERT[..16].to_vec();
    octets.extend([3, 4]);
    octets.extend([0; 30]);
    octets.extend([200, 1, 1, 2, 3, 4, 5, 6]);
    octets.extend(&ADVERT[16..]);
    octets.extend([5, 1, 0, 0, 0, 0, 0x23, 0x28]);
    let Ok(Packet::Advertisement(advert)) = decode(&octets) else {
        panic!("{:?}", decode(&octets));
    };
    assert_eq!(advert.link_address, Some([2, 0, 0, 0, 0, 9]));
    assert_eq!(advert.mtu, Some(9000));
}

#[test]
fn a_solicitation_may_come_from_nobody_but_then_has_no_link_address() {
    let with_address = Packet::Solicitation(RouterSolicitation {
        link_address: Some([2, 0, 0, 0, 0, 9]),
    });
    let without = Packet::Solicitation(RouterSolicitation::default());
    let from = |source, packet: Packet| {
        Packet::decode(&Arrival {
            source,
            hop_limit: 255,
            octets: &packet.encode(),
        })
    };
    let nobody = Ipv6Addr::UNSPECIFIED;
    assert_eq!(from(nobody, without.clone()), Ok(without));
    assert_eq!(from(ROUTER, with_address.clone()), Ok(with_address.clone()));
    assert_eq!(
        from(nobody, with_address),
        Err(Invalid::LinkAddressOfNobody)
    );
}

fn prefixes() -> impl Strategy<Value = PrefixInformation> {
    (any::<(u128, bool, bool, u32, u32)>(), 0..=128u8).prop_map(|(fixed, length)| {
        let (address, on_link, autonomous, valid_lifetime, preferred_lifetime) = fixed;
        PrefixInformation {
            prefix: Ipv6Net::new(address.into(), length).unwrap().trunc(),
            on_link,
            autonomous,
            valid_lifetime,
            preferred_lifetime,
        }
    })
}

fn servers() -> impl Strategy<Value = RecursiveServers> {
    let addresses = vec(any::<Ipv6Addr>(), 1..5);
    (any::<u32>(), addresses).prop_map(|(lifetime, addresses)| RecursiveServers {
        lifetime,
        addresses,
    })
}

fn packets() -> impl Strategy<Value = Packet> {
    let link_address = any::<Option<[u8; 6]>>();
    let advertisement = (
        any::<(u8, u8, u16, u32, u32)>(),
        link_address.clone(),
        any::<Option<u32>>(),
        vec(prefixes(), 0..4),
        vec(servers(), 0..3),
    )
        .prop_map(|(fixed, link_address, mtu, prefixes, dns)| {
            let (hop_limit, flags, router_lifetime, reachable_time, retransmit_time) = fixed;
            Packet::Advertisement(RouterAdvertisement {
                hop_limit,
                flags,
                router_lifetime,
                reachable_time,
                retransmit_time,
                link_address,
                mtu,
                prefixes,
                dns,
            })
        });
    let solicitation = link_address
        .prop_map(|link_address| Packet::Solicitation(RouterSolicitation { link_address }));
    prop_oneof![advertisement, solicitation]
}

proptest! {
    #[test]
    fn what_is_written_is_read(packet in packets()) {
        prop_assert_eq!(packet.encode().len() % 8, 0);
        prop_assert_eq!(decode(&packet.encode()), Ok(packet));
    }

    #[test]
    fn no_message_makes_it_panic(mut octets in vec(any::<u8>(), 0..200), kind in 132..136u8) {
        let _ = decode(&octets);
        if let [first, code, ..] = octets.as_mut_slice() {
            *first = kind;
            *code = 0;
        }
        if let Ok(packet) = decode(&octets) {
            prop_assert_eq!(decode(&packet.encode()), Ok(packet));
        }
    }
}
