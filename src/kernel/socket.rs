//! Netlink sockets: requests in bounded batches, dumps, and the stream of notifications.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket, protocols::NETLINK_ROUTE};
use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};

use super::KernelError;

/// The most requests in flight: each is acknowledged, and acknowledgements beyond the receive
/// buffer would be dropped by the kernel without a word.
pub(super) const BATCH: usize = 128;

/// How long the kernel may take for one batch, or one part of a dump.
const PATIENCE: Duration = Duration::from_secs(5);

/// Receive buffer of the notifications: a bridge that comes back re-announces everything.
const NOTIFICATION_BUFFER: usize = 16 << 20;
const REQUEST_BUFFER: usize = 4 << 20;

/// One datagram: the kernel fills dumps to at most 32 KiB.
const DATAGRAM: usize = 64 << 10;

const NETLINK_HEADER: usize = 16;
/// netlink.h: a dump was interrupted by a change, and may be inconsistent.
const NLM_F_DUMP_INTR: u16 = 0x10;
/// netlink.h: attributes follow the header in an acknowledgement.
const NLM_F_ACK_TLVS: u16 = 0x200;
/// netlink.h: the text in an acknowledgement.
const NLMSGERR_ATTR_MSG: u16 = 1;

/// A request that changes something.
pub(super) struct Request {
    pub(super) message: RouteNetlinkMessage,
    /// `NLM_F_CREATE` and its like; request and acknowledge are implied.
    pub(super) flags: u16,
}

/// The kernel refused a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// A positive errno.
    pub(super) errno: i32,
    /// What the kernel says about it, if it says anything (extended acknowledgement).
    pub(super) text: Option<String>,
}

/// Asks the kernel, one thing at a time.
pub(super) struct Requests {
    socket: TokioSocket,
    sequence: u32,
    buffer: BytesMut,
    /// Answers may still come that nobody waits for: a request was abandoned.
    unclean: bool,
}

impl Requests {
    pub(super) fn open() -> Result<Self, KernelError> {
        Ok(Self {
            socket: open(REQUEST_BUFFER)?,
            sequence: 0,
            buffer: BytesMut::new(),
            unclean: false,
        })
    }

    /// Sends changes, in order; answers in the same order.
    pub(super) async fn change(
        &mut self,
        requests: Vec<Request>,
    ) -> Result<Vec<Result<(), Refusal>>, KernelError> {
        let mut answers = Vec::with_capacity(requests.len());
        let mut requests = requests.into_iter().peekable();
        while requests.peek().is_some() {
            let batch: Vec<Request> = requests.by_ref().take(BATCH).collect();
            answers.extend(self.change_batch(batch).await?);
        }
        Ok(answers)
    }

    async fn change_batch(
        &mut self,
        batch: Vec<Request>,
    ) -> Result<Vec<Result<(), Refusal>>, KernelError> {
        self.begin()?;
        let count = batch.len();
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::with_capacity(count * 96);
        for request in batch {
            let flags = NLM_F_REQUEST | NLM_F_ACK | request.flags;
            self.put(&mut bytes, request.message, flags);
        }
        self.send(&bytes).await?;
        let mut answers: Vec<Option<Result<(), Refusal>>> = vec![None; count];
        let mut missing = count;
        while missing > 0 {
            let (header, payload) = self.receive().await?;
            let at = header.sequence_number.wrapping_sub(first) as usize;
            let Some(slot) = answers.get_mut(at) else {
                continue;
            };
            if let NetlinkPayload::Error(error) = payload
                && slot.is_none()
            {
                *slot = Some(answer(&header, error.raw_code(), &error.header));
                missing -= 1;
            }
        }
        self.unclean = false;
        Ok(answers.into_iter().flatten().collect())
    }

    /// Everything that `message` asks for. `visit` sees each object.
    pub(super) async fn dump(
        &mut self,
        message: &RouteNetlinkMessage,
        mut visit: impl FnMut(RouteNetlinkMessage),
    ) -> Result<Result<(), Refusal>, KernelError> {
        self.begin()?;
        let mut bytes = Vec::with_capacity(64);
        self.put(&mut bytes, message.clone(), NLM_F_REQUEST | NLM_F_DUMP);
        let sequence = self.sequence;
        self.send(&bytes).await?;
        let mut interrupted = false;
        loop {
            let (header, payload) = self.receive().await?;
            if header.sequence_number != sequence {
                continue;
            }
            interrupted |= header.flags & NLM_F_DUMP_INTR != 0;
            match payload {
                NetlinkPayload::InnerMessage(object) => visit(object),
                NetlinkPayload::Error(error) => {
                    self.unclean = false;
                    return Ok(answer(&header, error.raw_code(), &error.header));
                }
                NetlinkPayload::Done(done) => {
                    self.unclean = false;
                    let code = if interrupted { -libc::EINTR } else { done.code };
                    return Ok(answer(&header, code, &[]));
                }
                _ => {}
            }
        }
    }

    /// The one object that `message` asks for, `None` when the kernel has none.
    pub(super) async fn get(
        &mut self,
        message: RouteNetlinkMessage,
    ) -> Result<Option<RouteNetlinkMessage>, KernelError> {
        self.begin()?;
        let mut bytes = Vec::with_capacity(64);
        self.put(&mut bytes, message, NLM_F_REQUEST | NLM_F_ACK);
        let sequence = self.sequence;
        self.send(&bytes).await?;
        let mut object = None;
        loop {
            let (header, payload) = self.receive().await?;
            match payload {
                _ if header.sequence_number != sequence => {}
                NetlinkPayload::InnerMessage(found) => object = Some(found),
                NetlinkPayload::Error(_) => {
                    self.unclean = false;
                    return Ok(object);
                }
                _ => {}
            }
        }
    }

    /// A socket with a request that was given up still owes answers, perhaps a whole dump.
    fn begin(&mut self) -> Result<(), KernelError> {
        if self.unclean {
            self.socket = open(REQUEST_BUFFER)?;
            self.buffer.clear();
        }
        self.unclean = true;
        Ok(())
    }

    fn put(&mut self, bytes: &mut Vec<u8>, message: RouteNetlinkMessage, flags: u16) {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let start = bytes.len();
        // NLMSG_ALIGN: the next message starts at a multiple of four.
        bytes.resize(start + message.buffer_len().next_multiple_of(4), 0);
        if let Some(room) = bytes.get_mut(start..) {
            message.serialize(room);
        }
    }

    async fn send(&self, bytes: &[u8]) -> Result<(), KernelError> {
        let kernel = SocketAddr::new(0, 0);
        self.socket
            .send_to(bytes, &kernel)
            .await
            .map_err(KernelError::Socket)?;
        Ok(())
    }

    async fn receive(
        &mut self,
    ) -> Result<(NetlinkHeader, NetlinkPayload<RouteNetlinkMessage>), KernelError> {
        loop {
            if let Some(raw) = take_message(&mut self.buffer) {
                match decode(&raw) {
                    Some(message) => return Ok(message),
                    None => continue,
                }
            }
            self.buffer.clear();
            self.buffer.reserve(DATAGRAM);
            tokio::time::timeout(PATIENCE, self.socket.recv(&mut self.buffer))
                .await
                .map_err(|_| KernelError::Timeout)?
                .map_err(KernelError::Socket)?;
        }
    }
}

/// What the kernel announces.
pub(super) struct Notifications {
    socket: TokioSocket,
    buffer: BytesMut,
}

impl Notifications {
    pub(super) fn open(groups: &[u32]) -> Result<Self, KernelError> {
        let socket = open(NOTIFICATION_BUFFER)?;
        for group in groups {
            let joined = socket.socket_ref().add_membership(*group);
            joined.map_err(KernelError::Open)?;
        }
        Ok(Self {
            socket,
            buffer: BytesMut::new(),
        })
    }

    /// Waits for the next datagram and hands over its messages, undecoded, header included.
    /// False when the kernel had to drop some: what is known is then out of date.
    pub(super) async fn receive(&mut self, visit: impl FnMut(&[u8])) -> Result<bool, KernelError> {
        self.buffer.clear();
        self.buffer.reserve(DATAGRAM);
        let received = self.socket.recv(&mut self.buffer).await;
        self.hand_over(received, visit)
    }

    /// The same without waiting; `None` when there is nothing.
    pub(super) fn receive_now(
        &mut self,
        visit: impl FnMut(&[u8]),
    ) -> Result<Option<bool>, KernelError> {
        self.buffer.clear();
        self.buffer.reserve(DATAGRAM);
        match self.socket.socket_ref().recv(&mut self.buffer, 0) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            received => self.hand_over(received.map(|_| ()), visit).map(Some),
        }
    }

    fn hand_over(
        &mut self,
        received: io::Result<()>,
        mut visit: impl FnMut(&[u8]),
    ) -> Result<bool, KernelError> {
        match received {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => return Ok(false),
            Err(error) => return Err(KernelError::Socket(error)),
        }
        while let Some(raw) = take_message(&mut self.buffer) {
            visit(&raw);
        }
        Ok(true)
    }
}

fn open(receive_buffer: usize) -> Result<TokioSocket, KernelError> {
    let mut socket = TokioSocket::new(NETLINK_ROUTE).map_err(KernelError::Open)?;
    let inner = socket.socket_mut();
    inner.bind_auto().map_err(KernelError::Open)?;
    // Kernels before 4.20 lack these; the dumps are then longer and the errors terser.
    let _ = inner.set_netlink_get_strict_chk(true);
    let _ = inner.set_ext_ack(true);
    let _ = inner.set_cap_ack(true);
    enlarge(&socket, receive_buffer);
    Ok(socket)
}

/// Beyond net.core.rmem_max where we may (CAP_NET_ADMIN in the first user namespace).
fn enlarge(socket: &TokioSocket, size: usize) {
    let socket = socket.socket_ref();
    if setsockopt(socket, RcvBufForce, &size).is_err() {
        let _ = socket.set_rx_buf_sz(size as libc::c_int);
    }
}

/// Splits one message off a datagram; what cannot be one ends it.
fn take_message(buffer: &mut BytesMut) -> Option<BytesMut> {
    let length = buffer.get(..4)?.try_into().map(u32::from_ne_bytes).ok()? as usize;
    if length < NETLINK_HEADER || length > buffer.len() {
        return None;
    }
    let message = buffer.split_to(length);
    let padding = length.next_multiple_of(4) - length;
    buffer.advance(padding.min(buffer.len()));
    Some(message)
}

/// Decodes one message; one that a newer kernel made incomprehensible is left out.
pub(super) fn decode(raw: &[u8]) -> Option<(NetlinkHeader, NetlinkPayload<RouteNetlinkMessage>)> {
    match NetlinkMessage::<RouteNetlinkMessage>::deserialize(raw) {
        Ok(message) => Some(message.into_parts()),
        Err(error) => {
            tracing::debug!(%error, "netlink message left out");
            None
        }
    }
}

/// The object in a notification.
pub(super) fn decode_object(raw: &[u8]) -> Option<RouteNetlinkMessage> {
    match decode(raw)?.1 {
        NetlinkPayload::InnerMessage(object) => Some(object),
        _ => None,
    }
}

fn answer(header: &NetlinkHeader, code: i32, body: &[u8]) -> Result<(), Refusal> {
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

/// The message type and the bytes behind the netlink header, for a look before decoding.
pub(super) fn peek(raw: &[u8]) -> Option<(u16, &[u8])> {
    let kind = u16::from_ne_bytes(raw.get(4..6)?.try_into().ok()?);
    Some((kind, raw.get(NETLINK_HEADER..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_datagram_is_split_and_its_broken_tail_dropped() {
        let mut buffer = BytesMut::new();
        buffer.extend_from_slice(&18u32.to_ne_bytes());
        buffer.extend_from_slice(&[0; 16]); // 12 of header, 2 of body, 2 of padding
        buffer.extend_from_slice(&16u32.to_ne_bytes());
        buffer.extend_from_slice(&[0; 12]);
        buffer.extend_from_slice(&900u32.to_ne_bytes());
        assert_eq!(take_message(&mut buffer).unwrap().len(), 18);
        assert_eq!(take_message(&mut buffer).unwrap().len(), 16);
        assert!(take_message(&mut buffer).is_none());
    }
}
