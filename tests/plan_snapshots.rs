//! Proof 1 of the spine, up to the decision: databases that a real Neutron wrote, served by real
//! ovsdb-servers and read through the client, make each node expose what `expected.json` says.

mod snapshot;

use std::path::Path;
use std::time::Duration;

use interop::ovsdb::OvsdbServer;
use interop::{Need, Place, require};
use ovn_bgp_agent::exposure::Node;
use ovn_bgp_agent::exposure::northbound::{Inputs, decide};
use ovn_bgp_agent::ovn::{Northbound, Vswitch, northbound, vswitch};
use ovn_bgp_agent::ovsdb::{Change, Client, ClientConfig, Monitor, Remote, until_synced};

#[tokio::test(flavor = "current_thread")]
async fn every_node_exposes_what_is_expected_through_real_servers() {
    require!(Need::Program("ovsdb-server"));
    for dir in snapshot::all() {
        let scratch = interop::scratch().unwrap();
        let mut nb = Northbound::default();
        let changes = read(
            &dir,
            scratch.path(),
            "nb",
            "OVN_Northbound",
            northbound::monitor(),
        );
        assert_eq!(nb.apply(&changes.await), []);
        assert!(!nb.lacks_hosting_chassis());
        let combos = snapshot::combos(&dir, "nb");
        for host in snapshot::expected(&dir).into_keys() {
            let mut switch = Vswitch::default();
            let name = format!("ovs-{host}");
            let changes = read(
                &dir,
                scratch.path(),
                &name,
                "Open_vSwitch",
                vswitch::monitor(),
            );
            assert_eq!(switch.apply(&changes.await), []);
            let node = Node::new(switch.node_ids().unwrap(), "no such host").unwrap();
            for combo in &combos {
                let decision = decide(Inputs {
                    northbound: &nb,
                    southbound: None,
                    node: &node,
                    options: &combo.options,
                });
                let (exposed, expected) = (snapshot::prefixes(&decision), &combo.advertised[&host]);
                assert_eq!(
                    exposed,
                    *expected,
                    "{} {} on {host}",
                    dir.display(),
                    combo.name
                );
                assert!(
                    decision.exposures.is_empty() || !switch.patch_ports("br-ex").is_empty(),
                    "ovn-controller made a patch port wherever something is exposed"
                );
            }
        }
    }
}

/// The rows of one database file, served by an ovsdb-server of its own.
async fn read(
    dir: &Path,
    scratch: &Path,
    name: &str,
    database: &str,
    monitor: Monitor,
) -> Vec<Change> {
    let file = dir.join(format!("{name}.db.gz"));
    let server = OvsdbServer::from_file(&Place::host(), scratch, name, &file).unwrap();
    let remotes = Remote::parse_list(&server.unix()).unwrap();
    let (_handle, mut events) = Client::spawn(ClientConfig::new(database, remotes), monitor);
    let patience = Duration::from_secs(30);
    until_synced(database, &mut events, 0, patience)
        .await
        .unwrap()
}
