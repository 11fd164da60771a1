//! What can be wrong with a message, and what has to follow.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use super::Family;
use super::notification::{Notification, update_subcode};

/// A message that ends the session: the peer broke the protocol.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{reason}; answering with {notification}")]
pub struct DecodeError {
    /// What to tell the peer before closing.
    pub notification: Notification,
    /// What is wrong, for the log.
    pub reason: Cow<'static, str>,
}

impl DecodeError {
    pub(crate) fn new(
        code: u8,
        subcode: u8,
        data: &[u8],
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            notification: Notification::new(code, subcode, data),
            reason: reason.into(),
        }
    }
}

/// How far an error in an UPDATE reaches (RFC 7606 §2), from the mildest to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// "Attribute discard": the UPDATE holds without the attribute.
    Discard,
    /// "Treat-as-withdraw": the routes of the UPDATE are withdrawn.
    TreatAsWithdraw,
    /// "AFI/SAFI disable": nothing of this family is believed until the session restarts.
    /// The session may be reset instead, with [`AttributeError::notification`].
    DisableFamily(Family),
    /// "Session reset".
    ResetSession,
}

/// An error that was found in one path attribute.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("path attribute {code}: {reason}")]
pub struct AttributeError {
    /// Attribute type code; zero when the error is not within one attribute.
    pub code: u8,
    /// What has to follow.
    pub disposition: Disposition,
    /// UPDATE Message Error subcode, should the session be reset for it (RFC 4271 §6.3).
    pub subcode: u8,
    /// The attribute as received (flags, type, length, value), for the log and the NOTIFICATION.
    pub data: Bytes,
    /// What is wrong.
    pub reason: &'static str,
}

impl AttributeError {
    /// What to tell the peer when the session is reset for this error.
    #[must_use]
    pub fn notification(&self) -> Notification {
        Notification::new(super::notification::code::UPDATE, self.subcode, &self.data)
    }

    /// A mandatory attribute is absent (RFC 7606 §3 d).
    pub(crate) fn missing(code: u8) -> Self {
        let mut data = BytesMut::with_capacity(1);
        data.put_u8(code);
        Self {
            code,
            disposition: Disposition::TreatAsWithdraw,
            subcode: update_subcode::MISSING_WELL_KNOWN_ATTRIBUTE,
            data: data.freeze(),
            reason: "a mandatory attribute is missing",
        }
    }
}

impl From<AttributeError> for DecodeError {
    fn from(error: AttributeError) -> Self {
        Self {
            notification: error.notification(),
            reason: error.to_string().into(),
        }
    }
}

/// A message that cannot be put on the wire as asked. Nothing was written.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum EncodeError {
    /// The message would be longer than the session allows.
    #[error("the message needs {length} octets, the session allows {limit}")]
    TooLong {
        /// Octets needed, header included.
        length: usize,
        /// Octets allowed.
        limit: usize,
    },
    /// One value is longer than its length field can say.
    #[error("{what} of {length} octets is longer than its length field can say")]
    FieldTooLong {
        /// The field.
        what: &'static str,
        /// Its length.
        length: usize,
    },
    /// An address of this kind cannot be the next hop of this family on this session.
    #[error("{family} cannot use this next hop on this session")]
    NextHop {
        /// The family of the destinations.
        family: Family,
    },
    /// A prefix was given that is not of the family being written, or a family whose NLRI are unknown.
    #[error("this NLRI cannot be written as {family}")]
    Nlri {
        /// The family being written.
        family: Family,
    },
    /// An UPDATE announces routes but has no attributes, or IPv4 routes without NEXT_HOP.
    #[error("an announcement without the attributes it needs")]
    MissingAttributes,
}
