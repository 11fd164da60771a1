use super::*;

/// 2001:db8:1::/64, on-link, 30 days valid and 7 preferred.
const PREFIX: [u8; 30] = [
    64, 0x80, 0x00, 0x27, 0x8d, 0x00, 0x00, 0x09, 0x3a, 0x80, 0, 0, 0, 0, 0x20, 0x01, 0x0d, 0xb8,
    0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

fn option(kind: u8, value: &[u8]) -> Vec<u8> {
    let units = u8::try_from((value.len() + 2) / 8).unwrap();
    [&[kind, units], value].concat()
}

fn prefixes(value: &[u8]) -> Vec<PrefixInformation> {
    Options::decode(&option(3, value)).unwrap().prefixes
}

fn servers(value: &[u8]) -> Vec<RecursiveServers> {
    Options::decode(&option(25, value)).unwrap().dns
}

#[test]
fn a_prefix_is_read_as_rfc_4861_lays_it_out() {
    let expected = PrefixInformation {
        prefix: "2001:db8:1::/64".parse().unwrap(),
        on_link: true,
        autonomous: false,
        valid_lifetime: 2_592_000,
        preferred_lifetime: 604_800,
    };
    assert_eq!(prefixes(&PREFIX), [expected]);
    let mut out = BytesMut::new();
    expected.encode(&mut out);
    assert_eq!(&out[..], option(3, &PREFIX));
}

#[test]
fn host_bits_of_a_prefix_do_not_count() {
    let mut value = PREFIX;
    value[29] = 9;
    assert_eq!(prefixes(&value), prefixes(&PREFIX));
}

#[test]
fn a_prefix_of_129_bits_is_skipped() {
    let mut value = PREFIX;
    value[0] = 129;
    assert_eq!(prefixes(&value), []);
}

#[test]
fn a_prefix_option_of_another_length_is_skipped() {
    assert_eq!(prefixes(&PREFIX[..22]), []);
    assert_eq!(prefixes(&[&PREFIX[..], &[0; 8]].concat()), []);
}

#[test]
fn dns_servers_are_read_as_rfc_8106_lays_them_out() {
    let first: Ipv6Addr = "2001:db8::53".parse().unwrap();
    let second: Ipv6Addr = "fe80::53".parse().unwrap();
    let head = [0, 0, 0, 0, 0x07, 0x08];
    let value = [&head[..], &first.octets(), &second.octets()].concat();
    let expected = RecursiveServers {
        lifetime: 1800,
        addresses: vec![first, second],
    };
    assert_eq!(servers(&value), std::slice::from_ref(&expected));
    let mut out = BytesMut::new();
    expected.encode(&mut out);
    assert_eq!(&out[..], option(25, &value));
}

#[test]
fn a_dns_option_without_a_whole_address_is_skipped() {
    assert_eq!(servers(&[0; 6]), []);
    assert_eq!(servers(&[0; 14]), []);
    assert_eq!(servers(&[0; 30]), []);
}

#[test]
fn more_servers_than_an_option_has_room_for_take_two() {
    let many = RecursiveServers {
        lifetime: 1,
        addresses: (0..200u128).map(Ipv6Addr::from).collect(),
    };
    let mut out = BytesMut::new();
    many.encode(&mut out);
    let read = Options::decode(&out).unwrap().dns;
    let counts: Vec<usize> = read.iter().map(|s| s.addresses.len()).collect();
    assert_eq!(counts, [127, 73]);
    let addresses: Vec<Ipv6Addr> = read.into_iter().flat_map(|s| s.addresses).collect();
    assert_eq!(addresses, many.addresses);
}
