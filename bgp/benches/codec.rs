//! Cost of reading and writing messages: fixed part and per prefix.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bgp::wire::{
    AsPath, Asn, Capability, CodecOptions, Community, ExtendedCommunity, Family, LargeCommunity,
    Message, NextHop, Nlri, Open, PathAttributes, RawMessage, RouterId, decode, frame, pack,
};
use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ipnet::{IpNet, Ipv4Net};

const SIZES: [u32; 3] = [1, 100, 800];
const NEXT_HOP: NextHop = NextHop::V4(Ipv4Addr::new(192, 0, 2, 1));

fn options() -> CodecOptions {
    CodecOptions {
        four_octet_as: true,
        ..CodecOptions::default()
    }
}

fn attributes() -> PathAttributes {
    PathAttributes {
        as_path: AsPath::sequence([Asn(65001), Asn(65002)]),
        communities: vec![Community(0xfde9_0001)],
        ..PathAttributes::default()
    }
}

fn hosts(count: u32) -> Vec<Nlri> {
    let host = |n: u32| Ipv4Net::new_assert(Ipv4Addr::from_bits(0x0a00_0000 + n), 32);
    (0..count).map(|n| Nlri::from(IpNet::V4(host(n)))).collect()
}

fn announce(out: &mut BytesMut, nlri: &[Nlri]) {
    let family = Family::IPV4_UNICAST;
    pack::announce(
        out,
        &options(),
        family,
        NEXT_HOP,
        &attributes(),
        nlri.iter().copied(),
    )
    .expect("fits");
}

fn raw(octets: &[u8]) -> RawMessage {
    frame::next_message(&mut BytesMut::from(octets), 4096)
        .expect("sound")
        .expect("whole")
}

fn open() -> Open {
    Open {
        asn: Asn(65001),
        hold_time: 90,
        router_id: RouterId(Ipv4Addr::new(192, 0, 2, 1)),
        capabilities: vec![
            Capability::Multiprotocol(Family::IPV4_UNICAST),
            Capability::Multiprotocol(Family::IPV6_UNICAST),
            Capability::RouteRefresh,
            Capability::FourOctetAs(Asn(65001)),
        ],
    }
}

fn updates(criterion: &mut Criterion) {
    let options = options();
    let mut group = criterion.benchmark_group("update");
    for count in SIZES {
        let nlri = hosts(count);
        let mut octets = BytesMut::new();
        announce(&mut octets, &nlri);
        let raw = raw(&octets);
        group.throughput(Throughput::Elements(count.into()));
        group.bench_function(format!("decode/{count}"), |bencher| {
            bencher.iter(|| decode(black_box(&raw), &options));
        });
        let attributes = attributes();
        let mut out = BytesMut::with_capacity(8192);
        group.bench_function(format!("encode/{count}"), |bencher| {
            bencher.iter(|| {
                out.clear();
                let nlri = black_box(&nlri).iter().copied();
                pack::announce(
                    &mut out,
                    &options,
                    Family::IPV4_UNICAST,
                    NEXT_HOP,
                    &attributes,
                    nlri,
                )
            });
        });
    }
    group.finish();
}

/// IPv6 hosts in MP_REACH_NLRI, and withdrawals.
fn other_fields(criterion: &mut Criterion) {
    let options = options();
    let mut group = criterion.benchmark_group("update");
    group.throughput(Throughput::Elements(200));
    let v6: Vec<Nlri> = (0..200u16)
        .map(|n| Nlri::from(IpNet::from(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]))))
        .collect();
    let next_hop = NextHop::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
    let mut octets = BytesMut::new();
    let family = Family::IPV6_UNICAST;
    pack::announce(&mut octets, &options, family, next_hop, &attributes(), v6).expect("fits");
    let announced = raw(&octets);
    group.bench_function("decode/200 IPv6", |bencher| {
        bencher.iter(|| decode(black_box(&announced), &options));
    });
    octets.clear();
    pack::withdraw(&mut octets, &options, Family::IPV4_UNICAST, hosts(200)).expect("fits");
    let withdrawn = raw(&octets);
    group.bench_function("decode/200 withdrawn", |bencher| {
        bencher.iter(|| decode(black_box(&withdrawn), &options));
    });
    group.finish();
}

/// As much as a route in a data centre ever carries.
fn many_attributes(criterion: &mut Criterion) {
    let options = CodecOptions {
        internal_peer: true,
        ..options()
    };
    let attributes = PathAttributes {
        as_path: AsPath::sequence((0..6).map(|n| Asn(65_000 + n))),
        med: Some(10),
        local_pref: Some(200),
        communities: (0..4).map(Community).collect(),
        extended_communities: vec![ExtendedCommunity([0, 2, 0xfd, 0xe9, 0, 0, 0, 77])],
        large_communities: vec![LargeCommunity {
            global: 65_001,
            local1: 1,
            local2: 2,
        }],
        originator_id: Some(RouterId(Ipv4Addr::new(192, 0, 2, 9))),
        cluster_list: vec![Ipv4Addr::new(192, 0, 2, 8)],
        ..PathAttributes::default()
    };
    let mut octets = BytesMut::new();
    let family = Family::IPV4_UNICAST;
    pack::announce(
        &mut octets,
        &options,
        family,
        NEXT_HOP,
        &attributes,
        hosts(1),
    )
    .expect("fits");
    let raw = raw(&octets);
    criterion.bench_function("update/decode/1 with ten attributes", |bencher| {
        bencher.iter(|| decode(black_box(&raw), &options));
    });
}

fn small_messages(criterion: &mut Criterion) {
    let options = options();
    let mut octets = BytesMut::new();
    open().encode(&mut octets).expect("fits");
    let raw_open = raw(&octets);
    criterion.bench_function("open/decode", |bencher| {
        bencher.iter(|| decode(black_box(&raw_open), &options))
    });
    let (message, mut out) = (open(), BytesMut::with_capacity(4096));
    criterion.bench_function("open/encode", |bencher| {
        bencher.iter(|| {
            out.clear();
            black_box(&message).encode(&mut out)
        });
    });
    let mut keepalive = BytesMut::new();
    Message::Keepalive
        .encode(&mut keepalive, &options)
        .expect("fits");
    criterion.bench_function("keepalive/frame", |bencher| {
        let fresh = || BytesMut::from(&keepalive[..]);
        bencher.iter_batched_ref(
            fresh,
            |buffer| frame::next_message(buffer, 4096),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(
    benches,
    updates,
    other_fields,
    many_attributes,
    small_messages
);
criterion_main!(benches);
