//! Learned routes on their way to whoever installs them.
//!
//! A slot per prefix rather than a queue, like the mailbox in the other direction: the speaker never waits, nothing
//! is lost, and however far the other side is behind, memory is bounded by the number of prefixes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bgp::wire::Family;
use bgp::{AddressMap, Event, LearnedPath, Via};
use ipnet::IpNet;
use tokio::sync::Notify;

/// What peers teach. Clones are handles to the same; one side fills it, one takes from it.
#[derive(Debug, Clone, Default)]
pub struct LearnedRoutes(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    news: Mutex<LearnedNews>,
    filled: Notify,
    /// The way back: next hops that paths may lead by, or may not.
    verdicts: Mutex<AddressMap<Via, bool>>,
    judged: Notify,
}

/// What has changed since it was last asked for.
#[derive(Debug, Clone, Default)]
pub struct LearnedNews {
    /// The paths in use, best first; `None`: no peer teaches it any more.
    pub routes: AddressMap<IpNet, Option<Arc<[LearnedPath]>>>,
    /// Families of which every peer that is up has told all it has, after `routes`.
    pub converged: Vec<Family>,
}

impl LearnedRoutes {
    /// Puts these paths in use; none: the prefix is lost.
    pub fn put(&self, prefix: IpNet, paths: Option<Arc<[LearnedPath]>>) {
        self.put_all([(prefix, paths)], []);
    }

    /// All that is to come of a family after a restart has come.
    pub fn converged(&self, family: Family) {
        self.put_all([], [family]);
    }

    fn put_all(
        &self,
        routes: impl IntoIterator<Item = (IpNet, Option<Arc<[LearnedPath]>>)>,
        converged: impl IntoIterator<Item = Family>,
    ) {
        let mut news = self.lock();
        news.routes.extend(routes);
        for family in converged {
            if !news.converged.contains(&family) {
                news.converged.push(family);
            }
        }
        drop(news);
        self.0.filled.notify_one();
    }

    /// Everything since the last call.
    pub fn take(&self) -> LearnedNews {
        std::mem::take(&mut *self.lock())
    }

    /// Completes when there is something to take. May be dropped while it waits.
    pub async fn filled(&self) {
        self.0.filled.notified().await;
    }

    /// Tells the speaker which next hops a way leads to, from now on (true), and which not (false).
    pub fn judge(&self, verdicts: Vec<(Via, bool)>) {
        if !verdicts.is_empty() {
            lock(&self.0.verdicts).extend(verdicts);
            self.0.judged.notify_one();
        }
    }

    /// What was last said of each next hop, once something was. May be dropped while it waits.
    pub async fn verdicts(&self) -> AddressMap<Via, bool> {
        self.0.judged.notified().await;
        std::mem::take(&mut *lock(&self.0.verdicts))
    }

    fn lock(&self) -> MutexGuard<'_, LearnedNews> {
        lock(&self.0.news)
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // A map of plain values is sound whatever its holder was doing.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The end of the speaker, which tells of one route at a time: what an input brings is put at once, so that neither side
/// wakes the other for each.
#[derive(Debug)]
pub(super) struct Teacher {
    learned: LearnedRoutes,
    /// Yet to be put.
    news: Vec<(IpNet, Option<Arc<[LearnedPath]>>)>,
    converged: Vec<Family>,
}

impl Teacher {
    pub(super) fn new(learned: LearnedRoutes) -> Self {
        Self {
            learned,
            news: Vec::new(),
            converged: Vec::new(),
        }
    }

    /// Takes in what the speaker tells, where it is about learned routes.
    pub(super) fn follow(&mut self, event: &Event) {
        match event {
            Event::RouteLearned { prefix, paths } => {
                self.news.push((*prefix, Some(Arc::clone(paths))));
            }
            Event::RouteLost { prefix } => self.news.push((*prefix, None)),
            Event::Converged { family } => self.converged.push(*family),
            _ => {}
        }
    }

    /// Puts what was taken in.
    pub(super) fn put(&mut self) {
        if !(self.news.is_empty() && self.converged.is_empty()) {
            let (news, converged) = (self.news.drain(..), self.converged.drain(..));
            self.learned.put_all(news, converged);
        }
    }
}

/// [`LearnedRoutes::verdicts`]; none where nobody takes what peers teach.
pub(super) async fn verdicts(teacher: &Option<Teacher>) -> AddressMap<Via, bool> {
    match teacher {
        Some(teacher) => teacher.learned.verdicts().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_one_prefix_collapse() {
        let learned = LearnedRoutes::default();
        let prefix: IpNet = "0.0.0.0/0".parse().unwrap();
        let mut teacher = Teacher::new(learned.clone());
        for _ in 0..1000 {
            let paths = Arc::from([]);
            teacher.follow(&Event::RouteLearned { prefix, paths });
            teacher.follow(&Event::RouteLost { prefix });
            teacher.follow(&Event::Converged {
                family: Family::IPV4_UNICAST,
            });
            teacher.put();
        }
        let news = learned.take();
        assert_eq!(
            news.routes.into_iter().collect::<Vec<_>>(),
            [(prefix, None)]
        );
        assert_eq!(news.converged, [Family::IPV4_UNICAST]);
        assert!(learned.take().routes.is_empty());
    }
}
