//! Where one message ends and the next begins (RFC 4271 §4.1, §6.1).

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::input::{Parsed, octet, take, two_octets};
use super::notification::{code, header_subcode};
use super::options::MAX_MESSAGE_LEN;
use super::{DecodeError, EncodeError};

/// Octets of the header: marker, length, type.
pub const HEADER_LEN: usize = 19;

const MARKER: [u8; 16] = [0xff; 16];

/// A whole KEEPALIVE: always the same, so nothing is ever encoded or allocated for one.
pub const KEEPALIVE: [u8; HEADER_LEN] = {
    let mut octets = [0xff; HEADER_LEN];
    octets[16] = 0;
    octets[17] = 19;
    octets[18] = MessageType::Keepalive as u8;
    octets
};

/// Type octet of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MessageType {
    /// RFC 4271 §4.2.
    Open = 1,
    /// RFC 4271 §4.3.
    Update = 2,
    /// RFC 4271 §4.5.
    Notification = 3,
    /// RFC 4271 §4.4.
    Keepalive = 4,
    /// RFC 2918.
    RouteRefresh = 5,
}

/// A message whose header is sound, without the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawMessage {
    /// Its type.
    pub kind: MessageType,
    /// What follows the header.
    pub body: Bytes,
}

/// Cuts the next message off `buffer`. `None`: more octets are needed. The header is checked as soon as it is
/// there, so a broken stream is noticed before its message is complete.
///
/// `max_len` is [`super::CodecOptions::max_message_len`]; the buffer never needs to hold more than that.
///
/// # Errors
/// The header is not one of BGP; the stream cannot be read any further.
pub fn next_message(
    buffer: &mut BytesMut,
    max_len: usize,
) -> Result<Option<RawMessage>, DecodeError> {
    let Ok((_, (marker, length, kind))) = header(buffer) else {
        return Ok(None);
    };
    if *marker != MARKER {
        return Err(DecodeError::new(
            code::HEADER,
            header_subcode::NOT_SYNCHRONIZED,
            &[],
            "the message does not begin with the marker",
        ));
    }
    let kind = MessageType::from_octet(kind).ok_or_else(|| {
        DecodeError::new(
            code::HEADER,
            header_subcode::BAD_TYPE,
            &[kind],
            format!("unknown message type {kind}"),
        )
    })?;
    let total = usize::from(length);
    if !kind.accepts_len(total, max_len) {
        return Err(DecodeError::new(
            code::HEADER,
            header_subcode::BAD_LENGTH,
            &length.to_be_bytes(),
            format!("{total} octets is no length for a message of type {kind:?}"),
        ));
    }
    if buffer.len() < total {
        return Ok(None);
    }
    if total == HEADER_LEN {
        // KEEPALIVE: nothing to keep, nothing to allocate.
        buffer.advance(total);
        let body = Bytes::new();
        return Ok(Some(RawMessage { kind, body }));
    }
    let mut message = buffer.split_to(total).freeze();
    let body = message.split_off(HEADER_LEN);
    Ok(Some(RawMessage { kind, body }))
}

fn header(input: &[u8]) -> Parsed<'_, (&[u8], u16, u8)> {
    let (input, marker) = take(input, MARKER.len())?;
    let (input, length) = two_octets(input)?;
    let (input, kind) = octet(input)?;
    Ok((input, (marker, length, kind)))
}

impl MessageType {
    const fn from_octet(octet: u8) -> Option<Self> {
        Some(match octet {
            1 => Self::Open,
            2 => Self::Update,
            3 => Self::Notification,
            4 => Self::Keepalive,
            5 => Self::RouteRefresh,
            _ => return None,
        })
    }

    /// RFC 4271 §6.1; extended messages are for neither OPEN nor KEEPALIVE (RFC 8654 §4).
    const fn accepts_len(self, total: usize, max_len: usize) -> bool {
        match self {
            Self::Open => total >= HEADER_LEN + 10 && total <= MAX_MESSAGE_LEN,
            Self::Update => total >= HEADER_LEN + 4 && total <= max_len,
            Self::Notification => total >= HEADER_LEN + 2 && total <= max_len,
            Self::Keepalive => total == HEADER_LEN,
            Self::RouteRefresh => total >= HEADER_LEN + 4 && total <= max_len,
        }
    }
}

/// Appends a message to `out`: header, what `body` writes, and the length put in afterwards.
/// On an error `out` is as it was.
pub(super) fn write_message(
    out: &mut BytesMut,
    kind: MessageType,
    limit: usize,
    body: impl FnOnce(&mut BytesMut) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    // One growth for nearly every message instead of one per field.
    out.reserve(128);
    out.put_slice(&MARKER);
    out.put_u16(0);
    out.put_u8(kind as u8);
    let written = body(out).and_then(|()| {
        let length = out.len() - start;
        match u16::try_from(length) {
            Ok(field) if length <= limit => {
                put_u16_at(out, start + MARKER.len(), field);
                Ok(())
            }
            _ => Err(EncodeError::TooLong { length, limit }),
        }
    });
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Overwrites two octets that were written before, as length fields are once their extent is known.
pub(super) fn put_u16_at(out: &mut BytesMut, position: usize, value: u16) {
    if let Some(field) = out.get_mut(position..position + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}
