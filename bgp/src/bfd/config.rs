//! What a session is between, and how it shall run.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

/// The shortest interval that may be asked for, in either direction.
const SHORTEST: Duration = Duration::from_millis(10);

/// The longest.
const LONGEST: Duration = Duration::from_secs(60);

/// Between what a session runs. Sessions with one remote system are told apart by the rest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    /// The other end.
    pub remote: IpAddr,
    /// Our end; the kernel's choice if absent.
    pub local: Option<IpAddr>,
    /// The interface it is bound to; needed for a link-local address.
    pub interface: Option<Arc<str>>,
    /// There may be routers between the ends (RFC 5883).
    pub multihop: bool,
}

impl SessionKey {
    /// A session with a system on the link.
    pub fn single_hop(remote: IpAddr) -> Self {
        Self {
            remote,
            local: None,
            interface: None,
            multihop: false,
        }
    }

    /// A session with a system any number of hops away.
    pub fn multihop(remote: IpAddr) -> Self {
        Self {
            multihop: true,
            ..Self::single_hop(remote)
        }
    }

    /// The same, on this interface.
    #[must_use]
    pub fn on(mut self, interface: &str) -> Self {
        self.interface = Some(interface.into());
        self
    }

    /// The same, from this address.
    #[must_use]
    pub fn from(mut self, local: IpAddr) -> Self {
        self.local = Some(local);
        self
    }

    /// Can there be such a session?
    ///
    /// # Errors
    /// Ends that do not fit together.
    pub fn check(&self) -> Result<(), KeyError> {
        let remote = self.remote;
        if remote.is_unspecified() || remote.is_multicast() {
            return Err(KeyError::NotUnicast { remote });
        }
        if let Some(local) = self.local
            && local.is_ipv4() != remote.is_ipv4()
        {
            return Err(KeyError::Families { local, remote });
        }
        if is_link_local(remote) {
            if self.interface.is_none() {
                return Err(KeyError::NoInterface { remote });
            }
            if self.multihop {
                return Err(KeyError::LinkLocalMultihop { remote });
            }
        }
        Ok(())
    }
}

impl std::fmt::Display for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.remote)?;
        if let Some(interface) = &self.interface {
            write!(f, "%{interface}")?;
        }
        if let Some(local) = self.local {
            write!(f, " from {local}")?;
        }
        if self.multihop {
            f.write_str(" multihop")?;
        }
        Ok(())
    }
}

/// An IPv6 address that means nothing without its interface.
fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// Why there cannot be a session between these ends.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The remote address is no system's.
    #[error("{remote} is not the address of one system: BFD needs a unicast address")]
    NotUnicast {
        /// The address.
        remote: IpAddr,
    },
    /// One end is IPv4 and the other IPv6.
    #[error("BFD from {local} to {remote}: give both ends an address of the same family")]
    Families {
        /// Our end.
        local: IpAddr,
        /// The other.
        remote: IpAddr,
    },
    /// A link-local address without its interface.
    #[error("{remote} is link-local: name the interface it is on")]
    NoInterface {
        /// The address.
        remote: IpAddr,
    },
    /// A link-local address behind a router.
    #[error(
        "{remote} is link-local and cannot be several hops away: take multihop off this neighbour"
    )]
    LinkLocalMultihop {
        /// The address.
        remote: IpAddr,
    },
}

/// How a session shall run. The names and defaults are those of FRR's profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// The shortest interval at which we want to send, once the session is up.
    pub transmit_interval: Duration,
    /// The shortest interval at which we can receive.
    pub receive_interval: Duration,
    /// The remote system declares us down after so many of our packets are missing.
    pub detect_multiplier: u8,
    /// Say nothing before the remote system does (RFC 5880 §6.1).
    pub passive: bool,
    /// Of a multihop session: what has crossed more routers than this leaves is discarded (RFC 5883 §5).
    pub minimum_ttl: u8,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            transmit_interval: Duration::from_millis(300),
            receive_interval: Duration::from_millis(300),
            detect_multiplier: 3,
            passive: false,
            minimum_ttl: 254,
        }
    }
}

impl SessionConfig {
    /// The defaults, at this interval both ways and with this multiplier.
    pub fn every(interval: Duration, detect_multiplier: u8) -> Self {
        Self {
            transmit_interval: interval,
            receive_interval: interval,
            detect_multiplier,
            ..Self::default()
        }
    }

    /// Can a session run so?
    ///
    /// # Errors
    /// A value outside its bounds.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (what, interval) in [
            ("transmit", self.transmit_interval),
            ("receive", self.receive_interval),
        ] {
            if !(SHORTEST..=LONGEST).contains(&interval) {
                return Err(ConfigError::Interval { what, interval });
            }
        }
        if self.detect_multiplier == 0 {
            return Err(ConfigError::Multiplier);
        }
        if self.minimum_ttl == 0 {
            return Err(ConfigError::MinimumTtl);
        }
        Ok(())
    }
}

/// Why a session cannot run as configured.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// An interval out of bounds.
    #[error("BFD {what} interval of {interval:?}: must be {SHORTEST:?} to {LONGEST:?}")]
    Interval {
        /// Which one.
        what: &'static str,
        /// Its value.
        interval: Duration,
    },
    /// A detect multiplier of zero.
    #[error("BFD detect multiplier 0: must be 1 to 255, 3 is usual")]
    Multiplier,
    /// A minimum TTL of zero, which checks nothing.
    #[error("BFD minimum TTL 0: must be 1 to 255")]
    MinimumTtl,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_that_do_not_fit_are_refused() {
        let link_local: IpAddr = "fe80::1".parse().unwrap();
        let v4: IpAddr = "192.0.2.1".parse().unwrap();
        let key = SessionKey::single_hop;
        assert_eq!(key(link_local).on("eth0").check(), Ok(()));
        assert!(matches!(
            key(link_local).check(),
            Err(KeyError::NoInterface { .. })
        ));
        let far = SessionKey::multihop(link_local).on("eth0");
        assert!(matches!(
            far.check(),
            Err(KeyError::LinkLocalMultihop { .. })
        ));
        assert!(matches!(
            key(v4).from(link_local).check(),
            Err(KeyError::Families { .. })
        ));
        let any = "0.0.0.0".parse().unwrap();
        assert!(matches!(key(any).check(), Err(KeyError::NotUnicast { .. })));
    }

    #[test]
    fn values_out_of_bounds_are_refused_with_the_bounds() {
        let config = SessionConfig::default();
        assert_eq!(config.check(), Ok(()));
        let slow = SessionConfig::every(Duration::from_secs(61), 3);
        assert!(
            slow.check()
                .unwrap_err()
                .to_string()
                .contains("10ms to 60s")
        );
        assert!(
            SessionConfig::every(Duration::from_millis(9), 3)
                .check()
                .is_err()
        );
        assert!(
            SessionConfig::every(Duration::from_millis(50), 0)
                .check()
                .is_err()
        );
        assert!(
            SessionConfig {
                minimum_ttl: 0,
                ..config
            }
            .check()
            .is_err()
        );
    }
}
