//! The node's kernel: observes and applies links, addresses, routes, neighbours, NDP proxies and
//! rules over netlink, sysctls in `/proc/sys` and table names in `rt_tables`. No process is started
//! for anything.
//!
//! ```text
//! notifications ─► state (pure) ─► Observation ─► reconcile ─► steps ─► apply ─► request (pure) ─► kernel
//!       └ overrun, flush ─► dump ─┘
//! ```
//!
//! The kernel takes things away that it does not announce: IPv4 routes with their interface or
//! with its last address. Whenever that can have happened, and whenever notifications were lost,
//! everything is dumped again. NDP proxies and sysctls are never announced: whoever deletes
//! those is noticed at the next dump.
//!
//! A [`Kernel`] acts in the network namespace of the thread that opened it, and is to be used on it.

mod apply;
mod clear;
pub(crate) mod connection;
mod dump;
#[cfg(test)]
mod isolated;
pub(crate) mod message;
mod reading;
pub(crate) mod request;
pub mod rt_tables;
mod said;
pub(crate) mod socket;
mod state;
mod sysctl;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

pub use self::apply::ApplyError;
pub use self::clear::{ClearError, clear_table};
use netlink_packet_route::RouteNetlinkMessage;

use self::connection::{Announcements, Changes};
pub use self::message::{Device, LinkFacts, PortFacts, VxlanFacts};
use self::said::Said;
use self::socket::Interest;
use self::state::{State, Touched};
use crate::mac::MacAddr;
use crate::reconcile::Found;
use crate::reconcile::object::Key;
use crate::reconcile::ownership::Scope;

/// Netlink itself failed. The next use opens new sockets or dumps again.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    #[error("cannot open a netlink socket: {0}; the agent needs CAP_NET_ADMIN")]
    Open(#[source] std::io::Error),
    #[error("the netlink connection broke down")]
    Closed,
    #[error("the kernel did not answer a netlink request within 5 s")]
    Timeout,
    #[error("cannot dump {what}: {error}{}", text.as_ref().map(|t| format!(" ({t})")).unwrap_or_default())]
    Dump {
        what: &'static str,
        error: std::io::Error,
        /// The kernel's own words.
        text: Option<String>,
    },
}

/// The interfaces of this namespace, as they are now. Nothing is written, and no privilege is needed.
///
/// # Errors
/// Netlink does not answer.
pub async fn links() -> Result<Vec<LinkFacts>, KernelError> {
    let state = dump::interfaces(Scope::default()).await?;
    Ok(state.links().cloned().collect())
}

/// News of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// Everything in scope: what is not here does not exist.
    Dump(Vec<(Key, Found)>),
    /// Everything in scope was read again, and is as it was told last.
    Same,
    /// What changed; `None` is gone.
    Changes(Vec<(Key, Option<Found>)>),
}

impl Observation {
    /// Whether interfaces are among it.
    pub fn is_of_links(&self) -> bool {
        let is_link = |key: &Key| matches!(key, Key::Link { .. });
        match self {
            Self::Dump(objects) => objects.iter().any(|(key, _)| is_link(key)),
            Self::Changes(changes) => changes.iter().any(|(key, _)| is_link(key)),
            Self::Same => false,
        }
    }
}

/// The node's kernel.
pub struct Kernel {
    changes: Changes,
    announcements: Announcements,
    state: State,
    /// Sysctls that were asked for without being in the scope: those of devices that come and go.
    watched: BTreeSet<Arc<str>>,
    /// What has been looked at since, and has to be told.
    looked_at: BTreeSet<Key>,
    /// What the last dump said, and whether `state` is what it said and nothing else.
    said: Said,
    as_said: bool,
    /// What is known may be wrong: the next [`Kernel::observe`] dumps.
    stale: bool,
    rt_tables: PathBuf,
    writes_total: u64,
}

impl Kernel {
    /// Subscribes; the first [`Kernel::observe`] then dumps. `rt_tables` is the file to keep
    /// table names in, see [`rt_tables::DEFAULT_PATH`]. Needs a tokio runtime with I/O.
    pub fn open(rt_tables: PathBuf) -> Result<Self, KernelError> {
        Ok(Self {
            announcements: Announcements::open(Interest::in_tables(std::iter::empty()))?,
            changes: Changes::open()?,
            state: State::default(),
            watched: BTreeSet::new(),
            looked_at: BTreeSet::new(),
            said: Said::default(),
            as_said: false,
            stale: true,
            rt_tables,
            writes_total: 0,
        })
    }

    /// Changes what concerns us. True where the next [`Kernel::observe`] then dumps: where nothing but sysctls are new,
    /// those are looked at alone.
    pub fn set_scope(&mut self, scope: Scope) -> bool {
        let before = self.state.scope();
        if *before == scope {
            return false;
        }
        let of_before = Scope {
            sysctls: before.sysctls.clone(),
            ..scope.clone()
        };
        if self.stale || *before != of_before {
            self.state = State::new(scope);
            self.as_said = false;
            self.stale = true;
            return true;
        }
        let known: BTreeSet<Arc<str>> = before.sysctls.iter().cloned().collect();
        for path in scope.sysctls.iter().filter(|path| !known.contains(*path)) {
            self.state.set_sysctl(path, sysctl::read(path));
            let path = Arc::clone(path);
            self.looked_at.insert(Key::Sysctl { path });
        }
        self.state.watch_sysctls(scope.sysctls);
        false
    }

    /// What concerns us.
    pub fn scope(&self) -> &Scope {
        self.state.scope()
    }

    /// Has the next [`Kernel::observe`] dump: the periodic safety net.
    pub fn refresh(&mut self) {
        self.stale = true;
    }

    /// Has the next [`Kernel::observe`] dump and tell all of it, be it as it was or not.
    pub fn tell_again(&mut self) {
        (self.stale, self.as_said) = (true, false);
    }

    /// Waits for news. May be dropped at any await without losing any. After an error the next
    /// call dumps, so call it again, with a pause.
    pub async fn observe(&mut self) -> Result<Observation, KernelError> {
        loop {
            if self.stale {
                return self.dump().await;
            }
            if !self.looked_at.is_empty() {
                let keys = std::mem::take(&mut self.looked_at).into_iter();
                let found = keys.map(|key| (self.state.found(&key), key));
                return Ok(Observation::Changes(found.map(|(f, k)| (k, f)).collect()));
            }
            let mut touched = Touched::default();
            if self.take_in(&mut touched).await? && !touched.stale {
                let changes = self.changes(touched);
                if !changes.is_empty() {
                    return Ok(Observation::Changes(changes));
                }
            } else {
                self.stale = true;
            }
        }
    }

    /// An interface as last seen, in scope or not.
    pub fn link(&self, name: &str) -> Option<&LinkFacts> {
        self.state.link(name)
    }

    /// All interfaces as last seen.
    pub fn links(&self) -> impl Iterator<Item = &LinkFacts> {
        self.state.links()
    }

    /// The MAC address of an interface as last seen.
    pub fn mac(&self, name: &str) -> Option<MacAddr> {
        self.state.mac(name)
    }

    /// True where an interface is in the VRF of a tenant, and that VRF is ours.
    pub fn is_tenant_member(&self, name: &str) -> bool {
        self.state.is_tenant_member(name)
    }

    /// How many changes were asked of the kernel, sysctl and rt_tables writes included.
    pub fn writes_total(&self) -> u64 {
        self.writes_total
    }

    /// Everything there is, now. Read-only: this is what `plan` needs.
    async fn dump(&mut self) -> Result<Observation, KernelError> {
        let scope = self.state.scope().clone();
        // A dump that is given up half-way leaves nothing to go by.
        let mut said = std::mem::take(&mut self.said);
        let all_told = std::mem::take(&mut self.as_said) && self.looked_at.is_empty();
        let known = all_told.then_some(&self.state);
        // What was announced up to here the dump sees; what comes later is on top of it.
        let interest = Interest::in_tables(scope.tables());
        let interest = interest.with_tenants(scope.tenants.is_some());
        self.announcements = Announcements::open(interest)?;
        let state = dump::state(scope, known, &mut said).await?;
        let files = self.state.files();
        let mut same = state.is_none();
        self.state = state.unwrap_or_else(|| std::mem::take(&mut self.state));
        self.read_files();
        same &= self.state.files() == files;
        (self.said, self.as_said, self.stale) = (said, true, false);
        if same {
            return Ok(Observation::Same);
        }
        self.looked_at.clear();
        Ok(Observation::Dump(self.state.objects()))
    }

    fn read_files(&mut self) {
        for path in self.state.scope().sysctls.clone() {
            self.state.set_sysctl(&path, sysctl::read(&path));
        }
        let state = &mut self.state;
        // Who wishes for a sysctl of an interface that is gone asks for it again when there is another.
        self.watched.retain(|path| {
            let value = sysctl::read(path);
            let there = value.is_some();
            state.set_sysctl(path, value);
            there
        });
        let vlans: Vec<Arc<str>> = self.state.vlan_devices().cloned().collect();
        for name in vlans {
            self.state.set_answering(&name, sysctl::answers(&name));
        }
        match rt_tables::read(&self.rt_tables) {
            Ok(text) => {
                let mut names = rt_tables::parse(&text);
                names.retain(|name, _| self.state.scope().bridges.contains_key(name));
                self.state.set_table_names(names);
            }
            Err(error) => tracing::warn!(%error, "table names are not known"),
        }
    }

    /// Takes in what was announced; false when announcements were lost.
    async fn take_in(&mut self, touched: &mut Touched) -> Result<bool, KernelError> {
        let state = &mut self.state;
        let as_said = &mut self.as_said;
        let visit = |object| {
            let keys = touched.keys.len();
            state.handle(&object, touched);
            // Neighbours on other interfaces come and go all the time.
            *as_said &= is_neighbour(&object) && touched.keys.len() == keys;
        };
        let received = self.announcements.receive(visit).await;
        received.inspect_err(|_| self.stale = true)
    }

    fn changes(&mut self, mut touched: Touched) -> Vec<(Key, Option<Found>)> {
        for interface in &touched.interfaces {
            self.read_sysctls_of(interface, &mut touched.keys);
        }
        let found = |key: Key| {
            let found = self.state.found(&key);
            (key, found)
        };
        touched.keys.into_iter().map(found).collect()
    }

    fn read_sysctls_of(&mut self, interface: &Arc<str>, touched: &mut BTreeSet<Key>) {
        let paths = self.state.scope().sysctls.iter().chain(&self.watched);
        for path in paths.cloned().collect::<Vec<_>>() {
            if path.split('/').any(|part| part == &**interface) {
                self.state.set_sysctl(&path, sysctl::read(&path));
                touched.insert(Key::Sysctl { path });
            }
        }
    }
}

fn is_neighbour(object: &RouteNetlinkMessage) -> bool {
    use RouteNetlinkMessage as M;
    matches!(object, M::NewNeighbour(_) | M::DelNeighbour(_))
}
