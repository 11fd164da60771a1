//! The shell: netlink, the feed from the speaker and the agent's wishes around the pure [`Table`].

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
use tokio::sync::{broadcast, mpsc, oneshot};

use super::message;
use super::notice::{Notice, RouteChange};
use super::observe::{Dump, MAIN};
use super::settings::Settings;
use super::snapshot::{HopSnapshot, Snapshot, words};
use super::table::{Change, Step, Table, Wanted};
use crate::advertise::{Origination, Source};
use crate::kernel::KernelError;
use crate::kernel::connection::{Announcements, Changes, Reader, Refusal};
use crate::kernel::socket::Interest;
use crate::peering::LearnedRoutes;

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

pub(super) struct Shell {
    table: Table,
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
    /// A deadline has come, or there is work left.
    Due,
}

impl Shell {
    pub(super) fn new(
        settings: Settings,
        learned: LearnedRoutes,
        origination: Origination,
        notices: broadcast::Sender<Notice>,
    ) -> Self {
        let now = Instant::now();
        Self {
            table: Table::new(settings, now),
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
        self.read_kernel().await;
        self.tell_connected();
        // Whoever waited may have given up.
        let _ = ready.send(());
        loop {
            self.act().await;
            match self.wait(&mut commands).await {
                Wake::Command(None) => return,
                Wake::Command(Some(command)) => self.obey(command),
                Wake::Learned => self.table.learn(self.learned.take()),
                Wake::Heard(Ok(true)) => {}
                Wake::Heard(Ok(false)) => self.table.doubtful = true,
                Wake::Heard(Err(error)) => self.give_up(&error),
                Wake::Due => self.due(),
            }
            self.tell_connected();
        }
    }

    /// Waits for news; not at all where there is work to do.
    async fn wait(&mut self, commands: &mut mpsc::Receiver<Command>) -> Wake {
        let deadline = self.deadline();
        let busy = self.netlink.is_some() && self.table.has_work();
        let Self { table, netlink, .. } = self;
        let heard = async {
            match netlink {
                Some(netlink) => netlink.announcements.receive(|m| table.observe(&m)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            command = commands.recv() => Wake::Command(command),
            () = sleep_until(deadline) => Wake::Due,
            () = self.learned.filled() => Wake::Learned,
            heard = heard => Wake::Heard(heard),
            // A timer would take a millisecond for each batch.
            () = std::future::ready(()), if busy => Wake::Due,
        }
    }

    /// When something is due even without news.
    fn deadline(&self) -> Option<Instant> {
        let read = self.table.doubtful.then_some(self.read_after);
        [read, self.retry_at, self.table.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    fn due(&mut self) {
        let now = Instant::now();
        self.table.expire(now);
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            self.table.retry();
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Status(answer) => {
                let snapshot = Snapshot {
                    connected: self.connected.iter().copied().collect(),
                    writes: self.writes,
                    ..Snapshot::of(&mut self.table)
                };
                // Whoever asked may have given up.
                let _ = answer.send(snapshot);
            }
            Command::Reconfigure(settings) => self.table.reconfigure(*settings),
        }
    }

    /// Takes one batch of steps; reads the kernel again once there are none left.
    async fn act(&mut self) {
        let batch = match &self.netlink {
            Some(_) => self.table.next(BATCH),
            None => Vec::new(),
        };
        // After looking where next hops lead now.
        self.learned.judge(self.table.verdicts());
        if !batch.is_empty() {
            self.take(batch).await;
        } else if self.table.doubtful && self.read_after <= Instant::now() {
            self.read_kernel().await;
        }
    }

    async fn take(&mut self, batch: Vec<Change>) {
        let Some(netlink) = &mut self.netlink else {
            return;
        };
        self.writes += batch.len() as u64;
        let requests = batch.iter().map(|change| match &change.step {
            Step::Put(route, put) => message::put(&change.prefix, change.place, route, *put),
            Step::Remove => message::remove(&change.prefix, change.place),
        });
        match netlink.changes.request(requests.collect()).await {
            Ok(answers) => {
                for (change, answer) in batch.iter().zip(answers) {
                    self.report(change, &answer);
                    self.tell(change, &answer);
                    self.table.settle(change, answer);
                }
            }
            Err(error) => {
                batch.iter().for_each(|change| self.table.unsettle(change));
                self.give_up(&error);
            }
        }
        if !self.table.refused.is_empty() && self.retry_at.is_none() {
            self.retry_at = Some(Instant::now() + RETRY);
        }
    }

    fn report(&self, change: &Change, answer: &Result<(), Refusal>) {
        let prefix = change.prefix;
        match (answer, &change.step) {
            // Every default route is worth a line, fifty thousand others are not.
            (Ok(()), Step::Put(route, _)) if prefix.prefix_len() == 0 => {
                let hops: Vec<String> = route.hops.iter().map(|hop| self.words(hop)).collect();
                tracing::info!(%prefix, next_hops = hops.join(", "), "default route installed");
            }
            (Ok(()), Step::Remove) if prefix.prefix_len() == 0 => {
                tracing::info!(%prefix, "default route removed");
            }
            (Err(refusal), Step::Put(..)) if !self.table.refused.contains_key(&prefix) => {
                tracing::warn!(%prefix, error = %refusal, "the kernel refused a learned route; it is tried again");
            }
            _ => {}
        }
    }

    /// For those who watch, if anybody does.
    fn tell(&mut self, change: &Change, answer: &Result<(), Refusal>) {
        if self.notices.receiver_count() == 0 {
            return;
        }
        let prefix = change.prefix;
        let told = match (answer, &change.step) {
            (Ok(()), Step::Put(route, _)) => RouteChange::Installed {
                next_hops: HopSnapshot::all(&self.table, route),
                source: route.source,
            },
            (Ok(()), Step::Remove) => RouteChange::Removed {
                reason: match self.table.wanted(&prefix) {
                    Wanted::Nothing(why) => Some(words(why)),
                    Wanted::Held | Wanted::Route(_) => None,
                },
            },
            // Once: it is tried again every two seconds.
            (Err(_), _) if self.table.refused.contains_key(&prefix) => return,
            (Err(refusal), _) => RouteChange::Refused {
                reason: refusal.to_string(),
            },
        };
        // Fails only when nobody watches any more.
        let _ = self.notices.send(Notice {
            at: Instant::now(),
            prefix,
            change: told,
        });
    }

    fn words(&self, hop: &super::route::Hop) -> String {
        let interface = self.table.node.name(hop.link);
        match hop.via {
            Some(via) => format!("{via} ({interface})"),
            None => interface.to_string(),
        }
    }

    /// Reads everything; announcements of what comes after wait meanwhile.
    async fn read_kernel(&mut self) {
        self.read_after = Instant::now() + DUMP_INTERVAL;
        match self.try_read().await {
            Ok(dump) => {
                self.failing = false;
                self.table.read(dump);
            }
            Err(error) => self.give_up(&error),
        }
    }

    async fn try_read(&mut self) -> Result<Dump, KernelError> {
        let changes = match self.netlink.take() {
            Some(netlink) => netlink.changes,
            None => Changes::open()?,
        };
        let mut dump = Dump::new(self.table.place());
        let tables = BTreeSet::from([MAIN, dump.place().table]);
        // What was announced up to here the dump sees; what comes later is on top of it.
        let interest = Interest::in_tables(tables.iter().copied());
        let interest = interest.without_echo(changes.port());
        let announcements = Announcements::of(&GROUPS, interest)?;
        let mut reader = Reader::open()?;
        fill(&mut reader, &mut dump, "interfaces", links()).await?;
        fill(&mut reader, &mut dump, "addresses", addresses()).await?;
        for table in tables {
            for family in [AddressFamily::Inet, AddressFamily::Inet6] {
                fill(&mut reader, &mut dump, "routes", routes(family, table)).await?;
            }
        }
        self.netlink = Some(Netlink {
            changes,
            announcements,
        });
        Ok(dump)
    }

    /// Netlink does not work: everything is opened and read again, after a while.
    fn give_up(&mut self, error: &KernelError) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(%error, "learned routes cannot be brought to the kernel; it is tried again every 2 s");
        }
        self.netlink = None;
        self.table.doubtful = true;
        self.read_after = Instant::now() + RETRY;
    }

    /// Originates the node's own addresses as they are now. What is not known is left as it is.
    fn tell_connected(&mut self) {
        if !self.table.read {
            return;
        }
        let settings = &self.table.settings.connected;
        let connected = settings.prefixes(&self.table.node);
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

async fn fill(
    reader: &mut Reader,
    dump: &mut Dump,
    what: &'static str,
    request: RouteNetlinkMessage,
) -> Result<(), KernelError> {
    for attempt in 1.. {
        match reader
            .dump(request.clone(), |object| dump.take(&object))
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
