//! From `originate` to the octets at a TCP peer on the loopback. Not a test of the machine: run with
//! `cargo test --release --test peering latency -- --ignored --nocapture`.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use bgp::wire::{Asn, Capability, CodecOptions, Family, Message, Open, RouterId, frame};
use bgp::{PeerConfig, RemoteAs, Route};
use bytes::BytesMut;
use ipnet::IpNet;
use ovn_bgp_agent::peering::{Neighbour, Peering, Settings};

const SAMPLES: u32 = 1000;

#[test]
#[ignore = "a measurement"]
fn latency_of_one_route() {
    for held in [0, 5_000, 50_000] {
        let (peering, mut leaf) = session();
        let base = (0..held).map(|number| Route::new(host(1_000_000 + number)));
        peering.originate(base);
        leaf.read_prefixes(held);
        let mut samples: Vec<Duration> = (0..SAMPLES)
            .map(|number| {
                let start = Instant::now();
                peering.originate([Route::new(host(number))]);
                leaf.read_prefixes(1);
                start.elapsed()
            })
            .collect();
        samples.sort_unstable();
        let at = |percent: usize| samples[samples.len() * percent / 100];
        println!(
            "{held} routes held: p50 {:?}, p99 {:?}, max {:?}",
            at(50),
            at(99),
            samples[samples.len() - 1]
        );
        assert!(at(50) < Duration::from_millis(50), "p50 {:?}", at(50));
    }
}

pub(crate) fn host(number: u32) -> IpNet {
    IpNet::from(IpAddr::V4(Ipv4Addr::from(0x0b00_0000 + number)))
}

/// A leaf that only reads.
pub(crate) struct Leaf {
    pub(crate) stream: TcpStream,
    inbox: BytesMut,
}

pub(crate) fn session() -> (Peering, Leaf) {
    let (peering, mut leaf) = session_with([]);
    // End-of-RIB says that the session is up.
    while !matches!(leaf.read_message(), Message::Update(_)) {}
    (peering, leaf)
}

/// A session with a speaker that has these routes; nothing is read yet.
pub(crate) fn session_with(routes: impl IntoIterator<Item = Route>) -> (Peering, Leaf) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut neighbour = Neighbour::new(PeerConfig::new(
        "leaf",
        Ipv4Addr::LOCALHOST.into(),
        RemoteAs::Auto,
    ));
    // The loopback's own address is no next hop that a peer would believe.
    neighbour.peer.next_hop_v4 = Some(Ipv4Addr::new(192, 0, 2, 1));
    neighbour.port = listener.local_addr().unwrap().port();
    let mut settings = Settings::new(65001, Ipv4Addr::new(192, 0, 2, 1));
    settings.listen.clear();
    let peering = Peering::spawn_with(settings, vec![neighbour], routes).unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_nodelay(true).unwrap();
    let mut leaf = Leaf {
        stream,
        inbox: BytesMut::new(),
    };
    let open = Open {
        asn: Asn(65002),
        hold_time: 0,
        router_id: RouterId(Ipv4Addr::new(192, 0, 2, 2)),
        capabilities: vec![
            Capability::Multiprotocol(Family::IPV4_UNICAST),
            Capability::FourOctetAs(Asn(65002)),
        ],
    };
    let mut out = BytesMut::new();
    for message in [Message::Open(open), Message::Keepalive] {
        message.encode(&mut out, &CodecOptions::default()).unwrap();
    }
    leaf.stream.write_all(&out).unwrap();
    (peering, leaf)
}

impl Leaf {
    pub(crate) fn read_prefixes(&mut self, mut wanted: u32) {
        while wanted > 0 {
            if let Message::Update(update) = self.read_message() {
                let got: usize = update
                    .announcements()
                    .map(|announced| announced.nlri.len())
                    .sum();
                wanted -= u32::try_from(got).unwrap();
            }
        }
    }

    pub(crate) fn read_message(&mut self) -> Message {
        let codec = CodecOptions {
            four_octet_as: true,
            ..CodecOptions::default()
        };
        loop {
            if let Some(raw) =
                frame::next_message(&mut self.inbox, codec.max_message_len()).unwrap()
            {
                return bgp::wire::decode(&raw, &codec).unwrap();
            }
            let mut chunk = [0; 16 * 1024];
            let read = self.stream.read(&mut chunk).unwrap();
            assert!(read > 0, "closed");
            self.inbox.extend_from_slice(&chunk[..read]);
        }
    }
}
