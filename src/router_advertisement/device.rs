//! One device: its task, which gives the [`Advertiser`] what it takes and does what it says.

use std::io;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp::discovery::{Arrival, Link};
use tokio::sync::{oneshot, watch};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info, warn};

use super::AdvertisingSnapshot;
use super::advertisement::Advertisement;
use super::advertiser::{Advertiser, Counters, Output};
use super::links::Links;
use super::socket::RouterSocket;

/// A socket that could not be opened, or broke, is tried again after this.
const RETRY: Duration = Duration::from_secs(5);

/// The advertising on one device. Dropping it ends it in silence.
#[derive(Debug)]
pub(super) struct Device {
    name: Arc<str>,
    wanted: watch::Sender<Wanted>,
    state: watch::Receiver<State>,
    task: AbortOnDropHandle<()>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Said(Advertisement),
    /// The network is no more.
    Ceased,
}

/// What the task publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    link: Link,
    counters: Counters,
    last_invalid: Option<String>,
    /// One line for each router of the link that contradicts us.
    inconsistent: Vec<String>,
    /// Why there is no socket, though the link is ready.
    error: Option<String>,
}

impl Device {
    /// On the calling thread's runtime.
    pub(super) fn start(
        name: Arc<str>,
        advertisement: Advertisement,
        links: watch::Receiver<Links>,
    ) -> Self {
        let advertiser = Advertiser::new(advertisement.clone(), fastrand::u64(..));
        let (publisher, state) = watch::channel(State::of(&advertiser, None));
        let (sender, wanted) = watch::channel(Wanted::Said(advertisement.clone()));
        let task = Task {
            name: Arc::clone(&name),
            advertisement,
            advertiser,
            wanted,
            links,
            link: Link::Missing,
            socket: None,
            retry: None,
            error: None,
            reported: None,
            state: publisher,
        };
        Self {
            name,
            wanted: sender,
            state,
            task: AbortOnDropHandle::new(tokio::spawn(task.run())),
        }
    }

    /// This is to be said from now on.
    pub(super) fn set(&self, advertisement: Advertisement) {
        let wanted = Wanted::Said(advertisement);
        self.wanted.send_if_modified(|current| {
            let differs = *current != wanted;
            *current = wanted;
            differs
        });
    }

    /// Ends with a last message, after which the future ends.
    pub(super) fn cease(self) -> impl Future<Output = ()> + Send + use<> {
        let (ended, end) = oneshot::channel::<()>();
        self.wanted.send_replace(Wanted::Ceased);
        let (wanted, task) = (self.wanted, self.task.detach());
        // Whether or not somebody waits for it.
        tokio::spawn(async move {
            // It ends by itself, and it would as well if nobody could tell it anything more.
            let _ = task.await;
            drop((wanted, ended));
        });
        async move {
            let _ = end.await;
        }
    }

    pub(super) fn snapshot(&self) -> AdvertisingSnapshot {
        let state = self.state.borrow();
        let counters = state.counters;
        AdvertisingSnapshot {
            device: self.name.to_string(),
            state: state.words(),
            advertising: state.is_advertising(),
            advertisements_sent: counters.advertisements,
            solicitations_received: counters.solicitations,
            invalid: counters.invalid,
            last_invalid: state.last_invalid.clone(),
            inconsistent: state.inconsistent.clone(),
        }
    }
}

impl State {
    fn of(advertiser: &Advertiser, error: Option<String>) -> Self {
        Self {
            link: advertiser.link(),
            counters: advertiser.counters(),
            last_invalid: advertiser.last_invalid().map(|why| why.to_string()),
            inconsistent: advertiser
                .inconsistent()
                .iter()
                .map(|(router, what)| format!("{router}: {}", what.join("; ")))
                .collect(),
            error,
        }
    }

    fn is_advertising(&self) -> bool {
        self.error.is_none() && matches!(self.link, Link::Ready { .. })
    }

    fn words(&self) -> String {
        if let Some(error) = &self.error {
            return error.clone();
        }
        match self.link {
            Link::Missing => "waits for the device".to_owned(),
            Link::Down => "waits for the device to be up".to_owned(),
            Link::NoAddress { duplicate: false } => {
                "waits for the device's link-local address".to_owned()
            }
            Link::NoAddress { duplicate: true } => {
                "the device's link-local address is another node's too (duplicate address detection failed)"
                    .to_owned()
            }
            Link::Ready { local, .. } => format!("advertises {local} as router"),
        }
    }
}

struct Task {
    name: Arc<str>,
    advertisement: Advertisement,
    advertiser: Advertiser,
    wanted: watch::Receiver<Wanted>,
    links: watch::Receiver<Links>,
    link: Link,
    /// While the link is ready and the kernel lets us.
    socket: Option<RouterSocket>,
    retry: Option<Instant>,
    error: Option<String>,
    /// The last error that was logged since all was well.
    reported: Option<String>,
    state: watch::Sender<State>,
}

/// What the task wakes up for.
enum Wake {
    Links,
    Wanted,
    Received(io::Result<()>),
    Timeout,
    /// Nobody wants anything any more.
    End,
}

impl Task {
    async fn run(mut self) {
        self.follow_link();
        loop {
            let Some(deadline) = self.drain() else {
                return;
            };
            self.publish();
            match self.wait(deadline).await {
                Wake::Links => self.follow_link(),
                Wake::Wanted => self.follow_wanted(),
                Wake::Received(Ok(())) => {}
                Wake::Received(Err(error)) => self.lose_socket(&error),
                Wake::Timeout => {
                    if self.retry.is_some_and(|at| at <= Instant::now()) {
                        self.open_socket();
                    }
                    self.advertiser.handle_timeout(Instant::now());
                }
                Wake::End => return,
            }
        }
    }

    async fn wait(&mut self, deadline: Option<Instant>) -> Wake {
        let (name, advertiser) = (&self.name, &mut self.advertiser);
        let listening = advertiser.is_listening(Instant::now());
        let take_in = |arrival: &Arrival<'_>| {
            if let Err(invalid) = advertiser.handle_arrival(arrival, Instant::now()) {
                debug!(device = %name, source = %arrival.source, reason = %invalid, "router solicitation dropped");
            }
        };
        let deadline = [deadline, self.retry].into_iter().flatten().min();
        tokio::select! {
            changed = self.wanted.changed() => changed.map_or(Wake::End, |()| Wake::Wanted),
            changed = self.links.changed() => changed.map_or(Wake::End, |()| Wake::Links),
            received = receive(self.socket.as_mut(), take_in), if listening => Wake::Received(received),
            () = sleep_until(deadline) => Wake::Timeout,
        }
    }

    fn follow_wanted(&mut self) {
        let wanted = self.wanted.borrow_and_update().clone();
        match wanted {
            Wanted::Said(advertisement) => {
                let moved = advertisement.source != self.advertisement.source;
                self.advertisement = advertisement.clone();
                if moved {
                    self.follow_link();
                }
                self.advertiser
                    .set_advertisement(advertisement, Instant::now());
            }
            Wanted::Ceased => self.advertiser.cease(Instant::now()),
        }
    }

    fn follow_link(&mut self) {
        let (link, mtu) = self.found();
        if link != self.link {
            self.link = link;
            self.open_socket();
        } else if self.error.is_none() {
            self.advertiser.set_link(link, mtu, Instant::now());
        }
    }

    /// The device as the kernel tells of it.
    fn found(&mut self) -> (Link, Option<u32>) {
        let links = self.links.borrow_and_update();
        let link = match self.advertisement.source {
            Some(source) => links.link_with(&self.name, source),
            None => links.link(&self.name),
        };
        (link, links.mtu(&self.name))
    }

    /// The socket belongs to the device's number and our address: other ones need another.
    fn open_socket(&mut self) {
        (self.socket, self.retry, self.error) = (None, None, None);
        if let Link::Ready { index, local, .. } = self.link {
            match RouterSocket::open(&self.name, index, local) {
                Ok(socket) => {
                    info!(device = %self.name, source = %local, "hosts are told of their router");
                    self.socket = Some(socket);
                    self.reported = None;
                }
                Err(error) => return self.lose_socket(&error),
            }
        }
        let (_, mtu) = self.found();
        self.advertiser.set_link(self.link, mtu, Instant::now());
    }

    fn lose_socket(&mut self, error: &io::Error) {
        let now = Instant::now();
        self.socket = None;
        self.retry = Some(now + RETRY);
        self.advertiser.set_link(Link::Down, None, now);
        let need = match error.kind() {
            io::ErrorKind::PermissionDenied => ": it needs CAP_NET_RAW",
            _ => "",
        };
        let error = format!("no socket for router advertisements: {error}{need}");
        if self.reported.as_ref() != Some(&error) {
            warn!(device = %self.name, %error, "hosts are not told of their router; tried again every 5 s");
            self.reported = Some(error.clone());
        }
        self.error = Some(error);
    }

    /// Does what is to be done; `None` when that was the last.
    fn drain(&mut self) -> Option<Option<Instant>> {
        loop {
            match self.advertiser.poll_output() {
                Output::Send { to, octets } => {
                    let sent = self.socket.as_ref().map(|socket| socket.send(to, &octets));
                    match sent {
                        Some(Ok(())) => self.advertiser.handle_sent(),
                        // The device may be going; the next interval tries again.
                        Some(Err(error)) => {
                            debug!(device = %self.name, %error, "router advertisement not sent");
                        }
                        None => {}
                    }
                }
                Output::Inconsistent {
                    router,
                    contradictions,
                } => self.report_router(router, &contradictions),
                Output::Ceased => return None,
                Output::Timeout(deadline) => return Some(deadline),
            }
        }
    }

    /// RFC 4861 §6.2.7: one of the two routers is set wrongly.
    fn report_router(&self, router: Ipv6Addr, contradictions: &[String]) {
        let device = &self.name;
        if contradictions.is_empty() {
            info!(%device, %router, "the other router of the link says what we say again");
        } else {
            let what = contradictions.join("; ");
            warn!(%device, %router, "another router of the link says otherwise than we do: {what}");
        }
    }

    fn publish(&self) {
        let state = State::of(&self.advertiser, self.error.clone());
        self.state.send_if_modified(|published| {
            let changed = *published != state;
            *published = state;
            changed
        });
    }
}

/// Waits for ever without a socket.
async fn receive(
    socket: Option<&mut RouterSocket>,
    take_in: impl FnOnce(&Arrival<'_>),
) -> io::Result<()> {
    match socket {
        Some(socket) => socket.receive(take_in).await,
        None => std::future::pending().await,
    }
}

/// Waits for ever without a deadline.
async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
