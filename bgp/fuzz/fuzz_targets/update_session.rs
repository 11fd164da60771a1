//! What an established peer may write: messages of any body, cut anywhere, with time passing between them.
#![no_main]

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bgp::wire::{Asn, Capability, CodecOptions, Family, Message, Open, RouterId, decode, frame};
use bgp::{
    ConnectionId, Ends, Input, Multipath, Output, PeerConfig, RemoteAs, Route, Speaker,
    SpeakerConfig,
};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

/// More than this for one input means that the answer grows with something other than what was asked.
const MOST_OCTETS: usize = 1 << 20;

struct Established {
    speaker: Speaker,
    connection: ConnectionId,
    now: Instant,
    sent: BytesMut,
    closed: bool,
}

impl Established {
    fn new(asn: Asn) -> Self {
        let now = Instant::now();
        let config = SpeakerConfig {
            asn: Asn(65001),
            router_id: RouterId(Ipv4Addr::new(192, 0, 2, 1)),
            graceful_restart: None,
            multipath: Multipath::default(),
            graceful_shutdown: false,
            seed: 1,
        };
        let mut speaker = Speaker::new(config, now);
        let remote = Ipv4Addr::new(10, 0, 0, 2).into();
        let mut peer = PeerConfig::new("peer", remote, RemoteAs::Auto);
        peer.passive = true;
        let peer = speaker.add_peer(peer, now);
        let hosts = ["198.51.100.7/32", "2001:db8::7/128"];
        speaker.originate(
            hosts.map(|prefix| Route::new(prefix.parse().expect("a prefix"))),
            now,
        );
        let connection = speaker.new_connection();
        let ends = Ends {
            local: Ipv4Addr::new(10, 0, 0, 1).into(),
            remote,
            local_v4: None,
            local_v6: Some("2001:db8::1".parse().expect("an address")),
        };
        speaker.handle_input(
            Input::ConnectionOpened {
                peer,
                connection,
                ends,
                passive: true,
            },
            now,
        );
        let mut this = Self {
            speaker,
            connection,
            now,
            sent: BytesMut::new(),
            closed: false,
        };
        let open = Open {
            asn,
            hold_time: 90,
            router_id: RouterId(Ipv4Addr::new(192, 0, 2, 9)),
            capabilities: vec![
                Capability::Multiprotocol(Family::IPV4_UNICAST),
                Capability::Multiprotocol(Family::IPV6_UNICAST),
                Capability::RouteRefresh,
                Capability::EnhancedRouteRefresh,
                Capability::FourOctetAs(asn),
            ],
        };
        for message in [Message::Open(open), Message::Keepalive] {
            let mut octets = BytesMut::new();
            message
                .encode(&mut octets, &CodecOptions::default())
                .expect("a message that fits");
            this.receive(&octets);
        }
        assert!(!this.closed, "the session is established");
        this.sent.clear();
        this
    }

    fn receive(&mut self, bytes: &[u8]) {
        let connection = self.connection;
        self.speaker
            .handle_input(Input::Received { connection, bytes }, self.now);
        self.drain();
    }

    fn pass(&mut self, span: Duration) {
        self.now += span;
        self.speaker.handle_input(Input::Timeout, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.speaker.poll_output() {
                Output::Send { connection, bytes } => {
                    self.sent.extend_from_slice(&bytes);
                    assert!(self.sent.len() <= MOST_OCTETS, "the output is bounded");
                    let bytes = bytes.len();
                    self.speaker
                        .handle_input(Input::Flushed { connection, bytes }, self.now);
                }
                Output::Close { connection } => self.closed |= connection == self.connection,
                Output::Connect { .. } | Output::Event(_) => {}
                Output::Timeout(_) => return,
            }
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&switches, mut rest)) = input.split_first() else {
        return;
    };
    let internal = switches & 1 != 0;
    let mut session = Established::new(Asn(if internal { 65001 } else { 65002 }));
    // Each record is a type, a pause and a length; the marker is given, since finding it is what `messages` does.
    while let [kind, pause, high, low, more @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high & 0x0f, *low]));
        let (body, left) = more.split_at(length.min(more.len()));
        rest = left;
        let mut octets = vec![0xff; 16];
        octets.extend(
            u16::try_from(body.len() + 19)
                .expect("twelve bits")
                .to_be_bytes(),
        );
        octets.push(kind % 7);
        octets.extend(body);
        let (head, tail) = octets.split_at(usize::from(*pause).min(octets.len()));
        session.receive(head);
        session.receive(tail);
        session.pass(Duration::from_millis(u64::from(*pause) * 100));
        if session.closed {
            break;
        }
    }
    // Whatever came in, what went out can be read.
    let options = CodecOptions {
        four_octet_as: true,
        internal_peer: internal,
        ..CodecOptions::default()
    };
    while let Some(raw) =
        frame::next_message(&mut session.sent, options.max_message_len()).expect("our own framing")
    {
        if let Message::Update(update) = decode(&raw, &options).expect("our own message") {
            assert!(update.errors.is_empty(), "{:?}", update.errors);
        }
    }
});
