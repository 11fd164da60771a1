//! What a session is made with: options of `[bgp]`, of groups, of neighbours and of listen ranges alike.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bgp::AllowAsIn;

use crate::config::Secret;
use crate::config::choice::{Bfd, Families, PolicyName, Prefixes, RemoteAs, UpdateSource};
use crate::config::kind::*;
use crate::config::table::{At, Row, row};

/// A struct of options each of which may be unset, and then comes from a section further out.
macro_rules! layer {
    ($(#[$meta:meta])* $name:ident { $($field:ident: $value:ty),+ $(,)? }) => {
        $(#[$meta])*
        // No Debug: it holds a password.
        #[derive(Clone, Default)]
        pub(in crate::config) struct $name { $(pub(in crate::config) $field: Option<$value>),+ }

        impl $name {
            /// What is unset here is as in `outer`.
            fn or(self, outer: &Self) -> Self {
                Self { $($field: self.$field.or_else(|| outer.$field.clone())),+ }
            }
        }
    };
}

layer! {
    /// The options of one section.
    SessionDraft {
        remote_as: RemoteAs,
        local_as: u32,
        local_as_prepend: bool,
        local_as_replace: bool,
        password: Secret,
        passive: bool,
        update_source: UpdateSource,
        bind_device: String,
        multihop: u8,
        ttl_security: u8,
        hold_time: Duration,
        keepalive_time: Duration,
        connect_retry_time: Duration,
        idle_hold_time: Duration,
        send_hold_time: Duration,
        families: Families,
        next_hop_ipv4: Ipv4Addr,
        next_hop_ipv6: Ipv6Addr,
        import_prefixes: Prefixes,
        import_prefixes_ipv4: Prefixes,
        import_prefixes_ipv6: Prefixes,
        import_prefixes_evpn: Prefixes,
        import_policy: PolicyName,
        import_policy_ipv4: PolicyName,
        import_policy_ipv6: PolicyName,
        import_policy_evpn: PolicyName,
        export_prefixes: Prefixes,
        export_prefixes_ipv4: Prefixes,
        export_prefixes_ipv6: Prefixes,
        export_prefixes_evpn: Prefixes,
        export_policy: PolicyName,
        export_policy_ipv4: PolicyName,
        export_policy_ipv6: PolicyName,
        export_policy_evpn: PolicyName,
        allowas_in: AllowAsIn,
        accept_as_sets: bool,
        max_prefixes: usize,
        max_prefixes_warn: u8,
        max_prefixes_warn_only: bool,
        max_prefixes_restart: Duration,
        add_path: bool,
        extended_messages: bool,
        extended_next_hop: bool,
        graceful_restart_helper: bool,
        long_lived_stale_time: Duration,
        bfd: Bfd,
    }
}

impl SessionDraft {
    /// The options of a section inside `outer`, which decides what is unset here. A general option
    /// here beats a family's further out, one bound of distance the other, and a hold time brings its own
    /// keepalive time.
    pub(in crate::config) fn within(mut self, outer: &Self) -> Self {
        for (specific, general) in [
            (&mut self.import_prefixes_ipv4, &self.import_prefixes),
            (&mut self.import_prefixes_ipv6, &self.import_prefixes),
            (&mut self.export_prefixes_ipv4, &self.export_prefixes),
            (&mut self.export_prefixes_ipv6, &self.export_prefixes),
        ] {
            *specific = specific.take().or_else(|| general.clone());
        }
        // Hosts out and defaults in are meant for the node, and a list names its prefixes; all and nothing mean what
        // they say.
        for (evpn, general) in [
            (&mut self.import_prefixes_evpn, &self.import_prefixes),
            (&mut self.export_prefixes_evpn, &self.export_prefixes),
        ] {
            let general = general.as_ref();
            let meant = general.filter(|word| matches!(word, Prefixes::Any | Prefixes::None));
            *evpn = evpn.take().or_else(|| meant.cloned());
        }
        for (specific, general) in [
            (&mut self.import_policy_ipv4, &self.import_policy),
            (&mut self.import_policy_ipv6, &self.import_policy),
            (&mut self.import_policy_evpn, &self.import_policy),
            (&mut self.export_policy_ipv4, &self.export_policy),
            (&mut self.export_policy_ipv6, &self.export_policy),
            (&mut self.export_policy_evpn, &self.export_policy),
        ] {
            *specific = specific.take().or_else(|| general.clone());
        }
        let mut outer = outer.clone();
        if self.multihop.is_some() || self.ttl_security.is_some() {
            outer.multihop = None;
            outer.ttl_security = None;
        }
        if self.hold_time.is_some() {
            outer.keepalive_time = None;
        }
        self.or(&outer)
    }
}

/// A row of a field of the draft.
macro_rules! session_row {
    ($name:ident, $default:expr, $kind:expr, $meaning:literal) => {
        row(
            stringify!($name),
            $default,
            &At($kind, |s: &mut SessionDraft| &mut s.$name),
            $meaning,
        )
    };
}

/// The options. The defaults are those of `[bgp]`.
pub(in crate::config) const SESSION: &[Row<SessionDraft>] = &[
    session_row!(
        remote_as,
        Some("auto"),
        PeerAs,
        "AS number of the neighbour: internal is ours, external any other, auto whatever it says"
    ),
    session_row!(
        local_as,
        None,
        AsNumber,
        "another AS number than ours, shown to the neighbour; unset is ours"
    ),
    session_row!(
        local_as_prepend,
        Some("true"),
        Flag,
        "put local_as in front of the paths it teaches (off is FRR's no-prepend)"
    ),
    session_row!(
        local_as_replace,
        Some("false"),
        Flag,
        "send paths without our own AS number behind local_as (FRR's replace-as)"
    ),
    session_row!(
        password,
        None,
        Password,
        "TCP-MD5 key (RFC 2385); no comment may follow it and '$' is an ordinary character"
    ),
    session_row!(
        passive,
        Some("false"),
        Flag,
        "wait for the neighbour to connect"
    ),
    session_row!(
        update_source,
        None,
        Source,
        "local address of the session, or the device that has it"
    ),
    session_row!(
        bind_device,
        None,
        Device,
        "interface or VRF that connections to the neighbour leave by, whatever the routes say"
    ),
    session_row!(
        multihop,
        None,
        Number(1, 255),
        "most hops to an eBGP neighbour; unset is 1"
    ),
    session_row!(
        ttl_security,
        None,
        Number(1, 254),
        "drop what comes from further away than so many hops (GTSM, RFC 5082)"
    ),
    session_row!(
        hold_time,
        Some("90"),
        HoldTime,
        "proposed hold time; a silent neighbour is lost after it"
    ),
    session_row!(
        keepalive_time,
        None,
        Seconds(1, 21845),
        "between two KEEPALIVEs; unset where hold_time is set is a third of the negotiated hold time"
    ),
    session_row!(
        connect_retry_time,
        Some("5"),
        Seconds(1, 3600),
        "between two attempts to connect"
    ),
    session_row!(
        idle_hold_time,
        Some("60"),
        Seconds(1, 3600),
        "longest pause after errors"
    ),
    session_row!(
        send_hold_time,
        Some("480"),
        Seconds(0, 65535),
        "reset a neighbour that reads nothing for so long (RFC 9687); 0 never does"
    ),
    session_row!(
        families,
        None,
        FamilyList,
        "address families offered; unset is ipv4-unicast, ipv6-unicast, and l2vpn-evpn where tenants' tables are exchanged: with ovn_evpn_driver, with exposing_method vrf, l2vni or dynamic, and with an [evpn_vni NAME]"
    ),
    session_row!(
        next_hop_ipv4,
        None,
        V4,
        "next hop of IPv4 routes; unset is the session's own address"
    ),
    session_row!(
        next_hop_ipv6,
        None,
        V6,
        "next hop of IPv6 routes; unset is the session's own address"
    ),
    session_row!(
        import_prefixes,
        Some("default-only"),
        PrefixSet,
        "prefixes the neighbour may teach"
    ),
    session_row!(
        import_prefixes_ipv4,
        None,
        PrefixSet,
        "the same for IPv4; unset is import_prefixes"
    ),
    session_row!(
        import_prefixes_ipv6,
        None,
        PrefixSet,
        "the same for IPv6; unset is import_prefixes"
    ),
    session_row!(
        import_prefixes_evpn,
        None,
        PrefixSet,
        "prefixes and host addresses of tenants that the neighbour may teach; unset is import_prefixes where that is set to any or none, else any"
    ),
    session_row!(
        import_policy,
        Some("any"),
        PolicyWord,
        "policy for what it teaches; a route must pass both this and import_prefixes"
    ),
    session_row!(
        import_policy_ipv4,
        None,
        PolicyWord,
        "the same for IPv4; unset is import_policy"
    ),
    session_row!(
        import_policy_ipv6,
        None,
        PolicyWord,
        "the same for IPv6; unset is import_policy"
    ),
    session_row!(
        import_policy_evpn,
        None,
        PolicyWord,
        "the same for EVPN; unset is import_policy"
    ),
    session_row!(
        export_prefixes,
        Some("host-only"),
        PrefixSet,
        "prefixes the neighbour is told: host-only is /32 and /128"
    ),
    session_row!(
        export_prefixes_ipv4,
        None,
        PrefixSet,
        "the same for IPv4; unset is export_prefixes"
    ),
    session_row!(
        export_prefixes_ipv6,
        None,
        PrefixSet,
        "the same for IPv6; unset is export_prefixes"
    ),
    session_row!(
        export_prefixes_evpn,
        None,
        PrefixSet,
        "prefixes and host addresses of tenants that the neighbour is told; unset is export_prefixes where that is set to any or none, else any"
    ),
    session_row!(
        export_policy,
        Some("any"),
        PolicyWord,
        "policy for what it is told; a route must pass both this and export_prefixes"
    ),
    session_row!(
        export_policy_ipv4,
        None,
        PolicyWord,
        "the same for IPv4; unset is export_policy"
    ),
    session_row!(
        export_policy_ipv6,
        None,
        PolicyWord,
        "the same for IPv6; unset is export_policy"
    ),
    session_row!(
        export_policy_evpn,
        None,
        PolicyWord,
        "the same for EVPN; unset is export_policy"
    ),
    session_row!(
        allowas_in,
        Some("false"),
        Allowance,
        "take routes with our own AS in their path: so often, or as their origin only"
    ),
    session_row!(
        accept_as_sets,
        Some("false"),
        Flag,
        "use routes with an AS_SET in their path, which RFC 9774 has treated as withdrawn"
    ),
    session_row!(
        max_prefixes,
        Some("200000"),
        Number(1, 10_000_000),
        "more than this, over all families, end the session (RFC 4486)"
    ),
    session_row!(
        max_prefixes_warn,
        Some("75"),
        Number(1, 100),
        "warn at so many percent of max_prefixes"
    ),
    session_row!(
        max_prefixes_warn_only,
        Some("false"),
        Flag,
        "only warn: what exceeds max_prefixes is not taken, and the session goes on"
    ),
    session_row!(
        max_prefixes_restart,
        Some("60"),
        Seconds(0, 65535 * 60),
        "come back so long after max_prefixes; 0 only when told to"
    ),
    session_row!(
        add_path,
        Some("true"),
        Flag,
        "take several paths to a prefix (RFC 7911)"
    ),
    session_row!(
        extended_messages,
        Some("true"),
        Flag,
        "offer messages of up to 65535 bytes (RFC 8654)"
    ),
    session_row!(
        extended_next_hop,
        None,
        Flag,
        "IPv4 routes with IPv6 next hops (RFC 8950); unset is true for neighbours by interface or link-local address"
    ),
    session_row!(
        graceful_restart_helper,
        Some("true"),
        Flag,
        "keep the neighbour's routes while it restarts (RFC 4724)"
    ),
    session_row!(
        long_lived_stale_time,
        Some("0"),
        Seconds(0, 16_777_215),
        "keep them as a last resort for as long as it asks, but no longer than this (RFC 9494); 0 does not"
    ),
    session_row!(
        bfd,
        Some("false"),
        BfdWord,
        "watch the path to the neighbour (RFC 5880), with the timers of a profile"
    ),
];
