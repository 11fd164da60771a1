//! What others tell, as the events that `watch` prints.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bgp::evpn::EvpnEvent;
use bgp::{Event, PeerId};

use super::message::{Happened, Happening};
use super::speaker::learned_line;
use crate::bfd::State;
use crate::fib::{self, RouteChange};
use crate::peering::{Handle, Notice, PathNotice};
use crate::utc::Rfc3339;

/// Names of neighbours, which notices have by number only.
#[derive(Debug, Default)]
pub(super) struct Names {
    speaker: Option<Handle>,
    known: HashMap<PeerId, Arc<str>>,
}

impl Names {
    /// The speaker that knows them.
    pub(super) fn follow(&mut self, speaker: Option<Handle>) {
        self.speaker = speaker;
    }

    async fn of(&mut self, peer: PeerId) -> String {
        if !self.known.contains_key(&peer)
            && let Some(speaker) = &self.speaker
        {
            let names = speaker.look(|view| {
                let peers = view.speaker.peers();
                peers.map(|peer| (peer.id, peer.name)).collect()
            });
            // A speaker that has ended has no names.
            self.known = names.await.unwrap_or_default();
        }
        let name = self.known.get(&peer);
        name.map_or_else(|| format!("#{}", peer.0), ToString::to_string)
    }

    /// What the speaker tells.
    pub(super) async fn happened(&mut self, notice: Notice) -> Happened {
        let what = match notice.event {
            Event::StateChanged {
                name,
                from,
                to,
                reason,
                ..
            } => Happening::Session {
                peer: name.to_string(),
                from: from.to_string(),
                to: to.to_string(),
                reason: reason.map(|reason| reason.to_string()),
            },
            Event::Advertised { peer, prefixes } => Happening::Advertised {
                peer: self.of(peer).await,
                prefixes,
            },
            Event::Withdrawn { peer, prefixes } => Happening::Withdrawn {
                peer: self.of(peer).await,
                prefixes,
            },
            Event::EndOfRib { peer, family } => Happening::EndOfRib {
                peer: self.of(peer).await,
                family: family.to_string(),
            },
            Event::RouteLearned { prefix, paths } => {
                let line = |path| learned_line(prefix, path);
                let paths = paths.iter().map(line).collect();
                Happening::Learned { prefix, paths }
            }
            Event::RouteLost { prefix } => Happening::Lost { prefix },
            Event::FamilyWithheld { peer, family, why } => Happening::Withheld {
                peer: self.of(peer).await,
                family: family.to_string(),
                reason: why.to_string(),
            },
            Event::UpdateErrors { peer, errors } => Happening::UpdateErrors {
                peer: self.of(peer).await,
                errors,
            },
            Event::Converged { family } => Happening::Converged {
                family: family.to_string(),
            },
            Event::PrefixLimit {
                peer,
                count,
                limit,
                refused,
            } => Happening::PrefixLimit {
                peer: self.of(peer).await,
                count,
                limit,
                refused,
            },
            Event::Evpn(event) => of_tenant(event),
            Event::EvpnAdvertised { peer, routes } => Happening::EvpnAdvertised {
                peer: self.of(peer).await,
                routes: routes.iter().map(ToString::to_string).collect(),
            },
            Event::EvpnWithdrawn { peer, routes } => Happening::EvpnWithdrawn {
                peer: self.of(peer).await,
                routes: routes.iter().map(ToString::to_string).collect(),
            },
            Event::PeerVanished { name, .. } => Happening::PeerVanished {
                peer: name.to_string(),
            },
        };
        happened(wall(notice.at), what)
    }

    /// What BFD tells.
    pub(super) async fn of_path(&mut self, notice: PathNotice) -> Happened {
        let mut peers = Vec::with_capacity(notice.peers.len());
        for peer in notice.peers {
            peers.push(self.of(peer).await);
        }
        let change = notice.change;
        let down = change.from == State::Up;
        let what = Happening::Bfd {
            peers,
            path: change.key.to_string(),
            from: change.from.to_string(),
            to: change.to.to_string(),
            reason: down.then(|| change.diagnostic.to_string()),
            failed: change.is_path_failure(),
        };
        happened(wall(change.at), what)
    }
}

/// What a tenant's table takes from others.
fn of_tenant(event: EvpnEvent) -> Happening {
    match event {
        EvpnEvent::Prefix { vni, prefix, ways } => Happening::EvpnPrefix {
            vni,
            prefix,
            vteps: ways.iter().map(|way| way.vtep).collect(),
        },
        EvpnEvent::Host { vni, mac, host } => Happening::EvpnHost {
            vni,
            mac: mac.to_string(),
            vtep: host.as_ref().map(|host| host.vtep),
            addresses: host.into_iter().flat_map(|host| host.addresses).collect(),
        },
        EvpnEvent::Flood { vni, vteps } => Happening::EvpnFlood {
            vni,
            vteps: vteps.into_iter().collect(),
        },
        EvpnEvent::DuplicateMac { vni, mac } => Happening::EvpnDuplicate {
            vni,
            mac: mac.to_string(),
        },
    }
}

/// What the kernel says of learned routes.
pub(super) fn of_fib(notice: fib::Notice) -> Happened {
    let prefix = notice.prefix;
    let what = match notice.change {
        RouteChange::Installed { next_hops, source } => Happening::FibInstalled {
            prefix,
            next_hops,
            source,
        },
        RouteChange::Removed { reason } => Happening::FibRemoved { prefix, reason },
        RouteChange::Refused { reason } => Happening::FibRefused { prefix, reason },
    };
    happened(wall(notice.at), what)
}

/// An event at that time.
pub(super) fn happened(at: SystemTime, what: Happening) -> Happened {
    Happened {
        time: Rfc3339(at).to_string(),
        what,
    }
}

/// So many events were not told.
pub(super) fn missed(count: u64) -> Happened {
    happened(SystemTime::now(), Happening::Missed { count })
}

/// The time of day at an instant of the recent past.
fn wall(at: Instant) -> SystemTime {
    let now = SystemTime::now();
    now.checked_sub(at.elapsed()).unwrap_or(now)
}
