//! Dumps as they come, undecoded: for [`Said`](super::said::Said), which seldom needs to decode them.

use std::io;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{AsyncSocket, SocketAddr, protocols::NETLINK_ROUTE};
use tokio::time::timeout;

use super::KernelError;
use super::connection::{NLM_F_DUMP_INTR, PATIENCE, Refusal, answer};
use super::socket::Socket;

const KERNEL: (u32, u32) = (0, 0);

/// A socket for dumps, one after the other. What is left of one when it is dropped goes with it.
pub(super) struct Reading {
    socket: Socket,
    sequence: u32,
    datagram: Vec<u8>,
}

/// nlmsghdr, and what follows it.
struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    body: &'a [u8],
}

impl Reading {
    pub(super) fn open() -> Result<Self, KernelError> {
        Ok(Self {
            socket: Socket::new(NETLINK_ROUTE).map_err(KernelError::Open)?,
            sequence: 0,
            datagram: Vec::new(),
        })
    }

    /// Everything that `request` asks for. `visit` gets type and body of each message.
    pub(super) async fn dump(
        &mut self,
        request: RouteNetlinkMessage,
        mut visit: impl FnMut(u16, &[u8]),
    ) -> Result<Result<(), Refusal>, KernelError> {
        self.ask(request).await?;
        let mut interrupted = false;
        loop {
            self.receive().await?;
            let mut rest = self.datagram.as_slice();
            while let Some(message) = next(&mut rest)? {
                if message.sequence != self.sequence {
                    continue;
                }
                interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
                match i32::from(message.kind) {
                    libc::NLMSG_NOOP => {}
                    libc::NLMSG_OVERRUN => return Err(KernelError::Closed),
                    libc::NLMSG_DONE if interrupted => return Ok(refusal(&message, -libc::EINTR)),
                    libc::NLMSG_DONE | libc::NLMSG_ERROR => {
                        let code = message
                            .body
                            .first_chunk()
                            .map_or(0, |c| i32::from_ne_bytes(*c));
                        return Ok(refusal(&message, code));
                    }
                    _ => visit(message.kind, message.body),
                }
            }
        }
    }

    async fn ask(&mut self, request: RouteNetlinkMessage) -> Result<(), KernelError> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = NetlinkMessage::from(request);
        message.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut octets = vec![0; message.buffer_len()];
        message.serialize(&mut octets);
        let kernel = SocketAddr::new(KERNEL.0, KERNEL.1);
        let sent = std::future::poll_fn(|cx| self.socket.poll_send_to(cx, &octets, &kernel));
        let sent = timeout(PATIENCE, sent).await;
        sent.map_err(|_| KernelError::Timeout)?
            .map_err(|_| KernelError::Closed)?;
        Ok(())
    }

    /// The next datagram of the kernel's.
    async fn receive(&mut self) -> Result<(), KernelError> {
        loop {
            self.datagram.clear();
            let (socket, datagram) = (&self.socket, &mut self.datagram);
            let received = std::future::poll_fn(|cx| socket.poll_recv_from(cx, datagram));
            let from = timeout(PATIENCE, received).await;
            match from.map_err(|_| KernelError::Timeout)? {
                Ok(from) if from.port_number() == KERNEL.0 => return Ok(()),
                // Any process may write to the socket.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(KernelError::Closed),
            }
        }
    }
}

/// Takes the first message off a datagram.
fn next<'a>(rest: &mut &'a [u8]) -> Result<Option<Message<'a>>, KernelError> {
    let Some(([l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..], _)) =
        rest.split_first_chunk::<16>()
    else {
        return match rest.is_empty() {
            true => Ok(None),
            false => Err(KernelError::Closed),
        };
    };
    let length = u32::from_ne_bytes([*l0, *l1, *l2, *l3]);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let body = rest.get(16..length).ok_or(KernelError::Closed)?;
    let message = Message {
        kind: u16::from_ne_bytes([*k0, *k1]),
        flags: u16::from_ne_bytes([*f0, *f1]),
        sequence: u32::from_ne_bytes([*s0, *s1, *s2, *s3]),
        body,
    };
    *rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    Ok(Some(message))
}

/// What the end of a dump says; nothing for one that went well.
fn refusal(message: &Message<'_>, code: i32) -> Result<(), Refusal> {
    let mut header = NetlinkHeader::default();
    header.flags = message.flags;
    answer(&header, code, message.body.get(4..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut octets = (16 + body.len() as u32).to_ne_bytes().to_vec();
        octets.extend(kind.to_ne_bytes());
        octets.extend([2, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        octets.extend(body);
        octets.resize(octets.len().next_multiple_of(4), 0);
        octets
    }

    #[test]
    fn messages_come_off_a_datagram_one_by_one() {
        let octets = [datagram(20, b"odd"), datagram(3, &[0; 4])].concat();
        let rest = &mut octets.as_slice();
        let first = next(rest).unwrap().unwrap();
        assert_eq!((first.kind, first.flags, first.sequence), (20, 2, 9));
        assert_eq!(first.body, b"odd");
        assert_eq!(next(rest).unwrap().unwrap().kind, 3);
        assert!(next(rest).unwrap().is_none());
    }

    #[test]
    fn a_datagram_that_is_cut_short_is_an_error() {
        let whole = datagram(20, b"body");
        for cut in 1..whole.len() {
            assert!(next(&mut whole.get(..cut).unwrap()).is_err(), "{cut}");
        }
        let mut short = whole;
        short.splice(..4, 15u32.to_ne_bytes());
        assert!(next(&mut short.as_slice()).is_err());
    }
}
