//! Every code that a finding may have. Names are stable: scripts go by them, and docs/codes.md has each.

use serde::{Serialize, Serializer};

use crate::config::{Fault, Severity as OfConfig};

/// How much a finding matters. `check` exits 1 with any error or warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The agent does not start, or something it is for does not work.
    Error,
    /// It works, and not as it was meant.
    Warning,
    /// Worth knowing; nothing is to be done.
    Info,
}

impl Severity {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

impl From<OfConfig> for Severity {
    fn from(severity: OfConfig) -> Self {
        match severity {
            OfConfig::Error => Self::Error,
            OfConfig::Warning => Self::Warning,
        }
    }
}

macro_rules! codes {
    ($($variant:ident $name:literal $severity:literal $meaning:literal $remedy:literal)+) => {
        /// What a finding is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $meaning] $variant),+ }

        impl Code {
            /// Every code, in the order of docs/codes.md.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name, which stays.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Its line in the table of docs/codes.md.
            pub fn line(self) -> String {
                match self {
                    $(Self::$variant => concat!(
                        "| `", $name, "` | ", $severity, " | ", $meaning, " | ", $remedy, " |"
                    )),+
                }.to_owned()
            }

            /// How much it matters, in words: of a configuration's problem that depends.
            pub fn severity(self) -> &'static str {
                match self { $(Self::$variant => $severity),+ }
            }
        }
    };
}

codes! {
    ConfigUnreadable "config-unreadable" "error" "a file of the configuration cannot be read" "check path and permissions"
    ConfigSyntax "config-syntax" "warning" "a line is not what it seems: no `=`, no section, white space before it" "write it as the remedy says"
    ConfigUnknown "config-unknown" "warning" "a section or an option that does not exist; it is ignored" "remove it, or correct its name"
    ConfigRepeated "config-repeated" "warning" "an option is set twice in one file; the last counts" "remove one"
    ConfigValue "config-value" "error" "a value that the option does not take" "the remedy has what is allowed"
    ConfigReference "config-reference" "error" "`$name` stands for nothing" "write `$$` for a dollar sign"
    ConfigNotImplemented "config-not-implemented" "error" "a value that this version cannot honour" "the remedy names one that it can"
    ConfigNoEffect "config-no-effect" "warning" "an option that does nothing with this driver, exposing method or backend" "remove it, or choose what it is for ([drivers.md](drivers.md))"
    ConfigConflict "config-conflict" "error, warning" "two options contradict each other, or one is missing" "as the remedy says"
    ConfigFrr "config-frr" "warning" "a line of `frr_config` that cannot be expressed here" "[configuration.md](configuration.md), From FRR"

    CapabilityMissing "capability-missing" "error" "the process lacks a capability" "run as root, or add it to the unit"
    NotSeen "not-seen" "info" "something could not be looked at, so it was not judged" "run `check` as the agent's user, where the agent runs"
    ForwardingOff "forwarding-off" "error" "the kernel does not forward IPv4 or IPv6" "`sysctl -w`, and a file in /etc/sysctl.d"
    RpFilterStrict "rp-filter-strict" "warning" "strict reverse-path filtering on a device of ours, or on all: it drops what returns by another way" "2 (loose) or 0"
    Ipv6Disabled "ipv6-disabled" "warning" "IPv6 is off on a bridge: its IPv6 addresses cannot be wired" "`disable_ipv6` = 0"
    SysctlsReadOnly "sysctls-read-only" "error" "/proc/sys is read-only, and a bridge needs `proxy_arp` or `proxy_ndp`" "mount it writable, or set them at boot"
    KernelModuleMissing "kernel-module-missing" "error" "the kernel has no devices of a kind that the configuration needs" "install the module (`linux-modules-extra` on Ubuntu)"
    DeviceKind "device-kind" "error" "a device has a name that the agent uses, and is another kind of device" "rename or remove it, or choose another name (`bgp_vrf`)"
    NetworkManager "network-manager" "warning" "NetworkManager manages a device of ours, and will undo what it is given" "an `unmanaged-devices` line in /etc/NetworkManager/conf.d"
    RtTablesUnreadable "rt-tables-unreadable" "error" "/etc/iproute2/rt_tables cannot be read" "run as root; mount it into the container"
    RtTablesConflict "rt-tables-conflict" "error" "a table number is used for two things" "give one of them another number"
    RtTablesFull "rt-tables-full" "error" "no number of 1–252 is free for a bridge" "remove rows that nobody needs"

    DatabaseAway "database-away" "error, warning" "no server of a database answers (a warning for OVN_Southbound of `nb_ovn_bgp_driver`)" "start it, or correct the remote"
    DatabaseMemberAway "database-member-away" "warning" "a server of the list does not answer; others do" "start it, or remove it from the list"
    DatabaseDenied "database-denied" "error" "the permissions of a database's socket keep this user out" "join the group that is named, or run as root"
    DatabaseTls "database-tls" "error" "certificates, keys or the handshake of an `ssl:` remote" "the file and its fault are named"
    DatabaseRefused "database-refused" "error" "a server answers, and not as it should: another database, or it refuses a request" "correct the remote: its port may be another database's"
    RemoteMissing "remote-missing" "error, warning" "nothing says where an OVN database is" "`[ovn]`, or `external_ids` of Open vSwitch"
    OvnTooOld "ovn-too-old" "error, warning" "the server's schema lacks a column, or what the driver is for (`ovn_native` needs OVN 25.03)" "what that costs is named; upgrade OVN"
    ConditionsMissing "conditions-missing" "info" "the server sends all rows whatever is asked for" "an ovsdb-server from OVS 2.12 on"
    RowUnreadable "row-unreadable" "warning" "a row, or a value of it, that cannot be read; it is left out" "correct the column that is named"

    SystemIdMissing "system-id-missing" "error" "`external_ids:system-id` is not set: the agent does not know its chassis" "set it"
    HostnameMissing "hostname-missing" "warning" "`external_ids:hostname` is not set; the machine's name is used" "set it to the name in Neutron"
    HostnameDiffers "hostname-differs" "warning" "OVN knows this chassis by another hostname" "make them equal: restart ovn-controller after a change"
    HostnameSpelling "hostname-spelling" "error" "ports are bound to another spelling of this node's name, and none to its own" "set `external_ids:hostname` to the name in Neutron (its `host`)"
    ChassisMissing "chassis-missing" "error" "OVN_Southbound has no chassis with this node's system-id" "start ovn-controller; compare system-ids"
    BridgeMappingsMissing "bridge-mappings-missing" "warning" "`ovn-bridge-mappings` is not set: nothing is exposed" "set it"
    BridgeMappingMalformed "bridge-mapping-malformed" "warning" "an entry of `ovn-bridge-mappings` is not `network:bridge`; it is ignored" "correct it"
    BridgeMappingTwice "bridge-mapping-twice" "warning" "a physical network is mapped twice; the first counts" "remove one"
    BridgeMappingUnused "bridge-mapping-unused" "info" "no network of OVN is on a physical network that is mapped" "compare the spelling with Neutron's `physical_network`"
    BridgeMissing "bridge-missing" "error" "a mapped bridge does not exist in Open vSwitch" "`ovs-vsctl add-br`, or correct the mapping"
    BridgeDeviceMissing "bridge-device-missing" "error" "Open vSwitch has the bridge, this kernel (or namespace) has no device of that name" "run in the host's network namespace; see the Interface's `error`"
    BridgeIsLinux "bridge-is-linux" "error" "a Linux bridge has the name of the OVS bridge" "`ip link delete`, then restart Open vSwitch"
    BridgeDown "bridge-down" "warning" "a mapped bridge is down; the agent sets it up" "set it up at boot"
    BridgeMtu "bridge-mtu" "warning" "a bridge's MTU is below that of a network on it" "raise it: large packets are dropped"

    VtepMissing "vtep-missing" "error, info" "there is no address for VXLAN tunnels (with `ovn_native` an error once a router has a VNI)" "`evpn_local_ip`, or `evpn_nic`"
    VtepForeign "vtep-foreign" "error" "no device of this node has the address of the VTEP" "correct `evpn_local_ip`, or give the address to `lo`"
    VxlanPortTaken "vxlan-port-taken" "error" "somebody else has the UDP port of VXLAN" "another `evpn_udp_dstport` on all nodes, or Geneve instead of VXLAN in OVN"
    VniTaken "vni-taken" "warning" "a VXLAN device that is not the agent's has a VNI on the same UDP port" "remove it, or do not give that VNI to a network"
    UnderlayMtu "underlay-mtu" "warning" "packets of a network of a VNI do not fit through a device to the fabric with the VXLAN header (50 octets, 70 where the VTEP is an IPv6 address) around them" "raise the MTU of that device and of the fabric, or lower `neutron:mtu` of the network"

    AddressScopeUnknown "address-scope-unknown" "warning" "no router port of OVN has an address scope that is configured" "compare with `openstack address scope list`, character by character"
    OverlappingSubnets "overlapping-subnets" "warning" "tenant subnets that are exposed here overlap" "`address_scopes`, or a policy ([policy.md](policy.md))"
    ExposedTwice "exposed-twice" "warning" "one address is exposed for two ports" "see `explain`"
    FipModeUnset "fip-mode-unset" "info" "`neutron:fip-distributed` is not in NB_Global; floating IPs count as distributed" "start neutron-server: its maintenance task writes it"

    RouterIdMissing "router-id-missing" "error" "no BGP router-id is set, and no device has an IPv4 address to take" "set `bgp_router_id`"
    NeighborInterfaceMissing "neighbor-interface-missing" "warning" "the device of a neighbour does not exist, or is down" "create it, or correct `interface`"
    BgpPortTaken "bgp-port-taken" "error" "somebody else listens on the BGP port" "stop FRR, or choose a `bgp_backend` that lives beside it"
    BfdPortTaken "bfd-port-taken" "error" "somebody else has BFD's port" "stop FRR's bfdd"
    FrrBeside "frr-beside" "warning" "FRR's bgpd runs, and `bgp_backend` is `embedded`" "stop it, or set `bgp_backend`"
    FrrAway "frr-away" "error" "FRR has a part, and its bgpd does not answer" "start it with bgpd=yes"
    FrrDenied "frr-denied" "error" "FRR's sockets may not be used" "join the group `frrvty`"
    FrrVtysh "frr-vtysh" "error" "vtysh cannot be run" "install it, or set `frr_vtysh`"
    FrrConfiguration "frr-configuration" "error" "FRR's running configuration does not fit" "[operating.md](operating.md), Beside an existing FRR"
    PythonAgent "python-agent" "warning" "the Python agent runs on this node" "stop it before this one starts"
    PythonLeftover "python-leftover" "info" "a device that the Python agent made" "nothing: the agent removes it once a neighbour is Established"
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl From<&Fault> for Code {
    fn from(fault: &Fault) -> Self {
        match fault {
            Fault::Unreadable(_) => Self::ConfigUnreadable,
            Fault::BadSection(_)
            | Fault::NoSeparator(_)
            | Fault::NoKey
            | Fault::NoSection
            | Fault::Indented => Self::ConfigSyntax,
            Fault::UnknownSection | Fault::UnknownOption { .. } => Self::ConfigUnknown,
            Fault::Repeated { .. } => Self::ConfigRepeated,
            Fault::Value { .. } => Self::ConfigValue,
            Fault::UnknownReference(_) | Fault::BadReference(_) => Self::ConfigReference,
            Fault::NotImplemented(..) => Self::ConfigNotImplemented,
            Fault::NoEffect(_) => Self::ConfigNoEffect,
            Fault::Conflict(..) => Self::ConfigConflict,
            Fault::Unsaid(_) => Self::ConfigFrr,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_a_name_of_its_own_in_kebab_case() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        let kebab = |name: &str| {
            name.chars()
                .all(|c| c == '-' || c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        assert!(names.iter().all(|name| kebab(name)), "{names:?}");
    }

    #[test]
    fn a_severity_is_a_word_or_several() {
        let known = ["error", "warning", "info"];
        for code in Code::ALL {
            let mut words = code.severity().split(", ");
            assert!(words.all(|word| known.contains(&word)), "{}", code.name());
        }
    }
}
