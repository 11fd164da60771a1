//! OVN 25.03 with its own dynamic routing (`driver = ovn_native`).

mod advertises;
mod learns;

use std::path::Path;

use interop::ovn::{Central, Chassis, Identity};
use interop::{Generation, Namespace, Place};

/// A router with dynamic routing: its gateway 172.24.4.10 on a provider network, a tenant's network behind it.
const ROUTER: &[&str] = &[
    "ls-add provider",
    "lsp-add provider ln -- lsp-set-type ln localnet -- lsp-set-addresses ln unknown \
     -- lsp-set-options ln network_name=physnet1",
    "ls-add tenant",
    "lr-add router",
    "lrp-add router lrp-gw 02:00:00:00:00:01 172.24.4.10/24 2001:db8:4::10/64",
    "lrp-add router lrp-in 02:00:00:00:00:02 10.0.0.1/24 fd00::1/64",
    "lsp-add provider gw -- lsp-set-type gw router -- lsp-set-addresses gw router \
     -- lsp-set-options gw router-port=lrp-gw",
    "lsp-add tenant in -- lsp-set-type in router -- lsp-set-addresses in router \
     -- lsp-set-options in router-port=lrp-in",
    "lrp-set-gateway-chassis lrp-gw chassis-1 10",
    "set Logical_Router router options:dynamic-routing=true \
     options:dynamic-routing-redistribute=connected",
];

/// The databases with the router in them, and the one chassis.
fn cloud(dir: &Path, node: &Namespace) -> (Central, Chassis) {
    let place = Place::host().with(Generation::Trixie);
    let central = Central::start(&place, dir).unwrap();
    let identity = Identity {
        hostname: "host-1",
        system_id: "chassis-1",
        encap_ip: "127.0.0.1",
        mappings: "physnet1:br-ex",
        gateway: true,
    };
    let place = Place::inside(node).with(Generation::Trixie);
    let remote = central.southbound.unix();
    let chassis = Chassis::start(&place, &dir.join("chassis"), &remote, &identity).unwrap();
    for line in ROUTER {
        central.nbctl_line(line).unwrap();
    }
    (central, chassis)
}
