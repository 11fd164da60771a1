//! Taking steps: requests in batches where the kernel allows, one by one where later steps need
//! the outcome.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use netlink_packet_route::RouteNetlinkMessage;

use super::connection::{Reader, Refusal, Request};
use super::message::RouteId;
use super::rt_tables::{self, RtTablesError};
use super::state::Touched;
use super::{Kernel, KernelError, request, sysctl};
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
    Request(Request),
    /// Later steps depend on it: it is taken, and its outcome looked at, before they are.
    Link(Vec<Request>, Arc<str>),
    Sysctl(Arc<str>, Arc<str>),
    TableName(Arc<str>, u32),
}

impl Kernel {
    /// Takes steps in order; a failed one does not keep the later ones from being tried. One
    /// answer per step. Adding what exists as wished and removing what is gone succeed.
    pub async fn apply(&mut self, steps: &[Step]) -> Vec<Result<(), ApplyError>> {
        self.as_said &= steps.is_empty();
        let mut answers: Vec<Result<(), ApplyError>> = Vec::with_capacity(steps.len());
        let mut pending: Vec<(&Step, Request)> = Vec::new();
        for step in steps {
            match self.action(step) {
                Ok(Action::Request(request)) => pending.push((step, request)),
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
        pending: &mut Vec<(&Step, Request)>,
        answers: &mut Vec<Result<(), ApplyError>>,
    ) {
        let (steps, requests): (Vec<&Step>, Vec<Request>) = pending.drain(..).unzip();
        self.writes_total += requests.len() as u64;
        match self.changes.request(requests).await {
            Ok(replies) => {
                for (step, reply) in steps.iter().zip(replies) {
                    let mut answer = judge(step, reply);
                    if matches!(answer, Err(ApplyError::Refused { .. }))
                        && let Some(request) = self.second_try(step)
                    {
                        answer = self.change(step, request).await;
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
        let via = route.via.first().copied().filter(IpAddr::is_ipv6)?;
        let index = self.index(&route.dev).ok()?;
        request::add_route_by_its_table(&RouteId::of(key)?, index, Some(via))
    }

    async fn act(&mut self, step: &Step, action: Action) -> Result<(), ApplyError> {
        match action {
            Action::Request(request) => self.change(step, request).await,
            Action::Link(requests, name) => {
                for request in requests {
                    self.change(step, request).await?;
                }
                self.learn_link(&name).await
            }
            Action::Sysctl(path, value) => {
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
            Step::Remove { key, value } => self.remove(key, value).map(Action::Request),
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
                return Ok(Action::Link(vec![enslave], Arc::clone(dev)));
            }
            (Key::Address { dev, address }, _) => request::add_address(self.index(dev)?, address),
            (Key::Route { .. }, Value::Route(route)) => {
                let id = RouteId::of(key).ok_or(ApplyError::NotOurs)?;
                let request =
                    request::add_route(&id, self.index(&route.dev)?, route.via.first().copied());
                request.ok_or(ApplyError::NotOurs)?
            }
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
        Ok(Action::Request(request))
    }

    /// Sets an interface up, creates one, or deletes one and creates another in its place.
    fn put_link(&self, name: &Arc<str>, link: &Link, exists: bool) -> Result<Action, ApplyError> {
        let Some(create) = self.creation(name, &link.kind)? else {
            let up = vec![request::set_up(self.index(name)?)];
            return Ok(Action::Link(up, Arc::clone(name)));
        };
        let found = self.state.link(name).filter(|_| exists);
        let requests = match found {
            Some(found) if self.state.kind(found) == link.kind => {
                vec![request::set_up(found.index)]
            }
            _ => {
                let mut requests = vec![create, request::mark_and_set_up(name)];
                let before = found.map(|found| request::remove_link(found.index));
                requests.splice(..0, before);
                requests
            }
        };
        Ok(Action::Link(requests, Arc::clone(name)))
    }

    /// `None` for what is not ours to create.
    fn creation(&self, name: &str, kind: &LinkKind) -> Result<Option<Request>, ApplyError> {
        Ok(match kind {
            LinkKind::Foreign => None,
            LinkKind::Vlan { parent, id } => {
                Some(request::add_vlan(name, self.index(parent)?, *id))
            }
            LinkKind::Vrf { table } => Some(request::add_vrf(name, *table)),
            LinkKind::Dummy => Some(request::add_dummy(name)),
            LinkKind::Bridge | LinkKind::Vxlan { .. } | LinkKind::Veth { .. } => {
                return Err(ApplyError::NotOurs);
            }
        })
    }

    fn remove(&self, key: &Key, value: &Value) -> Result<Request, ApplyError> {
        Ok(match key {
            Key::Link { name } => request::remove_link(self.index(name)?),
            Key::Master { dev } => request::set_master(self.index(dev)?, None),
            Key::Address { dev, address } => request::remove_address(self.index(dev)?, address),
            Key::Route { .. } | Key::StrayRoute { .. } => {
                let id = RouteId::of(key).ok_or(ApplyError::NotOurs)?;
                let hop = match value {
                    Value::Route(route) => {
                        Some((self.index(&route.dev)?, route.via.first().copied()))
                    }
                    _ => None,
                };
                let request = request::remove_route(&id, hop, self.state.route_protocol(&id));
                request.ok_or(ApplyError::NotOurs)?
            }
            Key::Neighbour { dev, address } => {
                request::remove_neighbour(self.index(dev)?, *address)
            }
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
        })
    }
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
        Step::Remove { .. } => matches!(
            errno,
            libc::ENOENT | libc::ESRCH | libc::EADDRNOTAVAIL | libc::ENODEV | libc::ENXIO
        ),
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
