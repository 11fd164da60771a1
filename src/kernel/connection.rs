//! Connections of rtnetlink's: changes in bounded batches, dumps, and what the kernel announces.
//! Each kind has a socket of its own.
//!
//! A connection is not spawned: whoever waits for something from it drives it meanwhile
//! ([`drive`]). So nothing is read that nobody waits for, the kernel's bounded buffer is where
//! announcements queue, and a connection goes when its owner goes.
//!
//! Three things rtnetlink's requests cannot do, so that the messages are ours (`request`, `dump`),
//! made with its builders where it has free-standing ones, and sent over its connections:
//!
//! * its `Handle` sends one request at a time; `netlink_proto`'s below it sends batches, in half the
//!   time (10,000 routes in 38–45 ms against 61–88);
//! * its `Error` for a dump says neither that a change interrupted it (`NLM_F_DUMP_INTR`) nor that it
//!   failed at its end (`NLMSG_DONE` with an error);
//! * its builders for rules and neighbours exist only within a request that is sent alone, and
//!   know neither `FRA_PROTOCOL` nor `NDA_PROTOCOL`.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use futures_channel::mpsc::UnboundedReceiver;
use futures_util::{FutureExt, StreamExt};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_proto::{Connection, ConnectionHandle};
use netlink_sys::{AsyncSocket, SocketAddr, protocols::NETLINK_ROUTE};
use rtnetlink::{Handle, MulticastGroup};
use tokio::time::timeout;

use super::KernelError;
use super::socket::{Interest, Socket};

/// The most requests in flight: each is acknowledged, and acknowledgements beyond the receive
/// buffer would be dropped by the kernel without a word.
pub(crate) const BATCH: usize = 128;

/// How long the kernel may take for one batch, or one part of a dump.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What we want to hear of.
const GROUPS: [MulticastGroup; 8] = [
    MulticastGroup::Link,
    MulticastGroup::Neigh,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv4Rule,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv6Route,
    MulticastGroup::Ipv6Rule,
];

const NETLINK_HEADER: usize = 16;
/// netlink.h: a dump was interrupted by a change, and may be inconsistent.
pub(super) const NLM_F_DUMP_INTR: u16 = 0x10;
/// netlink.h: attributes follow the header in an acknowledgement.
const NLM_F_ACK_TLVS: u16 = 0x200;
/// netlink.h: the text in an acknowledgement.
const NLMSGERR_ATTR_MSG: u16 = 1;

type Message = NetlinkMessage<RouteNetlinkMessage>;

/// A request that changes something.
pub(crate) struct Request {
    pub(crate) message: RouteNetlinkMessage,
    /// `NLM_F_CREATE` and its like; request and acknowledge are implied.
    pub(crate) flags: u16,
}

/// The kernel refused a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// A positive errno.
    pub(crate) errno: i32,
    /// What the kernel says about it, if it says anything (extended acknowledgement).
    pub(crate) text: Option<String>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let error = std::io::Error::from_raw_os_error(self.errno);
        match &self.text {
            Some(text) => write!(f, "{error} ({text})"),
            None => error.fmt(f),
        }
    }
}

/// Asks the kernel for changes, one batch at a time.
pub(crate) struct Changes {
    /// In its place only while it owes no answers: after a failure, or a wait that was given up,
    /// the next batch opens another.
    batches: Option<Batches>,
}

impl Changes {
    pub(crate) fn open() -> Result<Self, KernelError> {
        Ok(Self {
            batches: Some(Batches::open()?),
        })
    }

    /// Under which what is changed here is announced, until a failure makes it another.
    pub(crate) fn port(&self) -> Option<u32> {
        self.batches.as_ref().map(|batches| batches.port)
    }

    /// Sends changes, in order; answers in the same order.
    pub(crate) async fn request(
        &mut self,
        requests: Vec<Request>,
    ) -> Result<Vec<Result<(), Refusal>>, KernelError> {
        let mut answers = Vec::with_capacity(requests.len());
        let mut requests = requests.into_iter().map(Request::into_message).peekable();
        while requests.peek().is_some() {
            let batch: Vec<Message> = requests.by_ref().take(BATCH).collect();
            let mut batches = match self.batches.take() {
                Some(batches) => batches,
                None => Batches::open()?,
            };
            answers.extend(batches.send(batch).await?);
            self.batches = Some(batches);
        }
        Ok(answers)
    }
}

impl Request {
    fn into_message(self) -> Message {
        let mut message = Message::from(self.message);
        message.header.flags = NLM_F_REQUEST | NLM_F_ACK | self.flags;
        message
    }
}

struct Batches {
    connection: Connection<RouteNetlinkMessage, Socket>,
    handle: ConnectionHandle<RouteNetlinkMessage>,
    port: u32,
}

impl Batches {
    fn open() -> Result<Self, KernelError> {
        let opened = netlink_proto::new_connection_with_socket::<_, Socket>(NETLINK_ROUTE);
        let (mut connection, handle, _) = opened.map_err(KernelError::Open)?;
        connection.set_forward_ack(true);
        let socket = connection.socket_mut().socket_mut();
        let bound = socket.bind_auto().map_err(KernelError::Open)?;
        Ok(Self {
            connection,
            handle,
            port: bound.port_number(),
        })
    }

    /// The kernel takes the requests of a datagram in order, and answers each once.
    async fn send(&mut self, batch: Vec<Message>) -> Result<Vec<Result<(), Refusal>>, KernelError> {
        let count = batch.len();
        let kernel = SocketAddr::new(0, 0);
        let replies = self.handle.request_batch(batch, kernel);
        let replies = replies.map_err(|_| KernelError::Closed)?;
        let answers = replies.filter_map(async |reply| match reply.payload {
            NetlinkPayload::Error(error) => {
                Some(answer(&reply.header, error.raw_code(), &error.header))
            }
            _ => None,
        });
        let answers: Vec<_> = drive(&mut self.connection, answers.collect()).await?;
        if answers.len() != count {
            return Err(KernelError::Closed);
        }
        Ok(answers)
    }
}

/// Reads what there is. For one reading: what is left of it when it is dropped goes with it.
pub(crate) struct Reader {
    connection: Connection<RouteNetlinkMessage, Socket>,
    handle: Handle,
}

impl Reader {
    pub(crate) fn open() -> Result<Self, KernelError> {
        let opened = rtnetlink::new_connection_with_socket();
        let (mut connection, handle, _) = opened.map_err(KernelError::Open)?;
        connection.set_forward_done(true);
        Ok(Self { connection, handle })
    }

    /// Everything that `message` asks for. `visit` sees each object.
    pub(crate) async fn dump(
        &mut self,
        message: RouteNetlinkMessage,
        mut visit: impl FnMut(RouteNetlinkMessage),
    ) -> Result<Result<(), Refusal>, KernelError> {
        let mut request = Message::from(message);
        request.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let replies = self.handle.request(request);
        let mut replies = replies.map_err(|_| KernelError::Closed)?.ready_chunks(256);
        let (mut interrupted, mut outcome) = (false, Ok(()));
        while let Some(chunk) = drive(&mut self.connection, replies.next()).await? {
            for reply in chunk {
                let header = reply.header;
                interrupted |= header.flags & NLM_F_DUMP_INTR != 0;
                outcome = match reply.payload {
                    NetlinkPayload::InnerMessage(object) => {
                        visit(object);
                        continue;
                    }
                    NetlinkPayload::Error(error) => {
                        answer(&header, error.raw_code(), &error.header)
                    }
                    NetlinkPayload::Done(_) if interrupted => answer(&header, -libc::EINTR, &[]),
                    NetlinkPayload::Done(done) => answer(&header, done.code, &[]),
                    _ => continue,
                };
            }
        }
        Ok(outcome)
    }

    /// The interface with this name, `None` when there is none.
    pub(super) async fn link(&mut self, name: &str) -> Result<Option<LinkMessage>, KernelError> {
        let mut found = pin!(self.handle.link().get().match_name(name).execute());
        let first = drive(&mut self.connection, found.next()).await?;
        Ok(first.and_then(Result::ok))
    }
}

/// What the kernel announces from now on.
pub(crate) struct Announcements {
    connection: Connection<RouteNetlinkMessage, Socket>,
    messages: UnboundedReceiver<(Message, SocketAddr)>,
}

impl Announcements {
    pub(crate) fn open(interest: Interest) -> Result<Self, KernelError> {
        Self::of(&GROUPS, interest)
    }

    /// Of these groups only.
    pub(crate) fn of(groups: &[MulticastGroup], interest: Interest) -> Result<Self, KernelError> {
        let opened = rtnetlink::new_multicast_connection_with_socket::<Socket>(groups);
        let (mut connection, _, messages) = opened.map_err(KernelError::Open)?;
        connection.socket_mut().listen_for(interest);
        Ok(Self {
            connection,
            messages,
        })
    }

    /// Waits for announcements and hands over all that have come. False when the kernel had to
    /// drop some: what is known is then out of date. May be dropped while it waits.
    pub(crate) async fn receive(
        &mut self,
        mut visit: impl FnMut(RouteNetlinkMessage),
    ) -> Result<bool, KernelError> {
        let messages = &mut self.messages;
        let mut next = work(&mut self.connection, messages.next()).await?;
        let mut complete = true;
        while let Some((message, _)) = next {
            match message.payload {
                NetlinkPayload::InnerMessage(object) => visit(object),
                NetlinkPayload::Overrun(_) => complete = false,
                _ => {}
            }
            next = messages.next().now_or_never().flatten();
        }
        Ok(complete)
    }
}

/// Waits for what the connection brings, for as long as the kernel may take.
async fn drive<F: Future>(
    connection: &mut Connection<RouteNetlinkMessage, Socket>,
    result: F,
) -> Result<F::Output, KernelError> {
    let driven = timeout(PATIENCE, work(connection, result)).await;
    driven.map_err(|_| KernelError::Timeout)?
}

/// Lets the connection work until the result is there.
async fn work<F: Future>(
    connection: &mut Connection<RouteNetlinkMessage, Socket>,
    result: F,
) -> Result<F::Output, KernelError> {
    let mut result = pin!(result);
    std::future::poll_fn(|cx| {
        if Pin::new(&mut *connection).poll(cx).is_ready() {
            return Poll::Ready(Err(KernelError::Closed));
        }
        result.as_mut().poll(cx).map(Ok)
    })
    .await
}

/// What an acknowledgement says: `body` is what follows its code.
pub(super) fn answer(header: &NetlinkHeader, code: i32, body: &[u8]) -> Result<(), Refusal> {
    if code == 0 {
        return Ok(());
    }
    let text = (header.flags & NLM_F_ACK_TLVS != 0)
        .then(|| extended_text(body.get(NETLINK_HEADER..)?))
        .flatten();
    Err(Refusal {
        errno: code.saturating_abs(),
        text,
    })
}

/// NLMSGERR_ATTR_MSG among the attributes of an extended acknowledgement.
fn extended_text(mut attributes: &[u8]) -> Option<String> {
    loop {
        let length = usize::from(u16::from_ne_bytes(attributes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(attributes.get(2..4)?.try_into().ok()?);
        let value = attributes.get(4..length)?;
        if kind == NLMSGERR_ATTR_MSG {
            let text = value.strip_suffix(&[0]).unwrap_or(value);
            return Some(String::from_utf8_lossy(text).into_owned());
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {

    use super::super::message::RouteId;
    use super::super::request;
    use super::*;
    use crate::kernel::isolated::isolated;

    #[test]
    fn the_kernels_text_is_found_among_attributes() {
        // attribute 2 (offset), then attribute 1 (text)
        let mut bytes = vec![8, 0, 2, 0, 1, 2, 3, 4];
        bytes.extend([10, 0, 1, 0]);
        bytes.extend(b"oops!\0");
        assert_eq!(extended_text(&bytes).as_deref(), Some("oops!"));
        for cut in 0..bytes.len() {
            let _ = extended_text(bytes.get(..cut).unwrap());
        }
    }

    /// The kernel drops announcements that do not fit the buffer, and says so once.
    #[test]
    fn announcements_that_were_lost_are_noticed() {
        isolated(lose_announcements);
    }

    async fn lose_announcements() {
        const LOOPBACK: u32 = 1;
        let mut changes = Changes::open().unwrap();
        let up = changes.request(vec![request::set_up(LOOPBACK)]).await;
        assert_eq!(up.unwrap(), [Ok(())]);

        let interest = Interest::in_tables([189].into_iter());
        let mut announcements = Announcements::open(interest).unwrap();
        let socket = announcements.connection.socket_mut().socket_mut();
        socket.set_rx_buf_sz(4096).unwrap();
        let routes: Vec<Request> = (0..200u32)
            .filter_map(|n| {
                let prefix = std::net::Ipv4Addr::from(0x0a00_0000 + n);
                let prefix = ipnet::IpNet::from(std::net::IpAddr::from(prefix));
                request::add_route(&RouteId::plain(189, prefix), LOOPBACK, &[])
            })
            .collect();
        let count = routes.len();
        let answers = changes.request(routes).await.unwrap();
        assert_eq!(answers, vec![Ok(()); count], "answers have another socket");

        let mut heard = 0;
        while announcements.receive(|_| heard += 1).await.unwrap() {}
        assert!(heard < count);
    }
}
