//! The Control packet (RFC 5880 §4.1).

use std::fmt;
use std::time::Duration;

use bytes::BufMut;
use nom::number::complete::be_u32;
use thiserror::Error;

/// The only version in use.
const VERSION: u8 = 1;

/// Octets without an authentication section.
const LENGTH: u8 = 24;

/// Octets of the shortest packet with one: authentication type and length.
const LENGTH_AUTHENTICATED: u8 = 26;

const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const CONTROL_PLANE_INDEPENDENT: u8 = 0x08;
const AUTHENTICATION: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// State of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Held down by the operator.
    AdminDown,
    /// Nothing is heard, or the session has just been created.
    #[default]
    Down,
    /// The remote system is heard, and may not hear us yet.
    Init,
    /// Both hear each other.
    Up,
}

impl State {
    fn from_bits(flags: u8) -> Self {
        match flags >> 6 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }

    fn bits(self) -> u8 {
        let value = match self {
            Self::AdminDown => 0,
            Self::Down => 1,
            Self::Init => 2,
            Self::Up => 3,
        };
        value << 6
    }
}

/// In FRR's words.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AdminDown => "shutdown",
            Self::Down => "down",
            Self::Init => "init",
            Self::Up => "up",
        })
    }
}

/// Why a session last changed state: five bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Diagnostic(u8);

impl Diagnostic {
    /// No Diagnostic.
    pub const NONE: Self = Self(0);
    /// Control Detection Time Expired.
    pub const DETECTION_TIME_EXPIRED: Self = Self(1);
    /// Neighbor Signaled Session Down.
    pub const NEIGHBOR_SIGNALED_DOWN: Self = Self(3);
    /// Path Down.
    pub const PATH_DOWN: Self = Self(5);
    /// Administratively Down.
    pub const ADMINISTRATIVELY_DOWN: Self = Self(7);

    /// From its number, of which five bits count.
    pub fn new(code: u8) -> Self {
        Self(code & 0x1f)
    }

    /// Its number.
    pub fn code(self) -> u8 {
        self.0
    }
}

/// In FRR's words.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "ok",
            1 => "control detection time expired",
            2 => "echo function failed",
            3 => "neighbor signaled session down",
            4 => "forwarding plane reset",
            5 => "path down",
            6 => "concatenated path down",
            7 => "administratively down",
            8 => "reverse concatenated path down",
            code => return write!(f, "reserved ({code})"),
        })
    }
}

/// An interval on the wire: microseconds in 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval(pub u32);

impl From<Duration> for Interval {
    /// What does not fit becomes the longest that does, an hour and eleven minutes.
    fn from(duration: Duration) -> Self {
        Self(u32::try_from(duration.as_micros()).unwrap_or(u32::MAX))
    }
}

impl From<Interval> for Duration {
    fn from(interval: Interval) -> Self {
        Self::from_micros(interval.0.into())
    }
}

/// One Control packet, without authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlPacket {
    /// Why the sender's session last changed state.
    pub diagnostic: Diagnostic,
    /// State of the sender's session.
    pub state: State,
    /// P: the sender asks for a packet with F.
    pub poll: bool,
    /// F: the answer to a packet with P.
    pub finished: bool,
    /// C: the sender's BFD goes on when its control plane does not.
    pub control_plane_independent: bool,
    /// D: the sender asks for silence once both sides are up.
    pub demand: bool,
    /// The sender is declared down after so many of its packets are missing.
    pub detect_multiplier: u8,
    /// The sender's own discriminator of the session.
    pub my_discriminator: u32,
    /// What the sender has heard as ours; zero: nothing yet.
    pub your_discriminator: u32,
    /// The shortest interval at which the sender wants to send.
    pub desired_min_tx: Interval,
    /// The shortest interval at which the sender can receive; zero: send it nothing.
    pub required_min_rx: Interval,
    /// The shortest interval at which the sender can receive echo packets; zero: it takes none.
    pub required_min_echo_rx: Interval,
}

/// Does a packet carry an authentication section?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// No.
    Absent,
    /// Yes; what it says is not read.
    Present,
}

/// Why a datagram was discarded, in the order in which RFC 5880 §6.8.6 checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum Discard {
    /// It has come through a router (RFC 5881 §5), or through too many (RFC 5883 §5).
    #[error("TTL too low")]
    Ttl,
    /// Not version 1.
    #[error("wrong version")]
    Version,
    /// Less than the fixed part.
    #[error("too short")]
    TooShort,
    /// It says that it is longer than the datagram.
    #[error("longer than its datagram")]
    TooLong,
    /// Detect Mult is zero.
    #[error("detect multiplier zero")]
    Multiplier,
    /// The M bit is set.
    #[error("multipoint bit set")]
    Multipoint,
    /// My Discriminator is zero.
    #[error("no discriminator of the sender")]
    MyDiscriminator,
    /// Your Discriminator is none of ours.
    #[error("unknown discriminator")]
    UnknownDiscriminator,
    /// Your Discriminator is zero, but the sender claims to hear us.
    #[error("no discriminator of ours in a session that is coming up")]
    YourDiscriminator,
    /// No session with this sender.
    #[error("no session with the sender")]
    UnknownSender,
    /// It is authenticated, which no session here is.
    #[error("authenticated")]
    Authenticated,
    /// The operator holds the session down.
    #[error("session administratively down")]
    AdminDown,
}

impl ControlPacket {
    /// Octets of an encoded packet.
    pub const LEN: usize = LENGTH as usize;

    /// Reads the payload of a datagram. What follows the packet's own length is not looked at.
    ///
    /// # Errors
    /// The checks of RFC 5880 §6.8.6 that need no session.
    pub fn decode(payload: &[u8]) -> Result<(Self, Authentication), Discard> {
        let [first, flags, detect_multiplier, length, rest @ ..] = payload else {
            return Err(Discard::TooShort);
        };
        if first >> 5 != VERSION {
            return Err(Discard::Version);
        }
        let authentication = match flags & AUTHENTICATION {
            0 => Authentication::Absent,
            _ => Authentication::Present,
        };
        let least = match authentication {
            Authentication::Absent => LENGTH,
            Authentication::Present => LENGTH_AUTHENTICATED,
        };
        if *length < least {
            return Err(Discard::TooShort);
        }
        if usize::from(*length) > payload.len() {
            return Err(Discard::TooLong);
        }
        if *detect_multiplier == 0 {
            return Err(Discard::Multiplier);
        }
        if flags & MULTIPOINT != 0 {
            return Err(Discard::Multipoint);
        }
        let [
            my_discriminator,
            your_discriminator,
            desired,
            required,
            echo,
        ] = words(rest).ok_or(Discard::TooShort)?;
        if my_discriminator == 0 {
            return Err(Discard::MyDiscriminator);
        }
        let packet = Self {
            diagnostic: Diagnostic::new(*first),
            state: State::from_bits(*flags),
            poll: flags & POLL != 0,
            finished: flags & FINAL != 0,
            control_plane_independent: flags & CONTROL_PLANE_INDEPENDENT != 0,
            demand: flags & DEMAND != 0,
            detect_multiplier: *detect_multiplier,
            my_discriminator,
            your_discriminator,
            desired_min_tx: Interval(desired),
            required_min_rx: Interval(required),
            required_min_echo_rx: Interval(echo),
        };
        Ok((packet, authentication))
    }

    /// The packet as octets.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut octets = [0; Self::LEN];
        let mut out = &mut octets[..];
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        out.put_u8(VERSION << 5 | self.diagnostic.code());
        out.put_u8(
            self.state.bits()
                | flag(self.poll, POLL)
                | flag(self.finished, FINAL)
                | flag(self.control_plane_independent, CONTROL_PLANE_INDEPENDENT)
                | flag(self.demand, DEMAND),
        );
        out.put_u8(self.detect_multiplier);
        out.put_u8(LENGTH);
        out.put_u32(self.my_discriminator);
        out.put_u32(self.your_discriminator);
        out.put_u32(self.desired_min_tx.0);
        out.put_u32(self.required_min_rx.0);
        out.put_u32(self.required_min_echo_rx.0);
        octets
    }
}

/// The five 32-bit fields after the first four octets.
fn words(mut input: &[u8]) -> Option<[u32; 5]> {
    let mut words = [0; 5];
    for word in &mut words {
        (input, *word) = be_u32::<_, ()>(input).ok()?;
    }
    Some(words)
}
