//! Update groups: peers that are told the same share one Adj-RIB-Out, and each message is encoded once for all.
//!
//! Members that keep up read together. One that does not read falls out and gets a [`Reader`] of its own, where
//! changes collapse until it reads again; once it holds what the others hold it joins them again. Whoever has just
//! come, or asked for a refresh, also reads alone until done.

use std::sync::Arc;

use bytes::Bytes;
use ipnet::IpNet;

use super::adj_out::AdjRibOut;
use super::attributes::RouteAttributes;
use super::destination::Destination;
use super::export::{ExportMemo, ExportProfile, ExportedRoute};
use super::intern::Interner;
use super::reader::{Batch, Reader};
use crate::hash::AddressMap;
use crate::speaker::PeerId;

/// Prefixes encoded at a time: the host prefixes of eight full messages, so that the window is respected to within
/// their size.
const BATCH: usize = 8 * 810;

/// How much of what was sent to a peer it has yet to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Window {
    /// Little: send more.
    Open,
    /// Enough that it does not ask for more, but it may go on with others who do.
    Full,
    /// Far too much: it cannot keep up.
    Choked,
}

/// One message or several for some peers.
#[derive(Debug)]
pub(crate) struct Told<D = IpNet> {
    pub(crate) peers: Vec<PeerId>,
    pub(crate) batch: Batch<D>,
    pub(crate) bytes: Bytes,
    pub(crate) updates: usize,
}

/// The peers that are told the same of one family.
#[derive(Debug)]
pub(crate) struct UpdateGroup<D = IpNet> {
    profile: ExportProfile,
    table: AdjRibOut<D>,
    /// Of the members without a reader of their own.
    together: Reader<D>,
    members: Vec<Member<D>>,
    memo: ExportMemo,
}

#[derive(Debug)]
struct Member<D> {
    peer: PeerId,
    alone: Option<Box<Reader<D>>>,
}

impl<D> Member<D> {
    fn reader<'a>(&'a self, together: &'a Reader<D>) -> &'a Reader<D> {
        self.alone.as_deref().unwrap_or(together)
    }
}

impl<D: Destination> UpdateGroup<D> {
    /// A group without members, with what they should have.
    pub(crate) fn new<'a>(
        profile: ExportProfile,
        originated: impl Iterator<Item = (&'a D, &'a Arc<RouteAttributes>)>,
        interner: &mut Interner<ExportedRoute>,
    ) -> Self {
        let mut group = Self {
            profile,
            table: AdjRibOut::default(),
            together: Reader::default(),
            members: Vec::new(),
            memo: ExportMemo::default(),
        };
        for (prefix, route) in originated {
            group.offer(*prefix, Some(route), interner);
        }
        group
    }

    pub(crate) fn profile(&self) -> &ExportProfile {
        &self.profile
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.members.iter().map(|member| member.peer)
    }

    /// A route of ours changed: the policy decides what the members should have.
    pub(crate) fn offer(
        &mut self,
        prefix: D,
        route: Option<&Arc<RouteAttributes>>,
        interner: &mut Interner<ExportedRoute>,
    ) {
        let exported = route.and_then(|route| {
            self.profile
                .export(&prefix, route, &mut self.memo, interner)
        });
        let Some(change) = self.table.set(prefix, exported) else {
            return;
        };
        if self.is_read_together() {
            self.together.note(&change, &self.table);
        }
        for member in &mut self.members {
            if let Some(reader) = &mut member.alone {
                reader.note(&change, &self.table);
            }
        }
    }

    /// All members are to be told under another profile.
    pub(crate) fn change_profile<'a>(
        &mut self,
        profile: ExportProfile,
        originated: impl Iterator<Item = (&'a D, &'a Arc<RouteAttributes>)>,
        interner: &mut Interner<ExportedRoute>,
    ) {
        self.profile = profile;
        self.memo = ExportMemo::default();
        for (prefix, route) in originated {
            self.offer(*prefix, Some(route), interner);
        }
    }

    /// A peer came up.
    pub(crate) fn join(&mut self, peer: PeerId) {
        self.table.keep_order();
        self.members.push(Member {
            peer,
            alone: Some(Box::new(Reader::newcomer())),
        });
    }

    /// A peer comes from another group.
    pub(crate) fn take_over(&mut self, left: Left<D>) {
        let reader = Reader::successor(&left.reader, left.held, &self.table);
        if reader.is_walking() {
            self.table.keep_order();
        }
        self.members.push(Member {
            peer: left.peer,
            alone: Some(Box::new(reader)),
        });
    }

    /// A peer went down.
    pub(crate) fn leave(&mut self, peer: PeerId) {
        self.members.retain(|member| member.peer != peer);
        self.settle_together();
    }

    /// A peer changes the group.
    pub(crate) fn hand_over(&mut self, peer: PeerId) -> Option<Left<D>> {
        let at = self.members.iter().position(|member| member.peer == peer)?;
        let member = self.members.swap_remove(at);
        let reader = match member.alone {
            Some(reader) => *reader,
            None => self.together.clone(),
        };
        let held = reader.all_held(&self.table);
        let held = held
            .map(|(prefix, route)| (*prefix, Arc::clone(route)))
            .collect();
        self.settle_together();
        Some(Left { peer, reader, held })
    }

    /// The peer lost what it was told. True when the answer is to be bracketed if the session can (RFC 7313 §4),
    /// which it must not be before End-of-RIB: what comes until then is all there is anyway.
    pub(crate) fn refresh(&mut self, peer: PeerId, enhanced: bool) -> bool {
        let Some(member) = self.members.iter_mut().find(|member| member.peer == peer) else {
            return false;
        };
        let together = &self.together;
        let reader = member
            .alone
            .get_or_insert_with(|| Box::new(together.clone()));
        let bracketed = enhanced && !reader.is_initial();
        reader.refresh();
        if bracketed {
            reader.end_of_refresh_after_pending();
        }
        self.table.keep_order();
        bracketed
    }

    /// The next to be told, as far as the windows allow.
    pub(crate) fn next(&mut self, window: &impl Fn(PeerId) -> Window) -> Option<Told<D>> {
        loop {
            self.part(window);
            self.reunite();
            let (peers, batch) = match self.next_alone(window) {
                Some(next) => next,
                None => self.next_together(window)?,
            };
            match self.profile.encode(&batch) {
                Ok((bytes, updates)) => {
                    return Some(Told {
                        peers,
                        batch,
                        bytes,
                        updates,
                    });
                }
                // Does not happen: the profile has seen to it that every route fits.
                Err(error) => {
                    let family = self.profile.family;
                    tracing::error!(%family, %error, "routes cannot be encoded and are not sent");
                }
            }
        }
    }

    /// What the peer has been sent, in no particular order.
    pub(crate) fn sent(&self, peer: PeerId) -> impl Iterator<Item = (&D, &Arc<ExportedRoute>)> {
        let member = self.members.iter().find(|member| member.peer == peer);
        let readers = member
            .map(|member| member.reader(&self.together))
            .into_iter();
        readers.flat_map(|reader| reader.all_held(&self.table))
    }

    /// The peers that have been sent a prefix.
    pub(crate) fn holders<'a>(&'a self, prefix: &'a D) -> impl Iterator<Item = PeerId> + 'a {
        let together = self.together.held(prefix, &self.table).is_some();
        let holds = move |member: &&Member<D>| match &member.alone {
            None => together,
            Some(reader) => reader.held(prefix, &self.table).is_some(),
        };
        self.members.iter().filter(holds).map(|member| member.peer)
    }

    /// How many prefixes a peer has been sent, and how many changes wait for it.
    pub(crate) fn counts(&self, peer: PeerId) -> Option<(usize, usize)> {
        let member = self.members.iter().find(|member| member.peer == peer)?;
        let reader = member.reader(&self.together);
        Some((
            reader.held_count(&self.table),
            reader.pending_count(&self.table),
        ))
    }

    #[cfg(test)]
    pub(super) fn is_settled(&self) -> bool {
        self.together.is_idle() && self.members.iter().all(|member| member.alone.is_none())
    }

    #[cfg(test)]
    pub(super) fn queued(&self) -> usize {
        self.together.queued()
    }

    /// Where those who read together do not read at all, and more peers have caught up beside them, these are to read
    /// together instead.
    fn part(&mut self, window: &impl Fn(PeerId) -> Window) {
        if !self.together.has_pending() {
            return;
        }
        let (mut caught_up, mut waiting) = (0, 0);
        for member in &self.members {
            match &member.alone {
                Some(reader) => caught_up += usize::from(reader.is_idle()),
                None if window(member.peer) == Window::Open => return,
                None => waiting += 1,
            }
        }
        if caught_up > waiting {
            for member in self
                .members
                .iter_mut()
                .filter(|member| member.alone.is_none())
            {
                member.alone = Some(Box::new(self.together.clone()));
            }
        }
    }

    /// Who reads alone and has caught up reads together with the others again.
    fn reunite(&mut self) {
        self.settle_together();
        if self.together.has_pending() {
            return;
        }
        let mut walking = false;
        for member in &mut self.members {
            match &member.alone {
                Some(reader) if reader.is_idle() => member.alone = None,
                Some(reader) => walking |= reader.is_walking(),
                None => {}
            }
        }
        if !walking {
            self.table.drop_order();
        }
    }

    fn is_read_together(&self) -> bool {
        self.members.iter().any(|member| member.alone.is_none())
    }

    /// When nobody reads together, nobody there is due anything.
    fn settle_together(&mut self) {
        if !self.is_read_together() {
            self.together = Reader::default();
        }
    }

    fn next_alone(
        &mut self,
        window: &impl Fn(PeerId) -> Window,
    ) -> Option<(Vec<PeerId>, Batch<D>)> {
        let ready = |member: &Member<D>| {
            let alone = member.alone.as_ref().filter(|reader| reader.has_pending());
            alone.is_some() && window(member.peer) == Window::Open
        };
        let at = self.members.iter().position(ready)?;
        let beside = self.beside(at, window);
        let leader = self.members.get_mut(at)?;
        let mut peers = vec![leader.peer];
        let reader = leader.alone.as_deref_mut()?;
        let batch = reader.next_batch(&self.table, BATCH)?;
        let progress = reader.progress();
        // A marker may be what ends the walk: each has its own.
        let routes = matches!(batch, Batch::Announce(_));
        for position in beside.into_iter().filter(|_| routes) {
            if let Some(member) = self.members.get_mut(position)
                && let Some(reader) = &mut member.alone
            {
                reader.follow(progress);
                peers.push(member.peer);
            }
        }
        Some((peers, batch))
    }

    /// Sessions that come up together walk side by side: the members that are due the same as this one.
    fn beside(&self, leader: usize, window: &impl Fn(PeerId) -> Window) -> Vec<usize> {
        let Some(leading) = self.members.get(leader).and_then(|m| m.alone.as_deref()) else {
            return Vec::new();
        };
        let is_beside = |(position, member): &(usize, &Member<D>)| {
            let reader = member.alone.as_deref();
            *position != leader
                && reader.is_some_and(|reader| reader.walks_beside(leading))
                && window(member.peer) == Window::Open
        };
        let members = self.members.iter().enumerate().filter(is_beside);
        members.map(|(position, _)| position).collect()
    }

    fn next_together(
        &mut self,
        window: &impl Fn(PeerId) -> Window,
    ) -> Option<(Vec<PeerId>, Batch<D>)> {
        if !self.together.has_pending() {
            return None;
        }
        let readers = self
            .members
            .iter_mut()
            .filter(|member| member.alone.is_none());
        let readers: Vec<_> = readers
            .map(|member| (window(member.peer), member))
            .collect();
        if !readers.iter().any(|(window, _)| *window == Window::Open) {
            return None;
        }
        let mut peers = Vec::with_capacity(readers.len());
        for (window, member) in readers {
            if window == Window::Choked {
                member.alone = Some(Box::new(self.together.clone()));
            } else {
                peers.push(member.peer);
            }
        }
        let batch = self.together.next_batch(&self.table, BATCH)?;
        Some((peers, batch))
    }
}

/// A peer that has left a group, with what it holds and what it was due.
#[derive(Debug)]
pub(crate) struct Left<D> {
    pub(crate) peer: PeerId,
    reader: Reader<D>,
    held: AddressMap<D, Arc<ExportedRoute>>,
}
