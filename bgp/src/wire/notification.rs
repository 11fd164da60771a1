//! NOTIFICATION (RFC 4271 §4.5): why a session ends.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::frame::{MessageType, write_message};
use super::input::{Parsed, flat, octet};
use super::options::MAX_MESSAGE_LEN;
use super::{DecodeError, EncodeError};

/// Octets before the data: header, code, subcode.
const FIXED_LEN: usize = 21;

/// Error codes (IANA "BGP Error (Notification) Codes").
pub mod code {
    /// Message Header Error, RFC 4271 §6.1.
    pub const HEADER: u8 = 1;
    /// OPEN Message Error, RFC 4271 §6.2.
    pub const OPEN: u8 = 2;
    /// UPDATE Message Error, RFC 4271 §6.3.
    pub const UPDATE: u8 = 3;
    /// Hold Timer Expired, RFC 4271 §6.5.
    pub const HOLD_TIMER_EXPIRED: u8 = 4;
    /// Finite State Machine Error, RFC 4271 §6.6, subcodes in RFC 6608.
    pub const FINITE_STATE_MACHINE: u8 = 5;
    /// Cease, RFC 4271 §6.7, subcodes in RFC 4486.
    pub const CEASE: u8 = 6;
    /// ROUTE-REFRESH Message Error, RFC 7313 §5.
    pub const ROUTE_REFRESH: u8 = 7;
    /// Send Hold Timer Expired, RFC 9687 §4.
    pub const SEND_HOLD_TIMER_EXPIRED: u8 = 8;
}

/// Subcodes of [`code::HEADER`].
pub mod header_subcode {
    /// The marker is not all ones.
    pub const NOT_SYNCHRONIZED: u8 = 1;
    /// The length does not suit the type; data holds the length field.
    pub const BAD_LENGTH: u8 = 2;
    /// Unknown type; data holds it.
    pub const BAD_TYPE: u8 = 3;
}

/// Subcodes of [`code::OPEN`].
pub mod open_subcode {
    /// Nothing more specific applies, for example a malformed optional parameter.
    pub const UNSPECIFIC: u8 = 0;
    /// Not version 4; data holds the version we speak.
    pub const UNSUPPORTED_VERSION: u8 = 1;
    /// The AS number is not the expected one, or zero.
    pub const BAD_PEER_AS: u8 = 2;
    /// The identifier is zero or our own (RFC 6286 §2.2).
    pub const BAD_IDENTIFIER: u8 = 3;
    /// An optional parameter that is not known.
    pub const UNSUPPORTED_PARAMETER: u8 = 4;
    /// One or two seconds.
    pub const UNACCEPTABLE_HOLD_TIME: u8 = 6;
    /// A capability that we insist on is missing; data holds it (RFC 5492 §5).
    pub const UNSUPPORTED_CAPABILITY: u8 = 7;
}

/// Subcodes of [`code::UPDATE`].
pub mod update_subcode {
    /// The lengths do not add up, or an attribute occurs twice that must not.
    pub const MALFORMED_ATTRIBUTE_LIST: u8 = 1;
    /// A well-known attribute that is not known; data holds the attribute.
    pub const UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE: u8 = 2;
    /// Data holds the type code of the missing attribute.
    pub const MISSING_WELL_KNOWN_ATTRIBUTE: u8 = 3;
    /// Flags that do not suit the type.
    pub const ATTRIBUTE_FLAGS: u8 = 4;
    /// Length that does not suit the type.
    pub const ATTRIBUTE_LENGTH: u8 = 5;
    /// Undefined ORIGIN.
    pub const INVALID_ORIGIN: u8 = 6;
    /// NEXT_HOP is not a host address.
    pub const INVALID_NEXT_HOP: u8 = 8;
    /// Anything wrong in an optional attribute.
    pub const OPTIONAL_ATTRIBUTE: u8 = 9;
    /// A prefix that cannot be read.
    pub const INVALID_NETWORK_FIELD: u8 = 10;
    /// An AS_PATH that cannot be read.
    pub const MALFORMED_AS_PATH: u8 = 11;
}

/// Subcodes of [`code::CEASE`] (RFC 4486, 8538, 9384).
pub mod cease_subcode {
    /// Too many prefixes; data may hold family and limit (RFC 4486 §4).
    pub const MAXIMUM_PREFIXES: u8 = 1;
    /// The operator closed the session; data holds his words (RFC 9003).
    pub const ADMINISTRATIVE_SHUTDOWN: u8 = 2;
    /// The peer was removed from the configuration.
    pub const PEER_DECONFIGURED: u8 = 3;
    /// The operator restarts the session; data holds his words (RFC 9003).
    pub const ADMINISTRATIVE_RESET: u8 = 4;
    /// The connection is not wanted.
    pub const CONNECTION_REJECTED: u8 = 5;
    /// A change of configuration needs a new session.
    pub const OTHER_CONFIGURATION_CHANGE: u8 = 6;
    /// The other of two connections stays (RFC 4271 §6.8).
    pub const CONNECTION_COLLISION: u8 = 7;
    /// Out of something.
    pub const OUT_OF_RESOURCES: u8 = 8;
    /// Ends the session even for graceful restart; data holds the inner code and subcode (RFC 8538 §3).
    pub const HARD_RESET: u8 = 9;
    /// BFD says that the path is down (RFC 9384).
    pub const BFD_DOWN: u8 = 10;
}

/// The last message of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Error code, one of [`code`].
    pub code: u8,
    /// What the code's subcodes make it; zero is "unspecific".
    pub subcode: u8,
    /// What the subcode says it is. Never more than fits in 4096 octets of message.
    pub data: Bytes,
}

impl Notification {
    /// A notification; `data` is cut where the message would exceed 4096 octets.
    #[must_use]
    pub fn new(code: u8, subcode: u8, data: &[u8]) -> Self {
        let data = data.get(..MAX_MESSAGE_LEN - FIXED_LEN).unwrap_or(data);
        Self {
            code,
            subcode,
            data: Bytes::copy_from_slice(data),
        }
    }

    /// A Cease of one of [`cease_subcode`], with no data.
    #[must_use]
    pub fn cease(subcode: u8) -> Self {
        Self::new(code::CEASE, subcode, &[])
    }

    /// Administrative Shutdown or Reset with the operator's words, cut at a character within 255 octets (RFC 9003 §2).
    #[must_use]
    pub fn administrative(subcode: u8, words: &str) -> Self {
        let words = words
            .get(..words.floor_char_boundary(255))
            .unwrap_or_default();
        let mut data = Vec::with_capacity(words.len() + 1);
        // At most 255 by the line above.
        data.push(u8::try_from(words.len()).unwrap_or_default());
        data.extend_from_slice(words.as_bytes());
        Self::new(code::CEASE, subcode, &data)
    }

    /// This one as a Hard Reset: it ends the session for graceful restart as well (RFC 8538 §3).
    #[must_use]
    pub fn hard_reset(&self) -> Self {
        let mut data = vec![self.code, self.subcode];
        data.extend_from_slice(&self.data);
        Self::new(code::CEASE, cease_subcode::HARD_RESET, &data)
    }

    /// Does it end the session for graceful restart as well?
    #[must_use]
    pub const fn is_hard_reset(&self) -> bool {
        self.code == code::CEASE && self.subcode == cease_subcode::HARD_RESET
    }

    /// What a Hard Reset is about.
    #[must_use]
    pub fn inner(&self) -> Option<Self> {
        match *self.data {
            [code, subcode, ref data @ ..] if self.is_hard_reset() => {
                Some(Self::new(code, subcode, data))
            }
            _ => None,
        }
    }

    /// The operator's words in an Administrative Shutdown or Reset (RFC 9003 §2).
    /// Octets that are not UTF-8 are replaced; a length that exceeds the data is read as far as there is data.
    #[must_use]
    pub fn shutdown_communication(&self) -> Option<String> {
        let spoken = self.code == code::CEASE
            && matches!(
                self.subcode,
                cease_subcode::ADMINISTRATIVE_SHUTDOWN | cease_subcode::ADMINISTRATIVE_RESET
            );
        let (&length, words) = self.data.split_first().filter(|_| spoken)?;
        let words = words.get(..usize::from(length)).unwrap_or(words);
        (!words.is_empty()).then(|| String::from_utf8_lossy(words).into_owned())
    }

    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let fields = |body| -> Parsed<'_, (u8, u8)> {
            let (body, code) = octet(body)?;
            let (body, subcode) = octet(body)?;
            Ok((body, (code, subcode)))
        };
        // The framing asks for two octets, so this cannot fail; a NOTIFICATION is never answered with one.
        let (data, (code, subcode)) = fields(body).map_err(|error| {
            DecodeError::new(
                code::HEADER,
                header_subcode::BAD_LENGTH,
                &[],
                format!("NOTIFICATION {}", flat(error).0),
            )
        })?;
        Ok(Self::new(code, subcode, data))
    }

    /// Appends the message to `out`.
    ///
    /// # Errors
    /// `data` was made longer than [`Notification::new`] allows.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        write_message(out, MessageType::Notification, MAX_MESSAGE_LEN, |out| {
            out.put_u8(self.code);
            out.put_u8(self.subcode);
            out.put_slice(&self.data);
            Ok(())
        })
    }
}

/// Code and subcode in words and numbers: "cease, administrative shutdown (6/2)".
impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, subcode) = (self.code, self.subcode);
        f.write_str(code_name(code))?;
        if let Some(name) = subcode_name(code, subcode) {
            write!(f, ", {name}")?;
        }
        write!(f, " ({code}/{subcode})")
    }
}

fn code_name(code: u8) -> &'static str {
    match code {
        code::HEADER => "message header error",
        code::OPEN => "OPEN message error",
        code::UPDATE => "UPDATE message error",
        code::HOLD_TIMER_EXPIRED => "hold timer expired",
        code::FINITE_STATE_MACHINE => "finite state machine error",
        code::CEASE => "cease",
        code::ROUTE_REFRESH => "ROUTE-REFRESH message error",
        code::SEND_HOLD_TIMER_EXPIRED => "send hold timer expired",
        _ => "unknown error",
    }
}

fn subcode_name(code: u8, subcode: u8) -> Option<&'static str> {
    let names: &[&str] = match code {
        code::HEADER => &[
            "connection not synchronized",
            "bad message length",
            "bad message type",
        ],
        code::OPEN => &[
            "unsupported version",
            "bad peer AS",
            "bad BGP identifier",
            "unsupported optional parameter",
            "authentication failure",
            "unacceptable hold time",
            "unsupported capability",
        ],
        code::UPDATE => &[
            "malformed attribute list",
            "unrecognized well-known attribute",
            "missing well-known attribute",
            "attribute flags error",
            "attribute length error",
            "invalid ORIGIN attribute",
            "AS routing loop",
            "invalid NEXT_HOP attribute",
            "optional attribute error",
            "invalid network field",
            "malformed AS_PATH",
        ],
        code::FINITE_STATE_MACHINE => &[
            "unexpected message in OpenSent",
            "unexpected message in OpenConfirm",
            "unexpected message in Established",
        ],
        code::CEASE => &[
            "maximum number of prefixes reached",
            "administrative shutdown",
            "peer de-configured",
            "administrative reset",
            "connection rejected",
            "other configuration change",
            "connection collision resolution",
            "out of resources",
            "hard reset",
            "BFD down",
        ],
        code::ROUTE_REFRESH => &["invalid message length"],
        _ => &[],
    };
    names.get(usize::from(subcode).checked_sub(1)?).copied()
}
