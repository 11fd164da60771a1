//! Events on their way to those who watch. Nobody waits for a slow watcher: it misses some, and is told how
//! many.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bgp::{Event, PeerId};
use tokio::sync::broadcast::{self, error::RecvError, error::TryRecvError};
use tokio::sync::watch;

use super::lines::Lines;
use super::message::{Happened, Happening};
use super::speaker::learned_line;
use crate::advertise::Live;
use crate::peering::{Handle, Notice};
use crate::utc::Rfc3339;

/// Events that a watcher may be behind.
const BACKLOG: usize = 1024;

/// Events written in one go.
const BATCH: usize = 256;

/// Where others than the speaker tell what happens. Clones are the same journal.
#[derive(Clone, Debug)]
pub struct Journal(broadcast::Sender<(SystemTime, Happening)>);

impl Default for Journal {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

impl Journal {
    /// Tells those who watch, if anybody does.
    pub fn tell(&self, what: Happening) {
        let _ = self.0.send((SystemTime::now(), what));
    }
}

/// One watcher.
pub(super) struct Watch {
    live: watch::Receiver<Live>,
    journal: broadcast::Receiver<(SystemTime, Happening)>,
    /// Once the speaker runs.
    notices: Option<broadcast::Receiver<Notice>>,
    names: Names,
}

/// Names of neighbours, which notices have by number only.
#[derive(Debug, Default)]
struct Names {
    speaker: Option<Handle>,
    known: HashMap<PeerId, Arc<str>>,
}

impl Watch {
    pub(super) fn new(mut live: watch::Receiver<Live>, journal: &Journal) -> Self {
        let speaker = live.borrow_and_update().speaker.clone();
        let mut this = Self {
            live,
            journal: journal.0.subscribe(),
            notices: None,
            names: Names::default(),
        };
        this.follow(speaker);
        this
    }

    fn follow(&mut self, speaker: Option<Handle>) {
        if self.notices.is_none() {
            self.notices = speaker.as_ref().and_then(|speaker| speaker.watch().ok());
        }
        self.names.speaker = speaker;
    }

    /// Writes events until the client goes, or the agent ends.
    pub(super) async fn run(mut self, lines: &mut Lines) -> std::io::Result<()> {
        loop {
            let first = tokio::select! {
                event = self.next() => event,
                () = lines.gone() => return Ok(()),
            };
            let Some(first) = first else { return Ok(()) };
            lines.gather(&first)?;
            for _ in 1..BATCH {
                match self.next_now().await {
                    Some(event) => lines.gather(&event)?,
                    None => break,
                }
            }
            lines.flush().await?;
        }
    }

    /// The next event; `None` when there are no more.
    async fn next(&mut self) -> Option<Happened> {
        loop {
            let notices = async {
                match &mut self.notices {
                    Some(notices) => notices.recv().await,
                    None => std::future::pending().await,
                }
            };
            let event = tokio::select! {
                notice = notices => match notice {
                    Ok(notice) => self.names.happened(notice).await,
                    Err(RecvError::Lagged(count)) => missed(count),
                    Err(RecvError::Closed) => return None,
                },
                told = self.journal.recv() => match told {
                    Ok((at, what)) => happened(at, what),
                    Err(RecvError::Lagged(count)) => missed(count),
                    Err(RecvError::Closed) => return None,
                },
                changed = self.live.changed() => {
                    changed.ok()?;
                    let speaker = self.live.borrow_and_update().speaker.clone();
                    self.follow(speaker);
                    continue;
                }
            };
            return Some(event);
        }
    }

    /// The next event of the speaker that is there already.
    async fn next_now(&mut self) -> Option<Happened> {
        match self.notices.as_mut()?.try_recv() {
            Ok(notice) => Some(self.names.happened(notice).await),
            Err(TryRecvError::Lagged(count)) => Some(missed(count)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}

impl Names {
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

    async fn happened(&mut self, notice: Notice) -> Happened {
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
            Event::PeerVanished { name, .. } => Happening::PeerVanished {
                peer: name.to_string(),
            },
        };
        happened(wall(notice.at), what)
    }
}

fn happened(at: SystemTime, what: Happening) -> Happened {
    Happened {
        time: Rfc3339(at).to_string(),
        what,
    }
}

fn missed(count: u64) -> Happened {
    happened(SystemTime::now(), Happening::Missed { count })
}

/// The time of day at an instant of the recent past.
fn wall(at: Instant) -> SystemTime {
    let now = SystemTime::now();
    now.checked_sub(at.elapsed()).unwrap_or(now)
}
