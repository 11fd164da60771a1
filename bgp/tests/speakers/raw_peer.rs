//! A speaker against a peer whose every octet the test writes.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use bgp::wire::{
    self, AsPath, Asn, Capability, CodecOptions, Community, Family, Message, Nlri, Notification,
    Open, PathAttributes, RouterId, Update,
};
use bgp::{ConnectionId, Ends, Event, Input, Output, PeerConfig, PeerId, RemoteAs, Speaker, State};
use bytes::BytesMut;
use ipnet::IpNet;

use crate::pair;

pub(crate) struct RawPeer {
    pub(crate) now: Instant,
    pub(crate) speaker: Speaker,
    pub(crate) peer: PeerId,
    pub(crate) connection: ConnectionId,
    pub(crate) events: Vec<Event>,
    pub(crate) closed: Vec<ConnectionId>,
    /// The peer reads nothing: the speaker's kernel takes no bytes.
    pub(crate) stalled: bool,
    inbox: BytesMut,
}

pub(crate) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

/// The peer's usual OPEN.
pub(crate) fn open() -> Open {
    Open {
        asn: Asn(65002),
        hold_time: 90,
        router_id: RouterId(Ipv4Addr::new(192, 0, 2, 9)),
        capabilities: vec![
            Capability::Multiprotocol(Family::IPV4_UNICAST),
            Capability::Multiprotocol(Family::IPV6_UNICAST),
            Capability::RouteRefresh,
            Capability::FourOctetAs(Asn(65002)),
        ],
    }
}

impl RawPeer {
    /// A speaker that has yet to be told of the peer.
    pub(crate) fn without_peer() -> Self {
        let now = Instant::now();
        Self {
            now,
            speaker: pair::speaker(pair::A, 65001, now),
            peer: PeerId(0),
            connection: ConnectionId(0),
            events: Vec::new(),
            closed: Vec::new(),
            stalled: false,
            inbox: BytesMut::new(),
        }
    }

    /// The usual configuration of the peer.
    pub(crate) fn config(&self) -> PeerConfig {
        let mut config = PeerConfig::new("raw", ADDRESS, RemoteAs::Auto);
        config.passive = true;
        config
    }

    /// The peer has connected to a passive speaker.
    pub(crate) fn connected(configure: impl FnOnce(&mut PeerConfig)) -> Self {
        let mut this = Self::without_peer();
        let mut config = this.config();
        configure(&mut config);
        this.peer = this.speaker.add_peer(config, this.now);
        this.connection = this.speaker.new_connection();
        this.opened(this.connection);
        this
    }

    /// OPENs and KEEPALIVEs have been exchanged.
    pub(crate) fn established(configure: impl FnOnce(&mut PeerConfig)) -> Self {
        let mut this = Self::connected(configure);
        this.send(&Message::Open(open()));
        this.send(&Message::Keepalive);
        assert_eq!(this.state(), State::Established);
        this.received();
        this
    }

    /// One more connection of the peer's.
    pub(crate) fn opened(&mut self, connection: ConnectionId) {
        let ends = Ends {
            local: Ipv4Addr::new(10, 0, 0, 1).into(),
            remote: ADDRESS,
            local_v4: None,
            local_v6: Some("2001:db8::1".parse().unwrap()),
        };
        let peer = self.peer;
        self.input(Input::ConnectionOpened {
            peer,
            connection,
            ends,
            passive: true,
        });
    }

    pub(crate) fn state(&self) -> State {
        self.speaker.peers().next().unwrap().state
    }

    pub(crate) fn send(&mut self, message: &Message) {
        let mut out = BytesMut::new();
        message.encode(&mut out, &codec()).unwrap();
        self.send_octets(&out);
    }

    pub(crate) fn send_octets(&mut self, bytes: &[u8]) {
        let connection = self.connection;
        self.input(Input::Received { connection, bytes });
    }

    /// A message of `kind` around `body`.
    pub(crate) fn send_raw(&mut self, kind: u8, body: &[u8]) {
        let mut message = vec![0xff; 16];
        message.extend(u16::try_from(body.len() + 19).unwrap().to_be_bytes());
        message.push(kind);
        message.extend(body);
        self.send_octets(&message);
    }

    /// What the speaker sent since the last call, decoded.
    pub(crate) fn received(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(raw) = wire::frame::next_message(&mut self.inbox, 4096).unwrap() {
            messages.push(wire::decode(&raw, &codec()).unwrap());
        }
        messages
    }

    /// The NOTIFICATION the speaker sent since the last call to [`Self::received`].
    pub(crate) fn notification(&mut self) -> Option<Notification> {
        self.received()
            .into_iter()
            .find_map(|message| match message {
                Message::Notification(notification) => Some(notification),
                _ => None,
            })
    }

    /// Octets that the speaker has sent since the last call to [`Self::received`].
    pub(crate) fn unread(&self) -> usize {
        self.inbox.len()
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        self.speaker.handle_input(input, self.now);
        self.drain();
    }

    /// Let time pass, with timers firing when due.
    pub(crate) fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.drain().filter(|at| *at <= end) {
            self.now = at;
            self.input(Input::Timeout);
        }
        self.now = end;
    }

    pub(crate) fn drain(&mut self) -> Option<Instant> {
        loop {
            match self.speaker.poll_output() {
                Output::Send { connection, bytes } => {
                    self.inbox.extend_from_slice(&bytes);
                    if self.stalled {
                        continue;
                    }
                    let bytes = bytes.len();
                    self.speaker
                        .handle_input(Input::Flushed { connection, bytes }, self.now);
                }
                Output::Close { connection } => self.closed.push(connection),
                Output::Event(event) => self.events.push(event),
                Output::Connect { .. } => {}
                Output::Timeout(at) => return at,
            }
        }
    }
}

pub(crate) fn codec() -> CodecOptions {
    CodecOptions {
        four_octet_as: true,
        ..CodecOptions::default()
    }
}

/// The peer announces its own IPv4 prefixes with these communities.
pub(crate) fn announcement(
    prefixes: impl IntoIterator<Item = IpNet>,
    communities: &[Community],
) -> Message {
    let attributes = PathAttributes {
        as_path: AsPath::sequence([Asn(65002)]),
        next_hop: Some(Ipv4Addr::new(10, 0, 0, 2)),
        communities: communities.to_vec(),
        ..PathAttributes::default()
    };
    let update = Update {
        attributes: Some(attributes),
        nlri: prefixes.into_iter().map(Nlri::from).collect(),
        ..Update::default()
    };
    Message::Update(update.into())
}
