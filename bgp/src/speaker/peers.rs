//! Neighbours come, change and go while the others' sessions go on.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::Speaker;
use super::change::Change;
use super::config::{PeerConfig, SpeakerConfig};
use super::limits::Pressure;
use super::peer::Peer;
use super::port::{Event, Output, PeerId};
use super::retention::{Retention, Step};
use crate::rib::{AdjRibIn, ImportMemo};
use crate::session::Session;
use crate::wire::notification::cease_subcode;
use crate::wire::{Family, Notification};

impl Speaker {
    /// Configure a neighbour and start its session.
    pub fn add_peer(&mut self, config: PeerConfig, now: Instant) -> PeerId {
        self.insert(config, false, now)
    }

    /// A neighbour nobody configured connected from `remote`: it gets the configuration of its range, under a name of
    /// its own, and is forgotten when its session has ended ([`Event::PeerVanished`]). How many there may be is for the
    /// caller to say; [`super::Input::ConnectionOpened`] is to follow.
    pub fn add_dynamic(&mut self, template: &PeerConfig, remote: IpAddr, now: Instant) -> PeerId {
        let config = PeerConfig {
            name: format!("{}@{remote}", template.name),
            remote_address: Some(remote),
            passive: true,
            ..template.clone()
        };
        self.insert(config, true, now)
    }

    fn insert(&mut self, config: PeerConfig, dynamic: bool, now: Instant) -> PeerId {
        self.core.now = now;
        let id = PeerId(self.next_peer);
        self.next_peer += 1;
        let config = Arc::new(config);
        let session = Session::new(Arc::clone(&config), now);
        let peer = Peer {
            id,
            name: config.name.as_str().into(),
            dynamic,
            session,
            config,
            adj_in: AdjRibIn::default(),
            retention: Retention::default(),
            import_memo: ImportMemo::default(),
            withheld: Vec::new(),
            source: None,
            pressure: Pressure::default(),
            refused: 0,
        };
        self.peers.insert(id, peer);
        self.expect(id);
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.session.start(&mut self.core.env());
        }
        self.perform(id);
        id
    }

    /// Remove a neighbour, telling it so (Cease, peer de-configured).
    pub fn remove_peer(&mut self, peer: PeerId, now: Instant) {
        self.core.now = now;
        let farewell = Notification::cease(cease_subcode::PEER_DECONFIGURED);
        self.with_session(peer, |session, env| session.stop(&farewell, env));
        self.drop_peer(peer);
    }

    /// Close every session for good with the operator's words (RFC 9003): peers drop our routes at once.
    pub fn stop(&mut self, words: &str, now: Instant) {
        self.core.now = now;
        let farewell = Notification::administrative(cease_subcode::ADMINISTRATIVE_SHUTDOWN, words);
        for peer in self.peers.keys().copied().collect::<Vec<_>>() {
            self.with_session(peer, |session, env| session.stop(&farewell, env));
        }
    }

    /// Give a neighbour another configuration. What that takes, [`PeerConfig::change_to`] says beforehand: a session
    /// ends only for what its OPENs have agreed on.
    pub fn reconfigure(&mut self, id: PeerId, config: PeerConfig, now: Instant) -> Change {
        self.core.now = now;
        let Some(peer) = self.peers.get_mut(&id) else {
            return Change::Nothing;
        };
        let change = peer.config.change_to(&config);
        if change == Change::Nothing {
            return change;
        }
        let config = Arc::new(config);
        peer.name = config.name.as_str().into();
        peer.config = Arc::clone(&config);
        let shut = config.shutdown.is_some();
        self.expect(id);
        self.with_session(id, |session, env| {
            session.configure(config, change == Change::Restarted, env);
        });
        if shut {
            self.forget(id);
        }
        self.reevaluate_in(id);
        self.reevaluate_out([id]);
        self.limit_prefixes(id);
        self.settle(id);
        change
    }

    /// Give the speaker itself another configuration. Another AS or identifier is another speaker: every session ends
    /// and comes back.
    pub fn reconfigure_speaker(&mut self, config: &SpeakerConfig, now: Instant) -> Change {
        self.core.now = now;
        let local = &mut self.core.local;
        let mut change = Change::Nothing;
        if local.graceful_restart != config.graceful_restart {
            local.graceful_restart = config.graceful_restart;
            change = change.max(Change::Applied);
        }
        let other = (local.asn, local.router_id) != (config.asn, config.router_id);
        local.asn = config.asn;
        local.router_id = config.router_id;
        if self.set_multipath(config.multipath, now) {
            change = change.max(Change::Refreshed);
        }
        if config.graceful_shutdown != self.drained_by_configuration {
            self.drained_by_configuration = config.graceful_shutdown;
            self.tell_graceful_shutdown();
            change = change.max(Change::Refreshed);
        }
        if other {
            change = Change::Restarted;
            for id in self.peers.keys().copied().collect::<Vec<_>>() {
                self.with_session(id, |session, env| session.restart(env));
            }
        }
        change
    }

    /// Shut a neighbour down with words that it is told (RFC 9003), or let it come up again.
    pub fn set_shutdown(&mut self, peer: PeerId, words: Option<String>, now: Instant) -> Change {
        let Some(config) = self.peers.get(&peer).map(|peer| &peer.config) else {
            return Change::Nothing;
        };
        let config = PeerConfig {
            shutdown: words,
            ..(**config).clone()
        };
        self.reconfigure(peer, config, now)
    }

    /// End a neighbour's session with words that it is told (RFC 9003), and let it come back at once. Ends a hold as
    /// well, say after too many routes.
    pub fn reset(&mut self, peer: PeerId, words: &str, now: Instant) {
        self.core.now = now;
        self.with_session(peer, |session, env| session.reset_by_operator(words, env));
    }

    /// Ask a neighbour to tell everything again, and tell it everything again, without touching the session. False when
    /// there is no session, or the peer does not answer such requests.
    pub fn refresh(&mut self, peer: PeerId, now: Instant) -> bool {
        self.core.now = now;
        let mut asked = false;
        self.with_session(peer, |session, env| asked = session.request_refresh(env));
        let negotiated = self.peers.get(&peer).and_then(|p| p.session.negotiated());
        let families = negotiated.map_or_else(Vec::new, |n| n.families.clone());
        for family in families {
            self.tell_again(peer, family);
        }
        self.perform(peer);
        asked
    }

    /// BFD says that the path to a neighbour is down, which means that forwarding failed:
    ///
    /// * Its session ends (Cease/10, RFC 9384), and neither side keeps anything of the other's, whatever graceful restart
    ///   was agreed.
    /// * While it is away and its routes are kept for it, its BFD may merely have ended with its BGP, and the routes stay
    ///   (RFC 5882 §4.3.2) – unless `control_plane_independent`, its C bit, says that its BFD goes on without its BGP. Then
    ///   they go (§4.3.1). Its bit alone counts: ours tells of our restarts, in which nobody is here to hear this.
    pub fn bfd_down(&mut self, peer: PeerId, control_plane_independent: bool, now: Instant) {
        self.core.now = now;
        let mut was_up = false;
        self.with_session(peer, |session, env| was_up = session.bfd_down(env));
        if !was_up && control_plane_independent {
            self.forget(peer);
            self.perform(peer);
        }
    }

    /// Where a neighbour whose address is discovered is now; `None`: nobody is on its link, it is left in Idle. A
    /// session with another address than `remote` ends: the peer has restarted elsewhere.
    pub fn set_remote(&mut self, peer: PeerId, remote: Option<IpAddr>, now: Instant) {
        self.core.now = now;
        self.with_session(peer, |session, env| session.set_remote(remote, env));
    }

    /// Where a neighbour is, as far as it is known.
    pub fn remote(&self, peer: PeerId) -> Option<IpAddr> {
        self.peers.get(&peer)?.session.remote()
    }

    /// The peer at that address. `link` is the interface the address was seen on, when it is link-local: a peer
    /// that is configured for a link is found only there.
    pub fn peer_at(&self, remote: IpAddr, link: Option<&str>) -> Option<PeerId> {
        let mut peers = self.peers.values();
        let on_link = |peer: &Peer| peer.config.link.as_deref().is_none_or(|l| Some(l) == link);
        peers
            .find(|peer| peer.session.remote() == Some(remote) && on_link(peer))
            .map(|peer| peer.id)
    }

    /// Is this peer waited for after a start?
    fn expect(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get(&id) {
            let configured = peer.config.shutdown.is_none() && !peer.dynamic;
            let families: &[_] = if configured {
                &peer.config.families
            } else {
                &[]
            };
            self.convergence.expect(id, families);
        }
    }

    /// A dynamic peer that has no session and nothing kept for it is gone.
    pub(super) fn drop_if_vanished(&mut self, id: PeerId) {
        let vanished = self.peers.get(&id).filter(|peer| peer.has_vanished());
        if let Some(name) = vanished.map(|peer| Arc::clone(&peer.name)) {
            self.drop_peer(id);
            let event = Event::PeerVanished { peer: id, name };
            self.outputs.push_back(Output::Event(event));
        }
    }

    fn drop_peer(&mut self, id: PeerId) {
        self.forget(id);
        self.peers.remove(&id);
        self.timers.set(id, None);
        self.convergence.forget(id);
        self.report_convergence();
    }

    /// Nothing that the peer taught is left.
    fn forget(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.retention.clear();
            let gone = peer.adj_in.clear();
            self.decide(gone);
            self.retain_evpn(id, Step::Forget(Family::L2VPN_EVPN));
        }
    }
}
