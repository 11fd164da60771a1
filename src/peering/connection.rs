//! The two tasks of a TCP connection. The reader stops reading when the speaker is behind; the writer
//! reports what the kernel took, which is what the speaker's window and send hold timer go by.

use std::io;
use std::time::Duration;

use bgp::ConnectionId;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

use super::driver::SocketEvent;

/// Bytes read at a time: several full messages.
const READ: usize = 32 * 1024;

/// How long a closed connection may take to send what was queued, a NOTIFICATION usually.
const LINGER: Duration = Duration::from_secs(1);

/// An open connection. Dropping it closes it at once.
#[derive(Debug)]
pub(super) struct Connection {
    _reader: AbortOnDropHandle<()>,
    writer: AbortOnDropHandle<()>,
    /// Unbounded, because its bound is the speaker's window: UPDATEs stop there, and keepalives stop
    /// with the send hold timer.
    outbox: mpsc::UnboundedSender<Bytes>,
}

impl Connection {
    pub(super) fn start(
        id: ConnectionId,
        stream: TcpStream,
        events: &mpsc::Sender<SocketEvent>,
    ) -> Self {
        let (read_half, write_half) = stream.into_split();
        let (outbox, queue) = mpsc::unbounded_channel();
        Self {
            _reader: AbortOnDropHandle::new(tokio::spawn(read(id, read_half, events.clone()))),
            writer: AbortOnDropHandle::new(tokio::spawn(write(
                id,
                write_half,
                queue,
                events.clone(),
            ))),
            outbox,
        }
    }

    pub(super) fn send(&self, bytes: Bytes) {
        // A writer that has ended has reported why.
        let _ = self.outbox.send(bytes);
    }

    /// Close once what was queued is out, or after a second; the task ends when it is closed.
    pub(super) fn finish(mut self) -> JoinHandle<()> {
        // The queue ends when its last sender is dropped.
        self.outbox = mpsc::unbounded_channel().0;
        tokio::spawn(async move {
            // Either way `self` is dropped here, which ends both tasks.
            let _ = tokio::time::timeout(LINGER, &mut self.writer).await;
        })
    }
}

async fn read(id: ConnectionId, mut stream: OwnedReadHalf, events: mpsc::Sender<SocketEvent>) {
    let mut buffer = BytesMut::new();
    let why = loop {
        buffer.reserve(READ);
        match stream.read_buf(&mut buffer).await {
            Ok(0) => break "closed by the peer".to_owned(),
            Ok(_) => {
                let bytes = buffer.split().freeze();
                if events.send(SocketEvent::Received(id, bytes)).await.is_err() {
                    return;
                }
            }
            Err(error) => break words(&error),
        }
    };
    // The driver is gone when this fails, and nobody is left to tell.
    let _ = events.send(SocketEvent::Closed(id, why)).await;
}

async fn write(
    id: ConnectionId,
    mut stream: OwnedWriteHalf,
    mut queue: mpsc::UnboundedReceiver<Bytes>,
    events: mpsc::Sender<SocketEvent>,
) {
    while let Some(mut bytes) = queue.recv().await {
        while !bytes.is_empty() {
            let event = match stream.write_buf(&mut bytes).await {
                Ok(taken) => SocketEvent::Flushed(id, taken),
                Err(error) => SocketEvent::Closed(id, words(&error)),
            };
            let failed = matches!(event, SocketEvent::Closed(..));
            if events.send(event).await.is_err() || failed {
                return;
            }
        }
    }
    // The peer may have closed first.
    let _ = stream.shutdown().await;
}

/// The error without the number that std appends.
pub(super) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text.chars().take(at).collect::<String>().to_lowercase(),
        None => text,
    }
}
