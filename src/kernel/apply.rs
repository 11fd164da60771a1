//! Taking steps: requests in batches where the kernel allows, one by one where later steps need
//! the outcome.

mod making;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkMessage;

use self::making::Making;
use super::connection::{Reader, Refusal, Request};
use super::message::{LinkFacts, RouteId};
use super::rt_tables::{self, RtTablesError};
use super::state::{InTheWay, Touched};
use super::{Kernel, KernelError, request, sysctl};
use crate::mac::MacAddr;
use crate::reconcile::Step;
use crate::reconcile::object::{Key, Link, LinkKind, Value};

/// A step was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("the kernel refused it: {error}{}", text.as_ref().map(|t| format!(" ({t})")).unwrap_or_default())]
    Refused {
        error: io::Error,
        /// The kernel's own words (extended acknowledgement).
        text: Option<String>,
    },
    #[error("interface {0} does not exist")]
    NoDevice(Arc<str>),
    #[error("cannot write /proc/sys/{path}: {error}")]
    Sysctl { path: Arc<str>, error: io::Error },
    #[error(transparent)]
    RtTables(#[from] RtTablesError),
    #[error(
        "a rule of somebody else's has the same priority, destination and table and more \
         selectors: the kernel might delete that one; delete one of them by hand"
    )]
    LookAlike,
    #[error("this is not for the kernel to do")]
    NotOurs,
    /// Whether it was taken is not known.
    #[error(transparent)]
    Kernel(#[from] Arc<KernelError>),
}

/// How a step is taken.
enum Action {
    /// All of them, whatever becomes of each.
    Requests(Vec<Request>),
    /// Later steps depend on it: it is taken, and what became of these interfaces looked at, before they are.
    Link(Vec<Request>, Vec<Arc<str>>),
    /// The same, of an interface that is to be made first.
    Make(Box<Making>, Vec<Arc<str>>),
    Sysctl(Arc<str>, Arc<str>),
    TableName(Arc<str>, u32),
}

impl Kernel {
    /// Takes steps in order; a failed one does not keep the later ones from being tried. One
    /// answer per step. Adding what exists as wished and removing what is gone succeed.
    pub async fn apply(&mut self, steps: &[Step]) -> Vec<Result<(), ApplyError>> {
        self.as_said &= steps.is_empty();
        let mut answers: Vec<Result<(), ApplyError>> = Vec::with_capacity(steps.len());
        let mut pending: Vec<(&Step, Vec<Request>)> = Vec::new();
        for step in steps {
            match self.action(step) {
                Ok(Action::Requests(requests)) => pending.push((step, requests)),
                Ok(action) => {
                    self.flush(&mut pending, &mut answers).await;
                    answers.push(self.act(step, action).await);
                }
                Err(error) => {
                    self.flush(&mut pending, &mut answers).await;
                    answers.push(gone_with_its_device(step, error));
                }
            }
        }
        self.flush(&mut pending, &mut answers).await;
        answers
    }

    async fn flush(
        &mut self,
        pending: &mut Vec<(&Step, Vec<Request>)>,
        answers: &mut Vec<Result<(), ApplyError>>,
    ) {
        let (steps, requests): (Vec<&Step>, Vec<Vec<Request>>) = pending.drain(..).unzip();
        let counts: Vec<usize> = requests.iter().map(Vec::len).collect();
        let requests: Vec<Request> = requests.into_iter().flatten().collect();
        self.writes_total += requests.len() as u64;
        match self.changes.request(requests).await {
            Ok(replies) => {
                let mut replies = replies.into_iter();
                for (step, count) in steps.iter().zip(counts) {
                    let replies = replies.by_ref().take(count);
                    let mut answer = replies
                        .map(|reply| judge(step, reply))
                        .fold(Ok(()), Result::and);
                    if matches!(answer, Err(ApplyError::Refused { .. }))
                        && let Some(request) = self.second_try(step)
                    {
                        answer = self.change(step, request).await;
                    }
                    if let (Step::Remove { key, .. }, Ok(())) = (step, &answer)
                        && let Key::Fdb { dev, mac } = key
                    {
                        self.state.forget_fdb(dev, *mac);
                    }
                    answers.push(answer);
                }
            }
            Err(error) => {
                self.stale = true;
                let error = Arc::new(error);
                let failed = |_| Err(ApplyError::Kernel(Arc::clone(&error)));
                answers.extend(steps.iter().map(failed));
            }
        }
    }

    /// Another way to the same, where the kernel may have refused the first.
    fn second_try(&self, step: &Step) -> Option<Request> {
        let (Step::Add { key, value } | Step::Replace { key, value }) = step else {
            return None;
        };
        let Value::Route(route) = value else {
            return None;
        };
        route.via.first().copied().filter(IpAddr::is_ipv6)?;
        let index = self.index(&route.dev).ok()?;
        request::add_route_by_its_table(&RouteId::of(key)?, index, &route.via)
    }

    async fn act(&mut self, step: &Step, action: Action) -> Result<(), ApplyError> {
        match action {
            Action::Requests(requests) => {
                for request in requests {
                    self.change(step, request).await?;
                }
                Ok(())
            }
            Action::Link(requests, names) => {
                for request in requests {
                    self.change(step, request).await?;
                }
                self.learn_links(&names).await
            }
            Action::Make(making, names) => {
                self.make(step, *making).await?;
                self.learn_links(&names).await
            }
            Action::Sysctl(path, value) => {
                self.watched.insert(Arc::clone(&path));
                let there = sysctl::read(&path);
                if there.as_ref() == Some(&value) {
                    self.state.set_sysctl(&path, there);
                    return Ok(());
                }
                self.writes_total += 1;
                sysctl::write(&path, &value).map_err(|error| ApplyError::Sysctl {
                    path: Arc::clone(&path),
                    error,
                })?;
                self.state.set_sysctl(&path, Some(value));
                Ok(())
            }
            Action::TableName(name, id) => {
                let written = rt_tables::add(&self.rt_tables, &name, id)?;
                self.writes_total += u64::from(written);
                Ok(())
            }
        }
    }

    async fn change(&mut self, step: &Step, request: Request) -> Result<(), ApplyError> {
        self.writes_total += 1;
        let replies = self.changes.request(vec![request]).await;
        let replies = replies.map_err(Arc::new)?;
        replies.into_iter().try_for_each(|reply| judge(step, reply))
    }

    async fn learn_links(&mut self, names: &[Arc<str>]) -> Result<(), ApplyError> {
        for name in names {
            self.learn_link(name).await?;
        }
        Ok(())
    }

    /// Later steps of the same batch need the index of a new interface.
    async fn learn_link(&mut self, name: &str) -> Result<(), ApplyError> {
        let found = match Reader::open() {
            Ok(mut reader) => reader.link(name).await,
            Err(error) => Err(error),
        };
        if let Some(link) = found.map_err(Arc::new)? {
            let object = RouteNetlinkMessage::NewLink(link);
            self.state.handle(&object, &mut Touched::default());
        }
        Ok(())
    }

    fn index(&self, name: &Arc<str>) -> Result<u32, ApplyError> {
        let link = self.state.link(name);
        link.map(|l| l.index)
            .ok_or_else(|| ApplyError::NoDevice(Arc::clone(name)))
    }

    fn action(&self, step: &Step) -> Result<Action, ApplyError> {
        match step {
            Step::Add { key, value } => self.put(key, value, false),
            Step::Replace { key, value } => self.put(key, value, true),
            Step::Remove { key, value } => self.remove(key, value).map(Action::Requests),
            Step::Withdraw { .. } | Step::Advertise { .. } => Err(ApplyError::NotOurs),
        }
    }

    fn put(&self, key: &Key, value: &Value, exists: bool) -> Result<Action, ApplyError> {
        let request = match (key, value) {
            (Key::TableName { name }, Value::TableName { id }) => {
                return Ok(Action::TableName(Arc::clone(name), *id));
            }
            (Key::Sysctl { path }, Value::Sysctl { value }) => {
                return Ok(Action::Sysctl(Arc::clone(path), Arc::clone(value)));
            }
            (Key::Link { name }, Value::Link(link)) => return self.put_link(name, link, exists),
            (Key::Master { dev }, Value::Master { master }) => {
                let enslave = request::set_master(self.index(dev)?, Some(self.index(master)?));
                return Ok(Action::Link(vec![enslave], vec![Arc::clone(dev)]));
            }
            (Key::Address { dev, address }, _) => request::add_address(self.index(dev)?, address),
            (Key::Route { .. }, Value::Route(route)) => {
                let id = RouteId::of(key).ok_or(ApplyError::NotOurs)?;
                let request = request::add_route(&id, self.index(&route.dev)?, &route.via);
                request.ok_or(ApplyError::NotOurs)?
            }
            (Key::Unreachable { .. }, _) => {
                let id = RouteId::of(key).ok_or(ApplyError::NotOurs)?;
                request::add_unreachable(&id).ok_or(ApplyError::NotOurs)?
            }
            (
                Key::BridgePort { dev },
                Value::BridgePort {
                    learning,
                    neigh_suppress,
                },
            ) => request::set_port(self.index(dev)?, *learning, *neigh_suppress),
            (Key::Fdb { dev, mac }, Value::Fdb { vtep }) => {
                return self.put_fdb(dev, *mac, *vtep).map(Action::Requests);
            }
            (Key::Flood { dev, vtep }, _) => request::add_flood(self.index(dev)?, *vtep),
            (Key::Neighbour { dev, address }, Value::Neighbour { mac }) => {
                request::add_neighbour(self.index(dev)?, *address, *mac)
            }
            (Key::Proxy { dev, address }, _) => {
                request::add_proxy(self.index(dev)?, IpAddr::V6(*address))
            }
            (
                Key::Rule {
                    priority,
                    to,
                    table,
                },
                _,
            ) => request::add_rule(*priority, to, *table),
            _ => return Err(ApplyError::NotOurs),
        };
        Ok(Action::Requests(vec![request]))
    }

    /// Sets an interface up, creates one, or deletes one and creates another in its place.
    fn put_link(&self, name: &Arc<str>, link: &Link, exists: bool) -> Result<Action, ApplyError> {
        let found = self.state.link(name).filter(|_| exists);
        let created = self.creation(name, &link.kind)?;
        let mut names = vec![Arc::clone(name)];
        let requests = match (created, found) {
            (None, _) => {
                let found = self.state.link(name);
                let found = found.ok_or_else(|| ApplyError::NoDevice(Arc::clone(name)))?;
                corrections(found, link)
            }
            (Some(_), Some(found)) if self.state.kind(found) == link.kind => {
                corrections(found, link)
            }
            (Some(create), found) => {
                let changed = found.and_then(|found| change_in_place(found, &link.kind));
                match (changed, found) {
                    (Some(change), Some(found)) => {
                        let mut requests = vec![change];
                        requests.extend(corrections(found, link));
                        requests
                    }
                    (_, found) => {
                        if let LinkKind::Veth { peer } = &link.kind {
                            // A pair's ends are told apart by each other's names: the other end is learned first.
                            names.insert(0, Arc::clone(peer));
                        }
                        let making = Making::of(name, link, create, found);
                        return Ok(Action::Make(Box::new(making), names));
                    }
                }
            }
        };
        Ok(Action::Link(requests, names))
    }

    /// `None` for what is not ours to create.
    fn creation(&self, name: &str, kind: &LinkKind) -> Result<Option<LinkMessage>, ApplyError> {
        Ok(Some(match kind {
            LinkKind::Foreign => return Ok(None),
            LinkKind::Vlan { parent, id } => request::vlan(name, self.index(parent)?, *id),
            LinkKind::Vrf { table } => request::vrf(name, *table),
            LinkKind::Dummy => request::dummy(name),
            LinkKind::Bridge => request::bridge(name),
            LinkKind::Vxlan { vni, port, local } => request::vxlan(name, *vni, *port, *local),
            LinkKind::Veth { peer } => request::veth(name, peer),
        }))
    }

    fn remove(&self, key: &Key, value: &Value) -> Result<Vec<Request>, ApplyError> {
        let request = match key {
            Key::Link { name } => request::remove_link(self.index(name)?),
            Key::Master { dev } => request::set_master(self.index(dev)?, None),
            Key::Address { dev, address } => request::remove_address(self.index(dev)?, address),
            Key::Route { .. } | Key::Unreachable { .. } | Key::StrayRoute { .. } => {
                let id = RouteId::of(key).ok_or(ApplyError::NotOurs)?;
                let hop = match value {
                    Value::Route(route) => Some((self.index(&route.dev)?, &*route.via)),
                    _ => None,
                };
                let request = request::remove_route(&id, hop, self.state.route_protocol(&id));
                request.ok_or(ApplyError::NotOurs)?
            }
            Key::Neighbour { dev, address } => {
                request::remove_neighbour(self.index(dev)?, *address)
            }
            Key::Fdb { dev, mac } => return self.remove_fdb(dev, *mac),
            Key::Flood { dev, vtep } => request::remove_flood(self.index(dev)?, *vtep),
            Key::Proxy { dev, address } => {
                request::remove_proxy(self.index(dev)?, IpAddr::V6(*address))
            }
            Key::Rule {
                priority,
                to,
                table,
            } => {
                let rule = (*priority, *to, *table);
                let (priority, to, table) = self.state.rule_as_found(&rule).unwrap_or(rule);
                if self.state.has_look_alike(&(priority, to, table)) {
                    return Err(ApplyError::LookAlike);
                }
                request::remove_rule(priority, &to, table)
            }
            _ => return Err(ApplyError::NotOurs),
        };
        Ok(vec![request])
    }

    /// What the kernel would keep of the entry that is there goes first.
    fn put_fdb(
        &self,
        dev: &Arc<str>,
        mac: MacAddr,
        vtep: Option<IpAddr>,
    ) -> Result<Vec<Request>, ApplyError> {
        let index = self.index(dev)?;
        let InTheWay {
            of_bridge,
            of_vxlan,
        } = self.state.in_the_way(index, mac, vtep);
        let of_bridge = of_bridge.then(|| request::remove_from_bridge(index, mac));
        let of_vxlan = of_vxlan.then(|| request::remove_from_vxlan(index, mac));
        let before = of_bridge.into_iter().chain(of_vxlan);
        Ok(before.chain([request::add_fdb(index, mac, vtep)]).collect())
    }

    /// From both tables that it may be in: asked for at once, the kernel gives up after the first that lacks it.
    fn remove_fdb(&self, dev: &Arc<str>, mac: MacAddr) -> Result<Vec<Request>, ApplyError> {
        let index = self.index(dev)?;
        let mut requests = vec![request::remove_from_bridge(index, mac)];
        if self
            .state
            .link(dev)
            .is_some_and(|link| link.vxlan().is_some())
        {
            requests.push(request::remove_from_vxlan(index, mac));
        }
        Ok(requests)
    }
}

/// What of an interface is set without making it anew.
fn corrections(found: &LinkFacts, link: &Link) -> Vec<Request> {
    let mac = link.mac.filter(|mac| found.mac != Some(*mac));
    let mac = mac.map(|mac| request::set_mac(found.index, mac));
    let mtu = link.mtu.filter(|mtu| found.mtu != *mtu);
    let mtu = mtu.map(|mtu| request::set_mtu(found.index, mtu));
    mac.into_iter()
        .chain(mtu)
        .chain([request::set_up(found.index)])
        .collect()
}

/// The change that makes an interface of that kind out of one like it, where the kernel allows that: of a VXLAN
/// device with the same VNI and port, where its tunnels begin and whether it learns.
fn change_in_place(found: &LinkFacts, kind: &LinkKind) -> Option<Request> {
    let LinkKind::Vxlan { vni, port, local } = kind else {
        return None;
    };
    let vxlan = found.vxlan()?;
    let same_family = vxlan.local.is_some_and(|l| l.is_ipv4() == local.is_ipv4());
    let like_it = vxlan.vni == *vni && vxlan.port == *port && same_family;
    (like_it && vxlan.plain).then(|| request::change_vxlan(found.index, *vni, *local))
}

/// What was on an interface that is gone is gone too.
fn gone_with_its_device(step: &Step, error: ApplyError) -> Result<(), ApplyError> {
    match (step, error) {
        (Step::Remove { .. }, ApplyError::NoDevice(_)) => Ok(()),
        (_, error) => Err(error),
    }
}

/// An object that is there already, or gone already, is as wished.
fn judge(step: &Step, reply: Result<(), Refusal>) -> Result<(), ApplyError> {
    let Err(Refusal { errno, text }) = reply else {
        return Ok(());
    };
    let benign = match step {
        Step::Add { key, .. } => errno == libc::EEXIST && !matches!(key, Key::Link { .. }),
        Step::Remove { .. } => {
            matches!(
                errno,
                libc::ENOENT | libc::ESRCH | libc::EADDRNOTAVAIL | libc::ENODEV | libc::ENXIO
            ) || is_no_port(step, errno)
        }
        // What was to go before the new one comes was in the other table.
        Step::Replace {
            key: Key::Fdb { .. },
            ..
        } => errno == libc::ENOENT,
        _ => false,
    };
    if benign {
        return Ok(());
    }
    Err(ApplyError::Refused {
        error: io::Error::from_raw_os_error(errno),
        text,
    })
}

/// A device that is a port of no bridge has no entry in a bridge's table.
fn is_no_port(step: &Step, errno: i32) -> bool {
    matches!(step.key(), Some(Key::Fdb { .. })) && errno == libc::EOPNOTSUPP
}
