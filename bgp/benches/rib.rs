//! Cost of routes through the whole speaker: out to many peers, in from one, and one change among many.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use bgp::wire::{
    AsPath, Asn, Capability, CodecOptions, Family, Message, NextHop, Nlri, Open, PathAttributes,
    RouterId, pack,
};
use bgp::{
    ConnectionId, Ends, Input, Multipath, Output, PeerConfig, RemoteAs, Route, Speaker,
    SpeakerConfig,
};
use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ipnet::IpNet;

struct Bench {
    now: Instant,
    speaker: Speaker,
    connections: Vec<ConnectionId>,
}

fn codec() -> CodecOptions {
    CodecOptions {
        four_octet_as: true,
        ..CodecOptions::default()
    }
}

fn host(number: u32) -> IpNet {
    IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number)).into()
}

impl Bench {
    /// A speaker with so many external peers, all up.
    fn new(peers: u8) -> Self {
        let now = Instant::now();
        let config = SpeakerConfig {
            asn: Asn(65001),
            router_id: RouterId(Ipv4Addr::new(192, 0, 2, 1)),
            graceful_restart: None,
            graceful_shutdown: false,
            multipath: Multipath::default(),
            seed: 1,
        };
        let mut bench = Self {
            now,
            speaker: Speaker::new(config, now),
            connections: Vec::new(),
        };
        for number in 0..peers {
            bench.add_peer(number);
        }
        bench.drain();
        bench
    }

    fn add_peer(&mut self, number: u8) {
        let remote = IpAddr::V4(Ipv4Addr::new(10, 255, 0, number));
        let mut config = PeerConfig::new(format!("leaf{number}"), remote, RemoteAs::External);
        config.passive = true;
        config.send_hold = Duration::ZERO;
        let peer = self.speaker.add_peer(config, self.now);
        let connection = self.speaker.new_connection();
        self.connections.push(connection);
        let ends = Ends {
            local: Ipv4Addr::new(10, 255, 1, 1).into(),
            remote,
            local_v4: None,
            local_v6: None,
        };
        let opened = Input::ConnectionOpened {
            peer,
            connection,
            ends,
            passive: true,
        };
        self.speaker.handle_input(opened, self.now);
        let mut octets = BytesMut::new();
        let open = Open {
            asn: Asn(65002),
            hold_time: 0,
            router_id: RouterId(Ipv4Addr::new(192, 0, 3, number)),
            capabilities: vec![
                Capability::Multiprotocol(Family::IPV4_UNICAST),
                Capability::FourOctetAs(Asn(65002)),
            ],
        };
        Message::Open(open)
            .encode(&mut octets, &codec())
            .expect("fits");
        Message::Keepalive
            .encode(&mut octets, &codec())
            .expect("fits");
        self.receive(number.into(), &octets);
    }

    fn receive(&mut self, peer: usize, bytes: &[u8]) {
        let connection = self.connections[peer];
        let input = Input::Received { connection, bytes };
        self.speaker.handle_input(input, self.now);
    }

    /// Do what the speaker wants; how many octets it sent.
    fn drain(&mut self) -> usize {
        let mut sent = 0;
        loop {
            match self.speaker.poll_output() {
                Output::Send { connection, bytes } => {
                    sent += bytes.len();
                    let bytes = bytes.len();
                    let input = Input::Flushed { connection, bytes };
                    self.speaker.handle_input(input, self.now);
                }
                Output::Timeout(_) => return sent,
                other => {
                    black_box(other);
                }
            }
        }
    }

    fn originate(&mut self, count: u32) -> usize {
        self.speaker
            .originate((0..count).map(|n| Route::new(host(n))), self.now);
        self.drain()
    }

    fn withdraw(&mut self, count: u32) -> usize {
        self.speaker.withdraw((0..count).map(host), self.now);
        self.drain()
    }
}

/// UPDATEs of so many hosts, `each` in a message.
fn updates(count: u32, each: u32) -> BytesMut {
    let attributes = PathAttributes {
        as_path: AsPath::sequence([Asn(65002), Asn(65003)]),
        ..PathAttributes::default()
    };
    let next_hop = NextHop::V4(Ipv4Addr::new(10, 255, 0, 0));
    let mut out = BytesMut::new();
    for first in (0..count).step_by(each as usize) {
        let nlri = (first..count.min(first + each)).map(|n| Nlri::from(host(n)));
        pack::announce(
            &mut out,
            &codec(),
            Family::IPV4_UNICAST,
            next_hop,
            &attributes,
            nlri,
        )
        .expect("fits");
    }
    out
}

fn export(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("export");
    group.sample_size(10);
    for (count, peers) in [
        (10_000, 1),
        (10_000, 16),
        (10_000, 64),
        (50_000, 1),
        (50_000, 64),
    ] {
        group.throughput(Throughput::Elements(count.into()));
        group.bench_function(format!("{count} to {peers}"), |bencher| {
            bencher.iter_batched_ref(
                || Bench::new(peers),
                |bench| bench.originate(count),
                BatchSize::PerIteration,
            );
        });
        group.bench_function(format!("withdraw {count} from {peers}"), |bencher| {
            let full = || {
                let mut bench = Bench::new(peers);
                bench.originate(count);
                bench
            };
            bencher.iter_batched_ref(full, |bench| bench.withdraw(count), BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn sessions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sessions");
    group.sample_size(10);
    group.bench_function("64 come up to 10000 routes", |bencher| {
        let empty = || {
            let mut bench = Bench::new(0);
            bench.originate(10_000);
            bench
        };
        bencher.iter_batched_ref(
            empty,
            |bench| {
                for number in 0..64 {
                    bench.add_peer(number);
                    bench.drain();
                }
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn import(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("import");
    group.sample_size(10);
    for each in [1, 200, 800] {
        let octets = updates(50_000, each);
        group.throughput(Throughput::Elements(50_000));
        group.bench_function(format!("50000, {each} in an UPDATE"), |bencher| {
            bencher.iter_batched_ref(
                || Bench::new(1),
                |bench| {
                    for read in octets.chunks(65_536) {
                        bench.receive(0, read);
                        bench.drain();
                    }
                    assert_eq!(bench.speaker.learned().count(), 50_000);
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// One route comes and goes, with so many others present.
fn one_change(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one change");
    for (held, peers) in [(0, 1), (50_000, 1), (50_000, 64)] {
        let mut bench = Bench::new(peers);
        bench.originate(held);
        let prefix = host(1_000_000);
        group.bench_function(format!("among {held}, {peers} peers"), |bencher| {
            bencher.iter(|| {
                bench.speaker.originate([Route::new(prefix)], bench.now);
                bench.drain();
                bench.speaker.withdraw([prefix], bench.now);
                bench.drain()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, export, sessions, import, one_change);
criterion_main!(benches);
