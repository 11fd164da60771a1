//! What may leave: the export filters of a host.

use ipnet::IpNet;

/// True for an IPv4 /32 and an IPv6 /128, the only prefixes a host owns.
pub fn is_host_prefix(prefix: &IpNet) -> bool {
    prefix.prefix_len() == prefix.max_prefix_len()
}

/// What a peer may be told.
///
/// Only originated routes are ever offered to it: a host is no transit router, so what one peer
/// taught is not repeated to another, whatever this policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportPolicy {
    /// Let only /32 and /128 leave: a node that leaked a default or a tenant's subnet would attract
    /// the traffic of others.
    pub host_prefixes_only: bool,
}

impl ExportPolicy {
    /// The verdict on one originated prefix.
    pub fn permits(self, prefix: &IpNet) -> bool {
        !self.host_prefixes_only || is_host_prefix(prefix)
    }
}

impl Default for ExportPolicy {
    fn default() -> Self {
        Self {
            host_prefixes_only: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn only_full_length_prefixes_are_host_prefixes() {
        assert!(is_host_prefix(&net("192.0.2.1/32")));
        assert!(is_host_prefix(&net("2001:db8::1/128")));
        assert!(!is_host_prefix(&net("192.0.2.0/31")));
        assert!(!is_host_prefix(&net("2001:db8::/32")));
        assert!(!is_host_prefix(&net("0.0.0.0/0")));
    }

    #[test]
    fn the_default_policy_lets_only_host_prefixes_leave() {
        assert!(ExportPolicy::default().permits(&net("192.0.2.1/32")));
        assert!(!ExportPolicy::default().permits(&net("0.0.0.0/0")));
        let open = ExportPolicy {
            host_prefixes_only: false,
        };
        assert!(open.permits(&net("192.0.2.0/24")));
    }
}
