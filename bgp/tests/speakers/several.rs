//! One speaker and several peers whose octets the test writes and reads: what each of them holds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use bgp::wire::{
    self, Asn, Capability, CodecOptions, Community, DecodedUpdate, Family, Message, Nlri, Open,
    PathAttributes, RefreshSubtype, RouteRefresh, RouterId, pack,
};
use bgp::{
    Change, ConnectionId, Ends, Event, Input, Output, PeerConfig, PeerId, RemoteAs, Speaker, State,
};
use bytes::BytesMut;
use ipnet::IpNet;

use crate::pair;

/// What a peer knows of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) as_path: String,
    pub(crate) med: Option<u32>,
    pub(crate) local_pref: Option<u32>,
    pub(crate) communities: Vec<Community>,
}

pub(crate) struct Remote {
    pub(crate) peer: PeerId,
    pub(crate) config: PeerConfig,
    asn: u32,
    pub(crate) connection: Option<ConnectionId>,
    /// It reads nothing: what was sent waits in the kernel.
    pub(crate) stalled: bool,
    unread: usize,
    inbox: BytesMut,
    pub(crate) table: BTreeMap<IpNet, Known>,
    pub(crate) end_of_ribs: usize,
    pub(crate) updates: usize,
    /// Not told again since the refresh began.
    awaited: Option<BTreeSet<IpNet>>,
}

pub(crate) struct Several {
    pub(crate) now: Instant,
    pub(crate) speaker: Speaker,
    pub(crate) remotes: Vec<Remote>,
    events: Vec<Event>,
}

fn codec(internal: bool) -> CodecOptions {
    CodecOptions {
        four_octet_as: true,
        internal_peer: internal,
        ..CodecOptions::default()
    }
}

impl Several {
    /// AS 65001 and a peer in each of these ASes, all up.
    pub(crate) fn new(asns: &[u32]) -> Self {
        let now = Instant::now();
        let mut this = Self {
            now,
            speaker: pair::speaker(pair::A, 65001, now),
            remotes: Vec::new(),
            events: Vec::new(),
        };
        for (number, asn) in asns.iter().enumerate() {
            let address = remote_address(number);
            let mut config = PeerConfig::new(format!("leaf{number}"), address, RemoteAs::Auto);
            config.passive = true;
            config.extended_messages = false;
            let peer = this.speaker.add_peer(config.clone(), now);
            this.remotes.push(Remote {
                peer,
                config,
                asn: *asn,
                connection: None,
                stalled: false,
                unread: 0,
                inbox: BytesMut::new(),
                table: BTreeMap::new(),
                end_of_ribs: 0,
                updates: 0,
                awaited: None,
            });
            this.up(number);
        }
        this
    }

    /// Change the configuration of a peer.
    pub(crate) fn reconfigure(
        &mut self,
        number: usize,
        change: impl FnOnce(&mut PeerConfig),
    ) -> Change {
        let remote = &mut self.remotes[number];
        change(&mut remote.config);
        let (peer, config) = (remote.peer, remote.config.clone());
        let change = self.speaker.reconfigure(peer, config, self.now);
        self.drain();
        change
    }

    /// The peer announces one route.
    pub(crate) fn announce(&mut self, number: usize, prefix: IpNet, attributes: &PathAttributes) {
        let next_hop = Ipv4Addr::new(10, 0, 1, u8::try_from(number).unwrap());
        let family = Family::of(&prefix);
        let internal = self.remotes[number].asn == 65001;
        let mut out = BytesMut::new();
        pack::announce(
            &mut out,
            &codec(internal),
            family,
            next_hop.into(),
            attributes,
            [Nlri::from(prefix)],
        )
        .unwrap();
        self.send_octets(number, &out);
    }

    /// What the speaker told its watchers since the last call.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The peer connects and the session comes up.
    pub(crate) fn up(&mut self, number: usize) {
        if self.remotes[number].connection.is_some() {
            return;
        }
        let connection = self.speaker.new_connection();
        let remote = &mut self.remotes[number];
        remote.connection = Some(connection);
        remote.stalled = false;
        let peer = remote.peer;
        let open = Open {
            asn: Asn(remote.asn),
            hold_time: 0,
            router_id: RouterId(Ipv4Addr::new(
                192,
                0,
                2,
                100 + u8::try_from(number).unwrap(),
            )),
            capabilities: vec![
                Capability::Multiprotocol(Family::IPV4_UNICAST),
                Capability::Multiprotocol(Family::IPV6_UNICAST),
                Capability::RouteRefresh,
                Capability::EnhancedRouteRefresh,
                Capability::FourOctetAs(Asn(remote.asn)),
            ],
        };
        let ends = Ends {
            local: Ipv4Addr::new(10, 0, 0, 1).into(),
            remote: remote_address(number),
            local_v4: None,
            local_v6: Some("2001:db8::1".parse().unwrap()),
        };
        let input = Input::ConnectionOpened {
            peer,
            connection,
            ends,
            passive: true,
        };
        self.speaker.handle_input(input, self.now);
        self.send(number, &Message::Open(open));
        self.send(number, &Message::Keepalive);
        assert_eq!(self.state(number), State::Established);
    }

    /// The peer's connection breaks.
    pub(crate) fn down(&mut self, number: usize) {
        let remote = &mut self.remotes[number];
        let Some(connection) = remote.connection.take() else {
            return;
        };
        remote.table.clear();
        remote.inbox.clear();
        remote.unread = 0;
        remote.awaited = None;
        let why = "reset".to_owned();
        let input = Input::ConnectionClosed { connection, why };
        self.speaker.handle_input(input, self.now);
        self.drain();
    }

    /// The peer asks for everything again.
    pub(crate) fn refresh(&mut self, number: usize) {
        if self.remotes[number].connection.is_some() {
            self.send(
                number,
                &Message::RouteRefresh(RouteRefresh {
                    family: Family::IPV4_UNICAST,
                    subtype: RefreshSubtype::Request,
                }),
            );
        }
    }

    /// The peer reads what has waited, and goes on reading.
    pub(crate) fn unstall(&mut self, number: usize) {
        let remote = &mut self.remotes[number];
        remote.stalled = false;
        let bytes = std::mem::take(&mut remote.unread);
        if let Some(connection) = remote.connection
            && bytes > 0
        {
            let input = Input::Flushed { connection, bytes };
            self.speaker.handle_input(input, self.now);
        }
        self.drain();
    }

    pub(crate) fn state(&self, number: usize) -> State {
        let peer = self.remotes[number].peer;
        let mut peers = self.speaker.peers();
        peers.find(|status| status.id == peer).unwrap().state
    }

    pub(crate) fn send(&mut self, number: usize, message: &Message) {
        let mut out = BytesMut::new();
        message.encode(&mut out, &codec(false)).unwrap();
        self.send_octets(number, &out);
    }

    pub(crate) fn send_octets(&mut self, number: usize, bytes: &[u8]) {
        let connection = self.remotes[number].connection.unwrap();
        let input = Input::Received { connection, bytes };
        self.speaker.handle_input(input, self.now);
        self.drain();
    }

    /// Do what the speaker wants.
    pub(crate) fn drain(&mut self) {
        loop {
            match self.speaker.poll_output() {
                Output::Send { connection, bytes } => {
                    let mut remotes = self.remotes.iter_mut();
                    let remote = remotes.find(|remote| remote.connection == Some(connection));
                    let Some(remote) = remote else { continue };
                    remote.read(&bytes);
                    if remote.stalled {
                        remote.unread += bytes.len();
                    } else {
                        let bytes = bytes.len();
                        let input = Input::Flushed { connection, bytes };
                        self.speaker.handle_input(input, self.now);
                    }
                }
                Output::Event(event) => self.events.push(event),
                Output::Timeout(_) => return,
                _ => {}
            }
        }
    }
}

impl Remote {
    fn read(&mut self, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
        while let Some(raw) = wire::frame::next_message(&mut self.inbox, 4096).unwrap() {
            match wire::decode(&raw, &codec(self.asn == 65001)).unwrap() {
                Message::Update(update) => self.update(&update),
                Message::RouteRefresh(refresh) => self.bracket(&refresh),
                _ => {}
            }
        }
    }

    fn update(&mut self, update: &DecodedUpdate) {
        assert!(update.errors.is_empty(), "{:?}", update.errors);
        self.updates += 1;
        self.end_of_ribs += usize::from(update.end_of_rib().is_some());
        for nlri in update.withdrawals().flat_map(|(_, nlri)| nlri) {
            let held = self.table.remove(&nlri.prefix);
            assert!(held.is_some(), "{} was not told before", nlri.prefix);
            self.confirm(&nlri.prefix);
        }
        for announcement in update.announcements() {
            let attributes = announcement.attributes;
            for nlri in announcement.nlri {
                let known = Known {
                    as_path: attributes.as_path.to_string(),
                    med: attributes.med,
                    local_pref: attributes.local_pref,
                    communities: attributes.communities.clone(),
                };
                self.table.insert(nlri.prefix, known);
                self.confirm(&nlri.prefix);
            }
        }
    }

    fn confirm(&mut self, prefix: &IpNet) {
        if let Some(awaited) = &mut self.awaited {
            awaited.remove(prefix);
        }
    }

    /// RFC 7313: what is not told again between the brackets is gone.
    fn bracket(&mut self, refresh: &RouteRefresh) {
        match refresh.subtype {
            RefreshSubtype::Begin => self.awaited = Some(self.table.keys().copied().collect()),
            RefreshSubtype::End => {
                for prefix in self.awaited.take().into_iter().flatten() {
                    self.table.remove(&prefix);
                }
            }
            RefreshSubtype::Request | RefreshSubtype::Unknown(_) => {}
        }
    }
}

fn remote_address(number: usize) -> IpAddr {
    Ipv4Addr::new(10, 0, 1, u8::try_from(number).unwrap()).into()
}
