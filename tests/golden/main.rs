//! Nodes that the Python agent 4.0.0 left behind (Debian 13, FRR 10.3, tenant networks exposed): what ours wishes for the same
//! databases is what is there, object by object. Where it is not, the test says so and why:
//!
//! | the Python agent | ours | why |
//! | --- | --- | --- |
//! | rules of tenant subnets keep the host bits, `to 10.10.0.1/24` | `to 10.10.0.0/24` | the kernel matches the same; such a rule is adopted as it is (decision 66) |
//! | NDP is answered for `2001:db8:100::` | and for `2001:db8:100::1` | VMs send to whichever the subnet has for gateway (decision 19) |
//! | `169.254.0.1`, `fd53:…::1`, on bridges only | `169.254.1.1`, `fd53:…::1:1`, and on VLAN devices | as its later versions number them (upstream.md 3.0.1) |
//! | `fd53:…::1` is announced by `redistribute connected` | never announced | it is nobody's to reach |
//! | with SB no permanent neighbours but the gateway's | the same | OVN answers ARP for the rest (decision 88) |
//! | stretched L2 tells `172.24.4.0/24` with the node as next hop | with the gateway's address, from our speaker | the node cannot deliver there (decision 86) |
//!
//! | method `vrf`: what a VRF has no route to goes by the main table | nowhere | tenants leak (upstream.md 7.1, D41) |
//! | … no NDP is answered for static gateways | it is | VMs send to whichever the subnet has for gateway |
//! | `ovn_evpn_driver`: hosts are addresses of `lo-1001` | routes by way of their gateway | the kernel would take what is for them (docs/decisions.md) |
//! | … `vxlan-1001` learns, and neighbours are not suppressed | it does not, and they are | as in method `vrf` |
//!
//! Every other object is compared and must be equal. `tests/fixtures/README.md` tells where the files are from.

mod addresses;
mod left;
#[path = "../notation/mod.rs"]
mod notation;
mod ours;
mod stretched;
mod tenants;
mod wiring;
