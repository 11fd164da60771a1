//! The speaker seen from other threads: routes, and the operator's questions and orders.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use bgp::evpn::{Instance, LocalHost, Vni};
use bgp::wire::evpn::Mac;
use bgp::{Route, Speaker};
use ipnet::IpNet;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::driver::Command;
use super::mailbox::Mailbox;
use super::neighbours::NeighbourChange;
use super::settings::{Neighbour, Password};
use super::tenants::{TenantChanges, TenantNews};
use super::unnumbered::Discoveries;
use super::{Ended, Notice, PathNotice};
use crate::metrics::Histogram;

/// A way to the speaker that any thread may hold for as long as it likes: it does not keep the speaker
/// running.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) commands: mpsc::WeakSender<Command>,
    pub(super) notices: broadcast::WeakSender<Notice>,
    pub(super) path_notices: broadcast::WeakSender<PathNotice>,
}

/// What can be looked at on the speaker's thread.
#[derive(Debug)]
pub struct View<'a> {
    /// The protocol.
    pub speaker: &'a Speaker,
    /// Addresses that could not be listened on, and why.
    pub listen_errors: &'a [String],
    /// What is known of the links of unnumbered neighbours.
    pub discoveries: &'a Discoveries,
}

/// Something to do on the speaker's thread. It holds up the protocol, so it must be short.
pub(super) enum Call {
    Look(Look),
    Act(Act),
}

type Look = Box<dyn FnOnce(&View<'_>) + Send>;
type Act = Box<dyn FnOnce(&mut Speaker, Instant) + Send>;

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Look(_) => "Look",
            Self::Act(_) => "Act",
        })
    }
}

impl Handle {
    /// Originate these routes, replacing those for the same prefixes. Returns at once.
    pub fn originate(&self, routes: impl IntoIterator<Item = Route>) {
        self.mailbox.originate(routes);
    }

    /// Stop originating these prefixes. Returns at once.
    pub fn withdraw(&self, prefixes: impl IntoIterator<Item = IpNet>) {
        self.mailbox.withdraw(prefixes);
    }

    /// Changes tenants' tables, and what is originated in them. Returns at once.
    pub fn change_tenants(&self, changes: TenantChanges) {
        self.mailbox.change_tenants(changes);
    }

    /// These are the tenants' tables from now on, each under its VNI: see [`Speaker::set_evpn_instances`]. Returns at
    /// once, as do all that follow.
    pub fn set_evpn_instances(&self, instances: BTreeMap<Vni, Instance>) {
        self.change(|changes| changes.set_instances(instances));
    }

    /// Originate these prefixes in a tenant's table: see [`Speaker::originate_evpn`].
    pub fn originate_evpn(&self, vni: Vni, routes: impl IntoIterator<Item = Route>) {
        self.change(|changes| changes.originate(vni, routes));
    }

    /// Stop originating these.
    pub fn withdraw_evpn(&self, vni: Vni, prefixes: impl IntoIterator<Item = IpNet>) {
        self.change(|changes| changes.withdraw(vni, prefixes));
    }

    /// These hosts are here: see [`Speaker::originate_evpn_hosts`].
    pub fn originate_evpn_hosts(
        &self,
        vni: Vni,
        hosts: impl IntoIterator<Item = (Mac, LocalHost)>,
    ) {
        self.change(|changes| changes.originate_hosts(vni, hosts));
    }

    /// These have left.
    pub fn withdraw_evpn_hosts(&self, vni: Vni, macs: impl IntoIterator<Item = Mac>) {
        self.change(|changes| changes.withdraw_hosts(vni, macs));
    }

    fn change(&self, change: impl FnOnce(&mut TenantChanges)) {
        let mut changes = TenantChanges::default();
        change(&mut changes);
        self.mailbox.change_tenants(changes);
    }

    /// All that peers teach of tenants' tables at this moment, whether or not it was taken from
    /// [`LearnedTenants`](super::LearnedTenants).
    ///
    /// # Errors
    /// The speaker's thread has ended.
    pub async fn learned_tenants(&self) -> Result<TenantNews, Ended> {
        self.look(|view| TenantNews::whole(view.speaker)).await
    }

    /// From a change of what is originated to the first UPDATE that was handed to a session for it.
    pub fn told_after(&self) -> &Histogram {
        &self.mailbox.told_after
    }

    /// Everything the speaker tells from now on.
    ///
    /// # Errors
    /// The speaker's thread has ended.
    pub fn watch(&self) -> Result<broadcast::Receiver<Notice>, Ended> {
        let notices = self.notices.upgrade().ok_or(Ended)?;
        Ok(notices.subscribe())
    }

    /// What BFD tells of the paths to neighbours from now on.
    ///
    /// # Errors
    /// The speaker's thread has ended.
    pub fn watch_paths(&self) -> Result<broadcast::Receiver<PathNotice>, Ended> {
        let notices = self.path_notices.upgrade().ok_or(Ended)?;
        Ok(notices.subscribe())
    }

    /// What `look` sees. It runs between two steps of the protocol: copy what is wanted, a few thousand
    /// entries at a time, and work on the copy.
    ///
    /// # Errors
    /// The speaker's thread has ended.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&View<'_>) -> T + Send + 'static,
    ) -> Result<T, Ended> {
        let (answer, seen) = oneshot::channel();
        // Whoever asked may have given up.
        let look = Box::new(move |view: &View<'_>| drop(answer.send(look(view))));
        self.send(Command::Call(Call::Look(look))).await?;
        seen.await.map_err(|_| Ended)
    }

    /// Lets `act` change the speaker, and returns what it returns.
    ///
    /// # Errors
    /// The speaker's thread has ended.
    pub async fn act<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Speaker, Instant) -> T + Send + 'static,
    ) -> Result<T, Ended> {
        let (answer, done) = oneshot::channel();
        let act = Box::new(move |speaker: &mut Speaker, now: Instant| {
            // Whoever asked may have given up.
            drop(answer.send(act(speaker, now)));
        });
        self.send(Command::Call(Call::Act(act))).await?;
        done.await.map_err(|_| Ended)
    }

    /// The BFD sessions of neighbours, as they are now; none where no neighbour wants one.
    ///
    /// # Errors
    /// The speaker's thread or BFD's has ended.
    pub async fn bfd(&self) -> Result<crate::bfd::Snapshot, Ended> {
        let (answer, snapshot) = oneshot::channel();
        self.send(Command::Bfd(answer)).await?;
        snapshot.await.map_err(|_| Ended)
    }

    /// Starts the session with another neighbour.
    ///
    /// # Errors
    /// The speaker's thread has ended.
    pub async fn add_neighbour(&self, neighbour: Neighbour) -> Result<(), Ended> {
        let change = NeighbourChange::Add(Box::new(neighbour));
        self.send(Command::Change(change)).await
    }

    /// Ends the session with the neighbour of that name and forgets it (Cease, peer de-configured).
    ///
    /// # Errors
    /// The speaker's thread has ended.
    pub async fn remove_neighbour(&self, name: &str) -> Result<(), Ended> {
        let change = NeighbourChange::Remove(name.to_owned());
        self.send(Command::Change(change)).await
    }

    /// Signs with another password from the neighbour's next connection on, or with none. Its present
    /// session goes on under the former one until either side ends it; other neighbours notice nothing.
    ///
    /// # Errors
    /// The speaker's thread has ended.
    pub async fn set_password(&self, name: &str, password: Option<Password>) -> Result<(), Ended> {
        let change = NeighbourChange::Password(name.to_owned(), password);
        self.send(Command::Change(change)).await
    }

    async fn send(&self, command: Command) -> Result<(), Ended> {
        let commands = self.commands.upgrade().ok_or(Ended)?;
        commands.send(command).await.map_err(|_| Ended)
    }
}
