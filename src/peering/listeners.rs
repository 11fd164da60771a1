//! Where peers can connect to: the listening sockets, and the TCP-MD5 keys on them.
//!
//! A listening socket checks signatures by the caller's address, so it must know every neighbour's key, also those of
//! neighbours that are discovered, reconfigured or removed while it listens. [`Keys`] holds what each neighbour wants, and
//! only what changes is asked of the kernel: other neighbours' keys are not touched.

mod keys;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp::PeerId;
use ipnet::IpNet;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use keys::{Keys, Owner, Want};

use super::connection::words;
use super::driver::SocketEvent;
use super::settings::Password;
use super::{socket, sockopt};

/// An address that cannot be listened on is tried again so often: another speaker may have been stopped,
/// or the address may have come.
const RETRY: Duration = Duration::from_secs(5);

/// All addresses that are listened on.
#[derive(Debug)]
pub(super) struct Listeners {
    listeners: Vec<Listener>,
    keys: Keys,
    events: mpsc::Sender<SocketEvent>,
}

#[derive(Debug)]
struct Listener {
    address: SocketAddr,
    state: State,
}

#[derive(Debug)]
enum State {
    Open {
        socket: Arc<TcpListener>,
        _accepting: AbortOnDropHandle<()>,
    },
    Failed {
        why: String,
        retry: Instant,
    },
}

impl Listeners {
    /// Nothing is opened before the first [`Self::retry`], so that the keys come first.
    pub(super) fn new(
        addresses: &[SocketAddr],
        events: mpsc::Sender<SocketEvent>,
        now: Instant,
    ) -> Self {
        let closed = |address: &SocketAddr| Listener {
            address: *address,
            state: State::Failed {
                why: String::new(),
                retry: now,
            },
        };
        Self {
            listeners: addresses.iter().map(closed).collect(),
            keys: Keys::default(),
            events,
        }
    }

    /// Opens what is due.
    pub(super) fn retry(&mut self, now: Instant) {
        for listener in &mut self.listeners {
            let State::Failed { why, retry } = &listener.state else {
                continue;
            };
            if *retry > now {
                continue;
            }
            let address = listener.address;
            listener.state = match open(address, &self.keys) {
                Ok(socket) => {
                    if !why.is_empty() {
                        info!(%address, "listening now");
                    }
                    let socket = Arc::new(socket);
                    let task = accept(Arc::clone(&socket), self.events.clone());
                    State::Open {
                        socket,
                        _accepting: AbortOnDropHandle::new(tokio::spawn(task)),
                    }
                }
                Err(error) => {
                    let error = words(&error);
                    if *why != error {
                        warn!(%address, %error, "cannot listen: peers cannot connect to this address, sessions are still opened from here");
                    }
                    State::Failed {
                        why: error,
                        retry: now + RETRY,
                    }
                }
            };
        }
    }

    /// When to call [`Self::retry`] again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let failed = self
            .listeners
            .iter()
            .filter_map(|listener| match &listener.state {
                State::Failed { retry, .. } => Some(*retry),
                State::Open { .. } => None,
            });
        failed.min()
    }

    /// `peer` connects from `remote`, signing with `password` if there is one; `None`: from nowhere.
    pub(super) fn set_key(
        &mut self,
        peer: PeerId,
        remote: Option<IpNet>,
        password: Option<&Password>,
    ) {
        self.set_want(peer.into(), remote, password);
    }

    /// Whoever connects from `remote` signs with `password`, if there is one.
    pub(super) fn set_range_key(
        &mut self,
        position: usize,
        remote: Option<IpNet>,
        password: Option<&Password>,
    ) {
        self.set_want(Owner::Range(position), remote, password);
    }

    fn set_want(&mut self, owner: Owner, remote: Option<IpNet>, password: Option<&Password>) {
        let want = remote.map(|remote| Want {
            remote,
            password: password.cloned(),
        });
        let changed = self.keys.set(owner, want);
        for remote in changed {
            let key = self.keys.key(remote).cloned();
            self.apply(remote, key.as_ref());
            if self.keys.is_contested(remote) {
                warn!(%remote, "neighbours with one address but different passwords: the kernel keeps one per address, so the others can only be connected to from here");
            }
        }
    }

    /// `peer` signs with another password, from where it connects now.
    pub(super) fn set_password(&mut self, peer: PeerId, password: Option<&Password>) {
        self.set_key(peer, self.keys.remote(peer), password);
    }

    /// What an operator should know of.
    pub(super) fn errors(&self) -> Vec<String> {
        let failed = self
            .listeners
            .iter()
            .filter_map(|listener| match &listener.state {
                State::Failed { why, .. } => Some(format!("{}: {why}", listener.address)),
                State::Open { .. } => None,
            });
        failed.collect()
    }

    fn apply(&self, remote: IpNet, key: Option<&Password>) {
        for listener in &self.listeners {
            let State::Open { socket, .. } = &listener.state else {
                continue;
            };
            if is_of_family(listener.address, remote)
                && let Err(error) = sockopt::set_md5(socket.as_fd(), remote, key)
            {
                let error = words(&error);
                warn!(%remote, %error, "the password is not on the listening socket: the neighbour cannot connect to us");
            }
        }
    }
}

fn open(address: SocketAddr, keys: &Keys) -> io::Result<TcpListener> {
    let socket = socket::bind_listener(address)?;
    for (remote, key) in keys
        .iter()
        .filter(|(remote, _)| is_of_family(address, *remote))
    {
        sockopt::set_md5(socket.as_fd(), remote, Some(key))?;
    }
    socket::listen(socket)
}

fn is_of_family(address: SocketAddr, remote: IpNet) -> bool {
    address.is_ipv4() == matches!(remote.addr(), IpAddr::V4(_))
}

async fn accept(listener: Arc<TcpListener>, events: mpsc::Sender<SocketEvent>) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                let accepted = SocketEvent::Accepted(stream, remote);
                if events.send(accepted).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                // Out of descriptors, or the peer has gone: neither ends by asking again at once.
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
