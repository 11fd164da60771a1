//! The node's own table, and one for each of OVN's routers here that learns. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use bgp::wire::Family;
use netlink_packet_route::RouteNetlinkMessage;

use super::observe::{Dump, MAIN};
use super::settings::Settings;
use super::table::{Change, Table};
use crate::exposure::native::Learning;
use crate::peering::LearnedNews;
use crate::reconcile::object::TableId;

/// The routers that learn, by their tables.
pub type Routers = BTreeMap<TableId, Learning>;

/// See the module.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) main: Table,
    routers: BTreeMap<TableId, Table>,
    /// What OVN wants; `None` until it is known. Until then nothing of an earlier process is touched.
    wanted: Option<Arc<Routers>>,
    /// The tables in which an earlier process may have left routes.
    noted: BTreeSet<TableId>,
    /// Families of which peers have told all they had, since the start.
    converged: BTreeSet<Family>,
}

/// Steps of one table, to be settled before others are asked for.
#[derive(Debug)]
pub(super) struct Batch {
    /// The router's; `None` is the node's own.
    pub(super) router: Option<TableId>,
    pub(super) changes: Vec<Change>,
}

impl Tables {
    pub(super) fn new(settings: Settings, noted: BTreeSet<TableId>, now: Instant) -> Self {
        Self {
            main: Table::new(settings, now),
            routers: BTreeMap::new(),
            wanted: None,
            noted,
            converged: BTreeSet::new(),
        }
    }

    /// OVN wants this from now on.
    pub(super) fn follow(&mut self, wanted: Arc<Routers>, now: Instant) {
        let own = self.main.place().table;
        let noted = std::mem::take(&mut self.noted);
        let known = wanted.keys().copied().chain(noted);
        for table in known.filter(|table| *table != own) {
            if !self.routers.contains_key(&table) {
                let learning = wanted.get(&table);
                let has_lessons = learning.is_some_and(|l| l.lessons().is_some());
                let router = self.open(table, has_lessons, now);
                self.routers.insert(table, router);
            }
        }
        for (table, router) in &mut self.routers {
            let learning = wanted.get(table).filter(|_| *table != own);
            let settings = match learning {
                Some(_) => self.main.settings.of_router(*table),
                None => self.main.settings.of_former_router(*table),
            };
            if router.settings != settings {
                router.reconfigure(settings);
            }
            let had_lessons = router.has_lessons();
            router.learn_for(learning);
            match learning.and_then(Learning::lessons) {
                Some(lessons) => router.learn_lessons(lessons),
                None if had_lessons => router.learn_all(&self.main.learned),
                None => {}
            }
        }
        self.wanted = Some(wanted);
        self.tidy();
    }

    /// A router's table that is followed from now on, which knows what peers have taught the default instance so far
    /// unless a VNI teaches it.
    fn open(&self, table: TableId, has_lessons: bool, now: Instant) -> Table {
        let settings = self.main.settings.of_router(table);
        let mut router = Table::of_router(settings, now);
        if has_lessons {
            return router;
        }
        let learned = self.main.learned.iter();
        router.learn(LearnedNews {
            routes: learned
                .map(|(prefix, paths)| (*prefix, Some(Arc::clone(paths))))
                .collect(),
            converged: self.converged.iter().copied().collect(),
        });
        router
    }

    /// Other settings from now on.
    pub(super) fn reconfigure(&mut self, settings: Settings, now: Instant) {
        self.main.reconfigure(settings);
        if let Some(wanted) = self.wanted.clone() {
            self.follow(wanted, now);
        }
    }

    /// Takes in what peers teach.
    pub(super) fn learn(&mut self, news: LearnedNews) {
        self.converged.extend(news.converged.iter().copied());
        for router in self.routers.values_mut() {
            if !router.has_lessons() {
                router.learn(news.clone());
            }
            // What the speaker may choose the node's own table tells it.
            router.verdicts.clear();
        }
        self.main.learn(news);
    }

    /// Takes in an announcement of the kernel.
    pub(super) fn observe(&mut self, message: &RouteNetlinkMessage) {
        self.all_mut().for_each(|table| table.observe(message));
    }

    /// What a dump of everything fills.
    pub(super) fn dumps(&self) -> Vec<Dump> {
        self.all().map(|table| Dump::new(table.place())).collect()
    }

    /// The tables of the kernel that matter.
    pub(super) fn kernels(&self) -> BTreeSet<TableId> {
        let all = self.all().map(|table| table.place().table);
        all.chain([MAIN]).collect()
    }

    /// The kernel, read from the beginning, into what [`Self::dumps`] has given.
    pub(super) fn read(&mut self, dumps: Vec<Dump>) {
        for (table, dump) in self.all_mut().zip(dumps) {
            table.read(dump);
        }
        self.tidy();
    }

    /// What is known of the kernel may be wrong.
    pub(super) fn doubt(&mut self) {
        self.main.doubtful = true;
    }

    pub(super) fn is_doubtful(&self) -> bool {
        self.all().any(|table| table.doubtful)
    }

    pub(super) fn has_work(&self) -> bool {
        self.all().any(Table::has_work)
    }

    /// The next deadline that [`Self::expire`] waits for.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.all().filter_map(Table::deadline).min()
    }

    pub(super) fn expire(&mut self, now: Instant) {
        self.all_mut().for_each(|table| table.expire(now));
    }

    /// Tries again what the kernel has refused.
    pub(super) fn retry(&mut self) {
        self.all_mut().for_each(Table::retry);
    }

    pub(super) fn has_refused(&self) -> bool {
        self.all().any(|table| !table.refused.is_empty())
    }

    /// The next steps, at most so many, of the first table that has any: the node's own goes first.
    pub(super) fn next(&mut self, limit: usize) -> Batch {
        let changes = self.main.next(limit);
        if !changes.is_empty() {
            return Batch {
                router: None,
                changes,
            };
        }
        let mut batch = Batch {
            router: None,
            changes,
        };
        for (table, router) in &mut self.routers {
            batch.changes = router.next(limit);
            router.verdicts.clear();
            if !batch.changes.is_empty() {
                batch.router = Some(*table);
                break;
            }
        }
        batch
    }

    /// The table that a batch is of.
    pub(super) fn of(&mut self, router: Option<TableId>) -> Option<&mut Table> {
        match router {
            Some(table) => self.routers.get_mut(&table),
            None => Some(&mut self.main),
        }
    }

    /// Forgets the tables of routers that have gone, once nothing of ours is in them.
    pub(super) fn tidy(&mut self) {
        let (wanted, own) = (self.wanted.as_ref(), self.main.place().table);
        self.routers
            .retain(|table, router| is_wanted(wanted, own, *table) || !router.is_gone());
    }

    /// The tables in which the next process may find routes of this one.
    pub(super) fn to_note(&self) -> BTreeSet<TableId> {
        let routers = self.routers.keys().copied();
        routers.chain(self.noted.iter().copied()).collect()
    }

    /// The routers' tables, those in which nothing is wanted any more among them.
    pub(super) fn routers_mut(&mut self) -> impl Iterator<Item = (TableId, &mut Table)> {
        self.routers
            .iter_mut()
            .map(|(table, router)| (*table, router))
    }

    /// What is wrong with routers' tables as a whole.
    pub(super) fn problems(&self) -> Vec<String> {
        let own = self.main.place().table;
        let clash = self.wanted.as_ref().and_then(|wanted| wanted.get(&own));
        let clash = clash.map(|learning| {
            format!(
                "router {} learns nothing: its table is {own}, which fib_table is too; give either another",
                learning.router
            )
        });
        clash.into_iter().collect()
    }

    fn all(&self) -> impl Iterator<Item = &Table> {
        std::iter::once(&self.main).chain(self.routers.values())
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Table> {
        std::iter::once(&mut self.main).chain(self.routers.values_mut())
    }
}

fn is_wanted(wanted: Option<&Arc<Routers>>, own: TableId, table: TableId) -> bool {
    table != own && wanted.is_some_and(|wanted| wanted.contains_key(&table))
}
