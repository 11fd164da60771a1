//! What each [`Code`] means, and what to do: the table of docs/codes.md.

use super::Code;

macro_rules! codes {
    ($($variant:ident $name:literal $meaning:literal $remedy:literal)+) => {
        impl Code {
            /// Every code, in the order of docs/codes.md.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name, as `plan --json` writes it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Its line in the table of docs/codes.md.
            pub fn line(self) -> String {
                match self {
                    $(Self::$variant => concat!("| `", $name, "` | ", $meaning, " | ", $remedy, " |")),+
                }.to_owned()
            }
        }
    };
}

codes! {
    ElsewhereBound "elsewhere-bound" "the port is bound to another host, or the gateway to another chassis, which exposes it" "nothing; if it should be here: `options:requested-chassis` of the port, the gateway's priorities"
    NotBound "not-bound" "bound to no host, or hosted by no chassis" "start the VM; for a gateway: is ovn-controller up on its chassis?"
    PortDown "port-down" "`up` of the port is not true" "is the VM running, and ovn-controller on its host? Behind a router interface: is the router bound?"
    PortDisabled "port-disabled" "`enabled` of the port is false" "`openstack port set --enable`"
    NeverClaimed "never-claimed" "a virtual port (a VIP) that no parent has ever claimed" "the VM that holds it must announce it (gratuitous ARP)"
    PhysicalNetworkNotMapped "physical-network-not-mapped" "this node's `ovn-bridge-mappings` do not have the network's physical network" "map it, if the node has the bridge; compare the spelling"
    TenantNetworksDisabled "tenant-networks-disabled" "`expose_tenant_networks` is off" "set it, if tenant networks are to be reached without floating IPs"
    NotRouted "not-routed" "the tenant network, or this address of it, is on no router" "`openstack router add subnet`"
    NoGateway "no-gateway" "the router has no gateway port, or none on a provider network that is mapped here" "`openstack router set --external-gateway`"
    GatewayElsewhere "gateway-elsewhere" "the router's gateway is on another chassis, which exposes what is behind it, or on none" "nothing; `explain` names the chassis"
    GatewayAddress "gateway-address" "stretched L2: the network's router address is the gateway's own, so it needs no route" "nothing"
    NoNextHop "no-next-hop" "the router's gateway has no address of this family" "give the external network a subnet of the family"
    RouterDisabled "router-disabled" "`enabled` of the router, or of its port, is false" "`openstack router set --enable`"
    AddressScope "address-scope" "`address_scopes` does not list the scope of its subnet" "add the scope, or a subnet pool with that scope; `check` compares the list with OVN"
    NotGlobal "not-global" "`expose_ipv6_gua_tenant_networks` alone is on, and this is no global IPv6 address" "`expose_tenant_networks` exposes all"
    BehindSnat "behind-snat" "`require_snat_disabled_for_tenant_networks` is on, and the router hides the address behind SNAT" "`openstack router set --external-gateway NETWORK --disable-snat`"
    SubnetAdvertised "subnet-advertised" "`advertisement_method_tenant_networks = subnet`: the subnet is advertised in its place" "see the subnet's own line"
    FipWithoutMac "fip-without-mac" "a distributed floating IP without `external_mac`: its VM is down" "start the VM"
    FipWithoutNetwork "fip-without-network" "nothing says which network a floating IP is of" "`neutron-ovn-db-sync-util`, which writes `neutron:fip_network_id`"
    VipPortMissing "vip-port-missing" "the port of a load balancer's VIP is not in the database" "is the load balancer being made, or half deleted?"
    BalancerDisabled "balancer-disabled" "a load balancer that is disabled, or has no listener with members" "`openstack loadbalancer set --enable`; add a listener and a member"
    NoSingleMemberHere "no-single-member-here" "a load balancer without router that has not exactly one member, up and here" "put its network on a router"
    NoVni "no-vni" "EVPN: its network (or, with ovn_evpn_driver, its router's port) is in no VNI, or in none that this method exposes" "set `neutron_bgpvpn:type` (`l3`, `l2`) and `neutron_bgpvpn:vni` in `external_ids` of its `Logical_Switch` (ovn_evpn_driver: `neutron_bgpvpn:vni` and `neutron_bgpvpn:as` of the router's ports), or choose another `exposing_method`"
    VniUnusable "vni-unusable" "EVPN: what the network's row says of its VNI cannot be read, or contradicts another network of the VNI" "the reason names row, key and value: correct them"
    BehindStretched "behind-stretched" "behind a router whose gateway is on a stretched network (`l2`), which has MAC addresses and no routes" "give the router a gateway on a network of type `l3`"
    NoMac "no-mac" "nothing says which MAC address has it on the stretched network" "for a virtual port: `Port_Binding.virtual_parent` must name a port that is up on its host; without OVN_Southbound, exactly one of its `virtual-parents` must be up there"
    AddressTaken "address-taken" "DHCP tells ports that it is their router, and a router's interface in OVN has it" "nothing: that router is it"
    VniMismatch "vni-mismatch" "EVPN: VNI and AS of the router interface are not those of the gateway, or those of another gateway of the VNI" "the same `neutron_bgpvpn:vni` and `neutron_bgpvpn:as` on both ports; a VNI of its own for another tenant"
    Policy "policy" "a policy says not to advertise it ([policy.md](policy.md))" "the reason names the object or the rule"
    NotSupported "not-supported" "such objects are not exposed" "the reason says why, and what would be needed"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_code_is_called_as_plan_json_writes_it() {
        for code in Code::ALL {
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(json, format!("\"{}\"", code.name()));
        }
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
