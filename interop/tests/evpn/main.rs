//! Tenants over VXLAN, with packets: two OVN nodes with our agent and a VTEP that has nothing but FRR. Each test boots a virtual machine (its
//! kernel has VRF), and plays itself in it.

mod adopted;
mod adopted_southbound;
mod bridged;
mod dynamic;
mod frr;
mod left;
mod measured;
mod monitor;
mod native;
mod routed;
mod routers;
mod southbound;
mod stage;
