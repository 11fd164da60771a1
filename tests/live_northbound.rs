//! A real Northbound database that changes, to exposures that follow it: with the schema of this
//! machine's OVN, whatever columns that has.

use std::time::Duration;

use interop::ovsdb::{OvsdbServer, Schema};
use interop::{Need, Place, require};
use ovn_bgp_agent::exposure::northbound::{Inputs, Standing, decide};
use ovn_bgp_agent::exposure::{Code, Node, Options};
use ovn_bgp_agent::ovn::{BridgeMappings, Northbound, northbound};
use ovn_bgp_agent::ovsdb::{Client, ClientConfig, Event, Handle, Remote};
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(30);

struct Follower {
    nb: Northbound,
    node: Node,
    standing: Standing,
    removed: usize,
    events: mpsc::Receiver<Event>,
    _handle: Handle,
}

impl Follower {
    fn new(server: &OvsdbServer) -> Self {
        let remotes = Remote::parse_list(&server.unix()).unwrap();
        let config = ClientConfig::new("OVN_Northbound", remotes);
        let (handle, events) = Client::spawn(config, northbound::monitor());
        Self {
            nb: Northbound::default(),
            node: Node {
                hostname: "host-1".into(),
                chassis: "chassis-1".into(),
                mappings: BridgeMappings::parse("physnet1:br-ex"),
            },
            standing: Standing::default(),
            removed: 0,
            events,
            _handle: handle,
        }
    }

    /// Follows the database until exactly these prefixes are exposed.
    async fn until(&mut self, expected: &[&str]) {
        let follow = async {
            while self.exposed() != expected {
                match self.events.recv().await {
                    Some(Event::Changes(changes)) => {
                        assert_eq!(self.nb.apply(&changes), []);
                        let affected = self.nb.take_affected();
                        let delta = self.standing.update(
                            Inputs {
                                northbound: &self.nb,
                                southbound: None,
                                node: &self.node,
                                options: &Options::default(),
                            },
                            affected,
                        );
                        self.removed += delta.removed.len();
                    }
                    Some(_) => {}
                    None => panic!("the client has ended"),
                }
            }
        };
        let done = tokio::time::timeout(PATIENCE, follow).await.is_ok();
        assert!(done, "exposed {:?}, not {expected:?}", self.exposed());
    }

    fn exposed(&self) -> Vec<String> {
        let mut exposures: Vec<_> = self.standing.exposures().collect();
        exposures.sort();
        exposures.iter().map(|e| e.prefix.to_string()).collect()
    }
}

/// A flat provider network and a VM on it, up on host-1, in one transaction.
fn provider_network(server: &OvsdbServer) {
    let words = "ls-add neutron-net -- lsp-add neutron-net provnet \
        -- lsp-set-type provnet localnet -- lsp-set-options provnet network_name=physnet1 \
        -- lsp-add neutron-net vm -- lsp-set-options vm requested-chassis=host-1 \
        -- set Logical_Switch_Port vm up=true external_ids:neutron\\:network_name=neutron-net";
    let mut args: Vec<_> = words.split_whitespace().collect();
    args.extend([
        "--",
        "lsp-set-addresses",
        "vm",
        "fa:16:3e:00:00:01 172.24.4.10",
    ]);
    server.nbctl(&args).unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn b040_b042_b052_b053_a_vms_life() {
    require!(Need::Program("ovsdb-server"), Need::Program("ovn-nbctl"));
    let scratch = interop::scratch().unwrap();
    let server =
        OvsdbServer::from_schema(&Place::host(), scratch.path(), Schema::Northbound).unwrap();
    let mut follower = Follower::new(&server);
    follower.until(&[]).await;
    provider_network(&server);
    follower.until(&["172.24.4.10/32"]).await;
    server
        .nbctl(&["set", "Logical_Switch_Port", "vm", "up=false"])
        .unwrap();
    follower.until(&[]).await;
    server
        .nbctl(&["set", "Logical_Switch_Port", "vm", "up=true"])
        .unwrap();
    follower.until(&["172.24.4.10/32"]).await;
    let second = "fa:16:3e:00:00:01 172.24.4.10 172.24.4.11";
    server.nbctl(&["lsp-set-addresses", "vm", second]).unwrap();
    follower.until(&["172.24.4.10/32", "172.24.4.11/32"]).await;
    server.nbctl(&["ls-del", "neutron-net"]).unwrap();
    follower.until(&[]).await;
}

#[tokio::test(flavor = "current_thread")]
async fn b015_a_restarted_server_withdraws_nothing() {
    require!(Need::Program("ovsdb-server"), Need::Program("ovn-nbctl"));
    let scratch = interop::scratch().unwrap();
    let mut server =
        OvsdbServer::from_schema(&Place::host(), scratch.path(), Schema::Northbound).unwrap();
    provider_network(&server);
    let mut follower = Follower::new(&server);
    follower.until(&["172.24.4.10/32"]).await;
    server.restart().unwrap();
    // A change after the restart shows that the follower has caught up.
    let second = "fa:16:3e:00:00:01 172.24.4.10 172.24.4.11";
    server.nbctl(&["lsp-set-addresses", "vm", second]).unwrap();
    follower.until(&["172.24.4.10/32", "172.24.4.11/32"]).await;
    assert_eq!(follower.removed, 0);
}

#[tokio::test(flavor = "current_thread")]
async fn b075_gateways_follow_the_column_or_say_that_it_is_missing() {
    require!(Need::Program("ovsdb-server"), Need::Program("ovn-nbctl"));
    let scratch = interop::scratch().unwrap();
    let server =
        OvsdbServer::from_schema(&Place::host(), scratch.path(), Schema::Northbound).unwrap();
    provider_network(&server);
    let words = "lr-add neutron-router -- lrp-add neutron-router lrp fa:16:3e:00:00:10 \
        172.24.4.146/24 -- set Logical_Router_Port lrp \
        external_ids:neutron\\:is_ext_gw=True external_ids:neutron\\:network_name=neutron-net";
    server
        .nbctl(&words.split_whitespace().collect::<Vec<_>>())
        .unwrap();
    let hosted = [
        "set",
        "Logical_Router_Port",
        "lrp",
        "status:hosting-chassis=chassis-1",
    ];
    let has_column = server.nbctl(&hosted).is_ok();
    let mut follower = Follower::new(&server);
    if has_column {
        follower.until(&["172.24.4.10/32", "172.24.4.146/32"]).await;
    } else {
        follower.until(&["172.24.4.10/32"]).await;
        let decision = decide(Inputs {
            northbound: &follower.nb,
            southbound: None,
            node: &follower.node,
            options: &Options::default(),
        });
        assert_eq!(decision.withheld.len(), 1);
        assert_eq!(decision.withheld[0].code, Code::NotSupported);
        assert!(decision.withheld[0].reason.contains("OVN 23.09"));
    }
}
