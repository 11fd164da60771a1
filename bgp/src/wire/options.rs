//! What both sides agreed on, as far as it changes the octets.

use std::collections::BTreeSet;

use super::Family;

/// Octets in the largest message without RFC 8654.
pub const MAX_MESSAGE_LEN: usize = 4096;

/// Octets in the largest message when both sides advertised the Extended Message capability (RFC 8654 §3).
pub const MAX_EXTENDED_MESSAGE_LEN: usize = 65535;

/// How to read and write the messages of one session. The default suits everything before the
/// OPENs have been exchanged, and a peer that advertised no capability.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodecOptions {
    /// AS numbers in AS_PATH and AGGREGATOR take four octets: both sides sent the capability (RFC 6793).
    pub four_octet_as: bool,
    /// Messages may be up to 65535 octets long in both directions (RFC 8654).
    pub extended_message: bool,
    /// The peer is in our AS; some attributes are only believed from such a peer (RFC 7606 §7.5, 7.9, 7.10).
    pub internal_peer: bool,
    /// Families whose NLRI the peer sends with a path identifier (RFC 7911).
    pub add_path_receive: BTreeSet<Family>,
    /// Families whose NLRI we send with a path identifier.
    pub add_path_send: BTreeSet<Family>,
    /// Families with IPv4 destinations whose next hop may be an IPv6 address (RFC 8950).
    pub extended_next_hop: BTreeSet<Family>,
    /// Both sides speak EVPN: its routes are read. Otherwise they stay octets, whatever is in them.
    pub evpn: bool,
}

impl CodecOptions {
    /// Octets in the largest UPDATE, NOTIFICATION or ROUTE-REFRESH of this session.
    /// OPEN and KEEPALIVE never exceed [`MAX_MESSAGE_LEN`] (RFC 8654 §4).
    #[must_use]
    pub const fn max_message_len(&self) -> usize {
        if self.extended_message {
            MAX_EXTENDED_MESSAGE_LEN
        } else {
            MAX_MESSAGE_LEN
        }
    }
}
