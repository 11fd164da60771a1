//! One message, whatever its type.

use bytes::BytesMut;

use super::frame::{MessageType, RawMessage, write_message};
use super::options::MAX_MESSAGE_LEN;
use super::{
    CodecOptions, DecodeError, DecodedUpdate, EncodeError, Notification, Open, RouteRefresh,
};

/// A message of any type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "received UPDATEs are taken apart at once; a box would cost more than the copy"
)]
pub enum Message {
    /// OPEN.
    Open(Open),
    /// UPDATE.
    Update(DecodedUpdate),
    /// NOTIFICATION.
    Notification(Notification),
    /// KEEPALIVE.
    Keepalive,
    /// ROUTE-REFRESH.
    RouteRefresh(RouteRefresh),
}

/// Looks inside a message.
///
/// # Errors
/// The message ends the session.
pub fn decode(raw: &RawMessage, options: &CodecOptions) -> Result<Message, DecodeError> {
    let body = &raw.body;
    Ok(match raw.kind {
        MessageType::Open => Message::Open(Open::decode(body)?),
        MessageType::Update => Message::Update(DecodedUpdate::decode(body, options)?),
        MessageType::Notification => Message::Notification(Notification::decode(body)?),
        MessageType::Keepalive => Message::Keepalive,
        MessageType::RouteRefresh => Message::RouteRefresh(RouteRefresh::decode(body)?),
    })
}

impl Message {
    /// Appends the message to `out`.
    ///
    /// # Errors
    /// The message does not fit; `out` is unchanged.
    pub fn encode(&self, out: &mut BytesMut, options: &CodecOptions) -> Result<(), EncodeError> {
        match self {
            Self::Open(open) => open.encode(out),
            Self::Update(decoded) => decoded.update.encode(out, options),
            Self::Notification(notification) => notification.encode(out),
            Self::Keepalive => {
                write_message(out, MessageType::Keepalive, MAX_MESSAGE_LEN, |_| Ok(()))
            }
            Self::RouteRefresh(refresh) => refresh.encode(out),
        }
    }
}
