//! One connection to one bridge's management socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::codec::{Decoder, Encoder, Framed};

use super::flow::CookieMask;
use super::wire::{
    self, BundleControl, DecodeError, FlowEntry, FlowMod, FlowUpdate, Message, VERSION_14, kind,
};

/// How long the switch may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// More flows with our cookie than this are nobody's honest work.
const MAX_FLOWS: usize = 65_536;

/// The connection failed; it is of no further use.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    #[error("cannot connect to {path}: {source}; does the bridge exist, and ovs-vswitchd run?")]
    Connect {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("connection to the bridge failed: {0}")]
    Io(#[from] io::Error),
    #[error("ovs-vswitchd closed the connection to the bridge")]
    Closed,
    #[error("ovs-vswitchd did not answer within 5 s")]
    Timeout,
    #[error("ovs-vswitchd sent what is not OpenFlow: {0}")]
    Decode(#[from] DecodeError),
    #[error("the bridge refuses OpenFlow 1.3 and 1.4: allow one in its protocols column")]
    Version,
    #[error("the bridge has more than 65536 flows with cookies 0x3e6 and 0x3e7")]
    TooManyFlows,
    #[error("the bridge refused to list its flows (error type {0}, code {1})")]
    Refused(u16, u16),
}

/// A switch's refusal of one message: type and code of §7.5.4.
pub(super) type Refusal = (u16, u16);

/// A connection past its HELLO.
pub(super) struct Connection {
    messages: Framed<UnixStream, Codec>,
    version: u8,
    xid: u32,
    bundle: u32,
    /// A flow was changed by somebody else since the last dump.
    pub(super) changed: bool,
    /// The switch tells changes; otherwise they have to be looked for.
    pub(super) monitored: bool,
}

impl Connection {
    /// Connects, agrees on a version and asks to be told of changes.
    pub(super) async fn open(path: &Path) -> Result<Self, ConnectionError> {
        let stream = UnixStream::connect(path).await;
        let stream = stream.map_err(|source| ConnectionError::Connect {
            path: path.to_owned(),
            source,
        })?;
        let mut connection = Self {
            messages: Framed::new(stream, Codec),
            version: VERSION_14,
            xid: 0,
            bundle: 0,
            changed: true,
            monitored: false,
        };
        connection.negotiate().await?;
        connection.monitor().await?;
        Ok(connection)
    }

    async fn negotiate(&mut self) -> Result<(), ConnectionError> {
        self.send(vec![(kind::HELLO, wire::hello())]).await?;
        let hello = self.receive().await?;
        self.version = match hello.kind {
            kind::HELLO => wire::negotiate(&hello).map_err(|_| ConnectionError::Version)?,
            _ => return Err(ConnectionError::Version),
        };
        Ok(())
    }

    /// Flow monitors are in OpenFlow 1.4, and in Open vSwitch since 2.16.
    async fn monitor(&mut self) -> Result<(), ConnectionError> {
        if self.version != VERSION_14 {
            return Ok(());
        }
        let request = (kind::MULTIPART_REQUEST, wire::flow_monitor_request());
        let refused = self.barrier(vec![request]).await?;
        self.monitored = refused.is_empty();
        Ok(())
    }

    /// All flows with these cookies.
    pub(super) async fn flows(
        &mut self,
        cookies: CookieMask,
    ) -> Result<Vec<FlowEntry>, ConnectionError> {
        self.changed = false;
        let request = (
            kind::MULTIPART_REQUEST,
            wire::flow_stats_request(cookies.cookie, cookies.mask),
        );
        let xid = self.send(vec![request]).await?;
        let mut flows = Vec::new();
        loop {
            let message = self.answer().await?;
            if message.xid != xid {
                continue;
            }
            if message.kind == kind::ERROR {
                let (kind, code) = wire::error(&message.body)?;
                return Err(ConnectionError::Refused(kind, code));
            }
            if let Some((part, more)) = wire::flow_stats_reply(&message.body)? {
                flows.extend(part);
                if flows.len() > MAX_FLOWS {
                    return Err(ConnectionError::TooManyFlows);
                }
                if !more {
                    return Ok(flows);
                }
            }
        }
    }

    /// Makes changes, all at once where the version has bundles. One answer for each.
    pub(super) async fn change(
        &mut self,
        flows: &[FlowMod],
    ) -> Result<Vec<Result<(), Refusal>>, ConnectionError> {
        if self.version == VERSION_14 && flows.len() > 1 && self.bundle(flows).await? {
            return Ok(vec![Ok(()); flows.len()]);
        }
        // One of them was refused and with it all: one by one it shows which.
        let first = self.xid.wrapping_add(1);
        let messages = flows.iter().map(|f| (kind::FLOW_MOD, wire::flow_mod(f)));
        let refused = self.barrier(messages.collect()).await?;
        let mut answers = vec![Ok(()); flows.len()];
        for (xid, refusal) in refused {
            if let Some(answer) = answers.get_mut(xid.wrapping_sub(first) as usize) {
                *answer = Err(refusal);
            }
        }
        Ok(answers)
    }

    /// §6.9.5: false when the switch refused it, and so did nothing.
    async fn bundle(&mut self, flows: &[FlowMod]) -> Result<bool, ConnectionError> {
        self.bundle = self.bundle.wrapping_add(1);
        let bundle = self.bundle;
        let control = |c| (kind::BUNDLE_CONTROL, wire::bundle_control(bundle, c));
        let mut messages = vec![control(BundleControl::Open)];
        for flow in flows {
            let inner = Message {
                version: self.version,
                kind: kind::FLOW_MOD,
                // The xid that the message around it is about to get.
                xid: self.xid.wrapping_add(1 + messages.len() as u32),
                body: wire::flow_mod(flow),
            };
            messages.push((kind::BUNDLE_ADD, wire::bundle_add(bundle, &inner)));
        }
        messages.push(control(BundleControl::Commit));
        let refused = self.barrier(messages).await?;
        if refused.is_empty() {
            return Ok(true);
        }
        // The commit may have been refused, or never have had a bundle: there is nothing to say to this.
        self.barrier(vec![control(BundleControl::Discard)]).await?;
        Ok(false)
    }

    /// Sends messages and a barrier; returns what was refused, by xid, once all are dealt with.
    async fn barrier(
        &mut self,
        mut messages: Vec<(u8, Vec<u8>)>,
    ) -> Result<Vec<(u32, Refusal)>, ConnectionError> {
        messages.push((kind::BARRIER_REQUEST, Vec::new()));
        let last = self.send(messages).await?;
        let mut refused = Vec::new();
        loop {
            let message = self.answer().await?;
            match message.kind {
                kind::BARRIER_REPLY if message.xid == last => return Ok(refused),
                kind::ERROR => refused.push((message.xid, wire::error(&message.body)?)),
                _ => {}
            }
        }
    }

    /// Waits for the switch to say something, for [`Self::dispatch`]. May be dropped.
    pub(super) async fn listen(&mut self) -> Result<Message, ConnectionError> {
        let message = self.messages.next().await;
        message.unwrap_or(Err(ConnectionError::Closed))
    }

    /// Numbers and sends messages; returns the xid of the last.
    async fn send(&mut self, messages: Vec<(u8, Vec<u8>)>) -> Result<u32, ConnectionError> {
        let mut numbered = Vec::with_capacity(messages.len());
        for (kind, body) in messages {
            self.xid = self.xid.wrapping_add(1);
            numbered.push(Message {
                version: self.version,
                kind,
                xid: self.xid,
                body,
            });
        }
        self.write(numbered).await?;
        Ok(self.xid)
    }

    async fn write(&mut self, messages: Vec<Message>) -> Result<(), ConnectionError> {
        let sending = async {
            for message in messages {
                self.messages.feed(message).await?;
            }
            self.messages.flush().await
        };
        let sent = timeout(PATIENCE, sending).await;
        sent.map_err(|_| ConnectionError::Timeout)?
    }

    /// The next message that may answer something.
    async fn answer(&mut self) -> Result<Message, ConnectionError> {
        loop {
            let message = self.receive().await?;
            self.dispatch(&message).await?;
            if message.kind != kind::ECHO_REQUEST {
                return Ok(message);
            }
        }
    }

    /// Answers an echo, notes a change. Not to be dropped half-way.
    pub(super) async fn dispatch(&mut self, message: &Message) -> Result<(), ConnectionError> {
        match message.kind {
            kind::ECHO_REQUEST => {
                let reply = Message {
                    version: self.version,
                    kind: kind::ECHO_REPLY,
                    xid: message.xid,
                    body: message.body.clone(),
                };
                self.write(vec![reply]).await?;
            }
            kind::MULTIPART_REPLY => {
                let updates = wire::flow_updates(&message.body)?.unwrap_or_default();
                self.changed |= updates.contains(&FlowUpdate::Changed);
            }
            _ => {}
        }
        Ok(())
    }

    async fn receive(&mut self) -> Result<Message, ConnectionError> {
        let message = timeout(PATIENCE, self.listen()).await;
        message.map_err(|_| ConnectionError::Timeout)?
    }
}

/// Whole messages in a stream of bytes. One has at most 64 KiB, so the buffers stay small.
struct Codec;

impl Decoder for Codec {
    type Item = Message;
    type Error = ConnectionError;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Message>, ConnectionError> {
        Ok(wire::split(bytes)?)
    }
}

impl Encoder<Message> for Codec {
    type Error = ConnectionError;

    fn encode(&mut self, message: Message, out: &mut BytesMut) -> Result<(), ConnectionError> {
        wire::put(out, &message);
        Ok(())
    }
}
