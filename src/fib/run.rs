//! The shell: netlink, the feed from the speaker and the agent's wishes around the pure [`Tables`].

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use bgp::Route;
use ipnet::IpNet;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::MulticastGroup;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::message;
use super::noted::TablesNote;
use super::notice::{Notice, RouteChange};
use super::observe::Dump;
use super::settings::Settings;
use super::snapshot::{HopSnapshot, Snapshot, words};
use super::table::{Change, Step, Table, Wanted};
use super::tables::{Batch, Routers, Tables};
use crate::advertise::{Origination, Source};
use crate::kernel::KernelError;
use crate::kernel::connection::{Announcements, Changes, Reader, Refusal};
use crate::kernel::socket::Interest;
use crate::peering::LearnedRoutes;
use crate::reconcile::object::TableId;

/// Steps taken before news is looked at again.
const BATCH: usize = 512;

/// Between two attempts at what failed or was refused.
const RETRY: Duration = Duration::from_secs(2);

/// Between two dumps at the least: interfaces may come and go in flocks.
const DUMP_INTERVAL: Duration = Duration::from_millis(100);

/// How often a dump is repeated that changes interrupted; the last one is good enough, because the changes are
/// announced as well.
const ATTEMPTS: usize = 3;

const GROUPS: [MulticastGroup; 5] = [
    MulticastGroup::Link,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
];

/// What others ask.
#[derive(Debug)]
pub(super) enum Command {
    Status(oneshot::Sender<Snapshot>),
    Reconfigure(Box<Settings>),
}

/// What the shell stands between.
pub(super) struct Ends {
    pub(super) learned: LearnedRoutes,
    pub(super) origination: Origination,
    pub(super) notices: broadcast::Sender<Notice>,
    /// What OVN's routers want, once that is known.
    pub(super) routers: watch::Receiver<Option<Arc<Routers>>>,
    pub(super) note: Option<TablesNote>,
}

pub(super) struct Shell {
    tables: Tables,
    routers: watch::Receiver<Option<Arc<Routers>>>,
    note: Option<TablesNote>,
    learned: LearnedRoutes,
    origination: Origination,
    notices: broadcast::Sender<Notice>,
    /// What was last originated of the node's own.
    connected: BTreeSet<IpNet>,
    netlink: Option<Netlink>,
    /// Not before that is the kernel read again.
    read_after: Instant,
    retry_at: Option<Instant>,
    writes: u64,
    failing: bool,
}

struct Netlink {
    changes: Changes,
    announcements: Announcements,
}

/// What the loop has waited for.
enum Wake {
    Command(Option<Command>),
    Heard(Result<bool, KernelError>),
    Learned,
    /// OVN's routers want something else.
    Routers,
    /// A deadline has come, or there is work left.
    Due,
}

impl Shell {
    pub(super) fn new(settings: Settings, ends: Ends) -> Self {
        let now = Instant::now();
        let Ends {
            learned,
            origination,
            notices,
            routers,
            mut note,
        } = ends;
        let noted = note.as_mut().map(TablesNote::read).unwrap_or_default();
        Self {
            tables: Tables::new(settings, noted, now),
            routers,
            note,
            learned,
            origination,
            notices,
            connected: BTreeSet::new(),
            netlink: None,
            read_after: now,
            retry_at: None,
            writes: 0,
            failing: false,
        }
    }

    /// Runs until nobody is left to ask for anything; the routes stay. `ready` hears when the kernel has been
    /// read and the node's own prefixes are originated.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>, ready: Sender<()>) {
        self.follow_routers();
        self.read_kernel().await;
        self.tell_connected();
        // Whoever waited may have given up.
        let _ = ready.send(());
        loop {
            self.act().await;
            match self.wait(&mut commands).await {
                Wake::Command(None) => return,
                Wake::Command(Some(command)) => self.obey(command),
                Wake::Learned => self.tables.learn(self.learned.take()),
                Wake::Routers => self.follow_routers(),
                Wake::Heard(Ok(true)) => {}
                Wake::Heard(Ok(false)) => self.tables.doubt(),
                Wake::Heard(Err(error)) => self.give_up(&error),
                Wake::Due => self.due(),
            }
            self.tell_connected();
        }
    }

    /// Waits for news; not at all where there is work to do.
    async fn wait(&mut self, commands: &mut mpsc::Receiver<Command>) -> Wake {
        let deadline = self.deadline();
        let busy = self.netlink.is_some() && self.tables.has_work();
        let Self {
            tables,
            netlink,
            routers,
            ..
        } = self;
        let heard = async {
            match netlink {
                Some(netlink) => netlink.announcements.receive(|m| tables.observe(&m)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            command = commands.recv() => Wake::Command(command),
            () = sleep_until(deadline) => Wake::Due,
            // Whoever tells may have ended; what was told last holds.
            Ok(()) = routers.changed() => Wake::Routers,
            () = self.learned.filled() => Wake::Learned,
            heard = heard => Wake::Heard(heard),
            // A timer would take a millisecond for each batch.
            () = std::future::ready(()), if busy => Wake::Due,
        }
    }

    /// When something is due even without news.
    fn deadline(&self) -> Option<Instant> {
        let read = self.tables.is_doubtful().then_some(self.read_after);
        [read, self.retry_at, self.tables.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    fn due(&mut self) {
        let now = Instant::now();
        self.tables.expire(now);
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            self.tables.retry();
        }
    }

    /// Takes in what OVN's routers want. A table that comes is read first, and noted before anything is written to it.
    fn follow_routers(&mut self) {
        let wanted = self.routers.borrow_and_update().clone();
        if let Some(wanted) = wanted {
            self.tables.follow(wanted, Instant::now());
            self.note_tables();
        }
    }

    fn note_tables(&mut self) {
        if let Some(note) = &mut self.note {
            note.keep(self.tables.to_note());
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Status(answer) => {
                let snapshot = Snapshot {
                    connected: self.connected.iter().copied().collect(),
                    writes: self.writes,
                    ..Snapshot::of_all(&mut self.tables)
                };
                // Whoever asked may have given up.
                let _ = answer.send(snapshot);
            }
            Command::Reconfigure(settings) => {
                self.tables.reconfigure(*settings, Instant::now());
                self.note_tables();
            }
        }
    }

    /// Takes one batch of steps; reads the kernel again once there are none left.
    async fn act(&mut self) {
        let batch = match &self.netlink {
            Some(_) => Some(self.tables.next(BATCH)),
            None => None,
        };
        // After looking where next hops lead now.
        self.learned.judge(self.tables.main.verdicts());
        match batch.filter(|batch| !batch.changes.is_empty()) {
            Some(batch) => self.take(batch).await,
            None if self.tables.is_doubtful() && self.read_after <= Instant::now() => {
                self.read_kernel().await;
            }
            None => {}
        }
    }

    async fn take(&mut self, batch: Batch) {
        let (Some(netlink), Some(_)) = (&mut self.netlink, self.tables.of(batch.router)) else {
            return;
        };
        self.writes += batch.changes.len() as u64;
        let requests = batch.changes.iter().map(|change| match &change.step {
            Step::Put(route, put) => message::put(&change.prefix, change.place, route, *put),
            Step::Remove => message::remove(&change.prefix, change.place),
        });
        match netlink.changes.request(requests.collect()).await {
            Ok(answers) => {
                for (change, answer) in batch.changes.iter().zip(answers) {
                    self.answered(batch.router, change, answer);
                }
            }
            Err(error) => {
                if let Some(table) = self.tables.of(batch.router) {
                    batch
                        .changes
                        .iter()
                        .for_each(|change| table.unsettle(change));
                }
                self.give_up(&error);
            }
        }
        if self.tables.has_refused() && self.retry_at.is_none() {
            self.retry_at = Some(Instant::now() + RETRY);
        }
        if batch.router.is_some() {
            self.tables.tidy();
            self.note_tables();
        }
    }

    fn answered(&mut self, router: Option<TableId>, change: &Change, answer: Result<(), Refusal>) {
        let watched = self.notices.receiver_count() > 0;
        let Some(table) = self.tables.of(router) else {
            return;
        };
        report(table, change, &answer);
        // `watch` follows the node's own table.
        let told = (watched && router.is_none())
            .then(|| told(table, change, &answer))
            .flatten();
        table.settle(change, answer);
        if let Some(told) = told {
            // Fails only when nobody watches any more.
            let _ = self.notices.send(Notice {
                at: Instant::now(),
                prefix: change.prefix,
                change: told,
            });
        }
    }

    /// Reads everything; announcements of what comes after wait meanwhile.
    async fn read_kernel(&mut self) {
        self.read_after = Instant::now() + DUMP_INTERVAL;
        match self.try_read().await {
            Ok(dumps) => {
                self.failing = false;
                self.tables.read(dumps);
                self.note_tables();
            }
            Err(error) => self.give_up(&error),
        }
    }

    async fn try_read(&mut self) -> Result<Vec<Dump>, KernelError> {
        let changes = match self.netlink.take() {
            Some(netlink) => netlink.changes,
            None => Changes::open()?,
        };
        let mut dumps = self.tables.dumps();
        let tables = self.tables.kernels();
        // What was announced up to here the dump sees; what comes later is on top of it.
        let interest = Interest::in_tables(tables.iter().copied());
        let interest = interest.without_echo(changes.port());
        let announcements = Announcements::of(&GROUPS, interest)?;
        let mut reader = Reader::open()?;
        fill(&mut reader, &mut dumps, "interfaces", links()).await?;
        fill(&mut reader, &mut dumps, "addresses", addresses()).await?;
        for table in tables {
            for family in [AddressFamily::Inet, AddressFamily::Inet6] {
                fill(&mut reader, &mut dumps, "routes", routes(family, table)).await?;
            }
        }
        self.netlink = Some(Netlink {
            changes,
            announcements,
        });
        Ok(dumps)
    }

    /// Netlink does not work: everything is opened and read again, after a while.
    fn give_up(&mut self, error: &KernelError) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(%error, "learned routes cannot be brought to the kernel; it is tried again every 2 s");
        }
        self.netlink = None;
        self.tables.doubt();
        self.read_after = Instant::now() + RETRY;
    }

    /// Originates the node's own addresses as they are now. What is not known is left as it is.
    fn tell_connected(&mut self) {
        let own = &self.tables.main;
        if !own.read {
            return;
        }
        let settings = &own.settings.connected;
        let connected = settings.prefixes(&own.node);
        if connected == self.connected {
            return;
        }
        let routes = connected.iter().map(|prefix| Route {
            prefix: *prefix,
            attributes: Arc::clone(&settings.attributes),
        });
        self.origination.replace(Source::Connected, routes);
        self.connected = connected;
    }
}

fn report(table: &Table, change: &Change, answer: &Result<(), Refusal>) {
    let prefix = change.prefix;
    let router = table.learning.as_ref().map(|learning| &*learning.router);
    match (answer, &change.step) {
        // Every default route is worth a line, fifty thousand others are not.
        (Ok(()), Step::Put(route, _)) if prefix.prefix_len() == 0 => {
            let hops: Vec<String> = route.hops.iter().map(|hop| in_words(table, hop)).collect();
            tracing::info!(%prefix, router, next_hops = hops.join(", "), "default route installed");
        }
        (Ok(()), Step::Remove) if prefix.prefix_len() == 0 => {
            tracing::info!(%prefix, router, "default route removed");
        }
        (Err(refusal), Step::Put(..)) if !table.refused.contains_key(&prefix) => {
            tracing::warn!(%prefix, router, error = %refusal, "the kernel refused a learned route; it is tried again");
        }
        _ => {}
    }
}

/// For those who watch.
fn told(table: &mut Table, change: &Change, answer: &Result<(), Refusal>) -> Option<RouteChange> {
    let prefix = change.prefix;
    Some(match (answer, &change.step) {
        (Ok(()), Step::Put(route, _)) => RouteChange::Installed {
            next_hops: HopSnapshot::all(table, route),
            source: route.source,
        },
        (Ok(()), Step::Remove) => RouteChange::Removed {
            reason: match table.wanted(&prefix) {
                Wanted::Nothing(why) => Some(words(why)),
                Wanted::Held | Wanted::Route(_) => None,
            },
        },
        // Once: it is tried again every two seconds.
        (Err(_), _) if table.refused.contains_key(&prefix) => return None,
        (Err(refusal), _) => RouteChange::Refused {
            reason: refusal.to_string(),
        },
    })
}

fn in_words(table: &Table, hop: &super::route::Hop) -> String {
    let interface = table.node.name(hop.link);
    match hop.via {
        Some(via) => format!("{via} ({interface})"),
        None => interface.to_string(),
    }
}

async fn fill(
    reader: &mut Reader,
    dumps: &mut [Dump],
    what: &'static str,
    request: RouteNetlinkMessage,
) -> Result<(), KernelError> {
    for attempt in 1.. {
        match reader
            .dump(request.clone(), |object| {
                dumps.iter_mut().for_each(|dump| dump.take(&object));
            })
            .await?
        {
            Ok(()) => break,
            // A table without any route does not exist.
            Err(refusal) if refusal.errno == libc::ENOENT => break,
            Err(refusal) if refusal.errno == libc::EINTR => {
                if attempt >= ATTEMPTS {
                    break;
                }
            }
            Err(Refusal { errno, text }) => {
                let error = io::Error::from_raw_os_error(errno);
                return Err(KernelError::Dump { what, error, text });
            }
        }
    }
    Ok(())
}

fn links() -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.attributes = vec![LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])];
    RouteNetlinkMessage::GetLink(message)
}

fn addresses() -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetAddress(AddressMessage::default())
}

fn routes(family: AddressFamily, table: u32) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family;
    message.attributes = vec![RouteAttribute::Table(table)];
    RouteNetlinkMessage::GetRoute(message)
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
