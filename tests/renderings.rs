//! What operators and their scripts read: snapshots of every rendering.

use std::sync::Arc;

use ovn_bgp_agent::cli::check::{Finding, config_findings};
use ovn_bgp_agent::cli::plan::{Change, Op, Plan};
use ovn_bgp_agent::cli::{check, explain, plan, show, watch};
use ovn_bgp_agent::config::{Input, Loaded};
use ovn_bgp_agent::control::{
    Advertised, AgentSummary, Capabilities, Drained, Explanation, ExposureLine, ExposureList,
    FamilyInfo, Fib, Happened, Happening, Hop, MessageStats, Neighbor, NeighborSummary, Offer,
    Reply, RouteLine, Routes, Step, Summary, Verdict,
};
use ovn_bgp_agent::exposure::Shown;
use ovn_bgp_agent::exposure::{
    Attachment, Attributes, Code, Decision, Exposure, Kind, Reason, Withheld,
};
use ovn_bgp_agent::fib::{self, HopSnapshot, RouteSnapshot, RouteState, UnusedPath};
use ovn_bgp_agent::reconcile::object::{EtherType, Flow, Key, Route, Value};

fn exposure(prefix: &str, kind: Kind, vlan: Option<u16>) -> Arc<Exposure> {
    Arc::new(Exposure {
        prefix: prefix.parse().unwrap(),
        kind,
        port: "vm1".into(),
        network: "neutron-0001".into(),
        attachment: Some(Attachment {
            bridge: "br-ex".into(),
            vlan,
            localnet: "provnet-1".into(),
        }),
        vni: None,
        layer: ovn_bgp_agent::exposure::Layer::default(),
        via: None,
        subnet: None,
        next_hop: None,
        mac: None,
        proxied: [].into(),
        attributes: Attributes::default(),
        reason: Reason::PortHere {
            port: "vm1".into(),
            host: "compute-1".into(),
        },
    })
}

fn example() -> Plan {
    let to = "172.24.4.151/32".parse().unwrap();
    Plan {
        chassis_name: "compute-1".into(),
        chassis_id: "c1".into(),
        driver: "nb_ovn_bgp_driver".into(),
        exposing_method: "underlay".into(),
        decision: Decision {
            exposures: vec![
                exposure("2001:db8::5/128", Kind::Provider, Some(100)),
                exposure("172.24.4.151/32", Kind::Fip, None),
            ],
            withheld: vec![Withheld {
                prefix: "10.10.0.19/32".parse().unwrap(),
                kind: Kind::Tenant,
                port: "vm1".into(),
                code: Code::TenantNetworksDisabled,
                reason: "expose_tenant_networks is off".into(),
            }],
            ..Decision::default()
        },
        changes: vec![
            Change {
                op: Op::Add,
                key: Key::Rule {
                    priority: 32000,
                    to,
                    table: 201,
                },
                value: Value::Rule {},
            },
            Change {
                op: Op::Replace,
                key: Key::Route {
                    table: 201,
                    prefix: to,
                },
                value: Value::Route(Route::new("br-ex".into(), None)),
            },
            Change {
                op: Op::Remove,
                key: Key::Flow {
                    bridge: "br-ex".into(),
                    priority: 900,
                    in_port: 3,
                    ether_type: EtherType::Ipv6,
                    source: None,
                },
                value: Value::Flow(Flow {
                    cookie: 0x3e7,
                    set_eth_dst: "02:00:00:00:00:01".parse().unwrap(),
                    output: None,
                }),
            },
        ],
    }
}

#[test]
fn plan_json_is_the_contract() {
    let text = plan::render_json(&example()).unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn plan_for_people() {
    insta::assert_snapshot!(plan::render_text(&example()));
}

#[test]
fn explain_for_people_and_scripts() {
    let step = |step: &str, verdict, detail: &str| Step {
        step: step.into(),
        verdict,
        detail: detail.into(),
    };
    let explanation = Explanation {
        ip: "172.24.4.151".parse().unwrap(),
        verdict: "172.24.4.151 is exposed here and wired, but no neighbour has it".into(),
        steps: vec![
            step("row", Verdict::Ok, "NAT 0001 external_ip"),
            step("wiring", Verdict::Unknown, "the agent has not looked yet"),
            step("advertised", Verdict::No, "leaf0 is Active"),
        ],
        no_row: false,
    };
    insta::assert_snapshot!("explain_text", explain::render_text(&explanation));
    insta::assert_snapshot!("explain_json", explain::render_json(&explanation).unwrap());
}

fn summary() -> Reply {
    let leaf = NeighborSummary {
        remote_as: 65000,
        local_as: 64999,
        peer_uptime_msec: 61_000,
        pfx_rcd: 1,
        pfx_snt: 2,
        state: "Established".into(),
        connections_established: 1,
        ..NeighborSummary::default()
    };
    Reply::Summary(Summary {
        version: "0.1.0".into(),
        uptime_msec: 93_784_000,
        router_id: "192.0.2.7".parse().ok(),
        asn: 64999,
        peers_established: 1,
        peers_total: 2,
        peers: [("leaf0".to_owned(), leaf)].into(),
        drain: Drained::Leaving,
        problem: None,
        agent: Some(AgentSummary {
            chassis_name: "compute-1".into(),
            chassis_id: "c1".into(),
            driver: "nb_ovn_bgp_driver".into(),
            exposing_method: "underlay".into(),
            databases: [(
                "OVN_Northbound".to_owned(),
                "connected to tcp:192.0.2.10:6641".to_owned(),
            )]
            .into(),
            exposures: 2,
            withheld: 1,
            changes_applied: 12,
            changes_failed: 1,
            writes: 40,
            frr: None,
            duplicates: 1,
        }),
    })
}

fn neighbor(address: &str, state: &str, up: Option<u64>) -> Neighbor {
    Neighbor {
        bgp_neighbor_addr: address.parse().ok(),
        interface: address.starts_with("fe80").then(|| "eth1".to_owned()),
        discovery: None,
        remote_as: 65000,
        local_as: 64999,
        nbr_external_link: up.map(|_| true),
        nbr_desc: Some("uplink".into()),
        remote_router_id: up.and_then(|_| "192.0.2.1".parse().ok()),
        local_router_id: "192.0.2.7".parse().ok(),
        bgp_state: state.into(),
        idle_reason: up.is_none().then(|| "held back after an error".to_owned()),
        bgp_timer_up_msec: up,
        state_msec: up.unwrap_or(7000),
        bgp_timer_hold_time_msecs: up.map(|_| 90_000),
        bgp_timer_keep_alive_interval_msecs: up.map(|_| 30_000),
        neighbor_capabilities: up.map(|_| Capabilities {
            four_octet_as: Offer::AdvertisedAndReceived,
            graceful_restart: Offer::AdvertisedAndReceived,
            graceful_restart_remote_timer_msecs: Some(120_000),
            multiprotocol_extensions: vec!["ipv4Unicast".into()],
            ..Capabilities::default()
        }),
        message_stats: MessageStats {
            depth_outq: 3,
            opens_sent: 1,
            total_sent: 6,
            total_recv: 4,
            ..MessageStats::default()
        },
        address_family_info: [
            (
                "ipv4Unicast".to_owned(),
                FamilyInfo {
                    accepted_prefix_counter: 1,
                    sent_prefix_counter: 2,
                    withheld: None,
                },
            ),
            (
                "ipv6Unicast".to_owned(),
                FamilyInfo {
                    withheld: Some("the peer did not offer this family in its OPEN".into()),
                    ..FamilyInfo::default()
                },
            ),
        ]
        .into(),
        pfx_rcd: 1,
        pfx_snt: 2,
        connections_established: 1,
        connections_dropped: u64::from(up.is_none()),
        last_reset_timer_msecs: up.is_none().then_some(7000),
        last_reset_due_to: up.is_none().then(|| "Hold Timer Expired".to_owned()),
        host_local: up.and_then(|_| "192.0.2.7".parse().ok()),
        host_foreign: up.and_then(|_| "192.0.2.1".parse().ok()),
    }
}

fn neighbors() -> Reply {
    let leaf0 = neighbor("192.0.2.1", "Established", Some(61_000));
    let leaf1 = neighbor("fe80::1", "Idle", None);
    Reply::Neighbors([("leaf0".to_owned(), leaf0), ("leaf1".to_owned(), leaf1)].into())
}

fn routes() -> Reply {
    let own = RouteLine {
        prefix: "172.24.4.151/32".parse().unwrap(),
        sources: vec!["ovn".into(), "operator".into()],
        origin: "incomplete".into(),
        metric: Some(0),
        community: vec!["65001:1".into()],
        bestpath: true,
        advertised_to: vec!["leaf0".into()],
        ..RouteLine::default()
    };
    let learned = |ip: &str, bestpath| RouteLine {
        prefix: "0.0.0.0/0".parse().unwrap(),
        nexthops: vec![Hop {
            ip: ip.parse().unwrap(),
            interface: ip.starts_with("fe80").then(|| "eth1".to_owned()),
        }],
        peer: Some("leaf0".into()),
        path: "65000 65100".into(),
        origin: "IGP".into(),
        loc_prf: Some(100),
        large_community: vec!["65000:1:2".into()],
        bestpath,
        multipath: true,
        stale: !bestpath,
        ..RouteLine::default()
    };
    Reply::Routes(Routes {
        routes: vec![learned("192.0.2.1", true), learned("fe80::1", false), own],
        more: false,
    })
}

fn fib() -> Reply {
    let hop = |via: &str| HopSnapshot {
        via: via.parse().ok(),
        interface: "eth1".into(),
    };
    let default = RouteSnapshot {
        prefix: "0.0.0.0/0".parse().unwrap(),
        state: RouteState::Installed,
        reason: None,
        next_hops: vec![hop("192.0.2.1"), hop("fe80::1")],
        source: "192.0.2.7".parse().ok(),
        unused: Vec::new(),
    };
    let withheld = RouteSnapshot {
        prefix: "198.51.100.0/24".parse().unwrap(),
        state: RouteState::Withheld,
        reason: Some("import_to_fib is default-only".into()),
        next_hops: Vec::new(),
        source: None,
        unused: vec![UnusedPath {
            peer: "leaf1".into(),
            next_hop: "203.0.113.1".into(),
            reason: "no route to it".into(),
        }],
    };
    let router = fib::RouterSnapshot {
        table: 7,
        router: Some("neutron-0001".into()),
        vni: Some(1001),
        routes: vec![RouteSnapshot {
            source: None,
            ..default.clone()
        }],
    };
    let fib = fib::Snapshot {
        table: 254,
        metric: 20,
        problems: vec!["the kernel's routes cannot be read".into()],
        routes: vec![default, withheld],
        connected: vec!["192.0.2.7/32".parse().unwrap()],
        writes: 2,
        routers: vec![router],
    };
    Reply::Fib(Fib { fib, more: false })
}

fn exposures() -> Reply {
    let line = |prefix: &str, wired, advertised| ExposureLine {
        prefix: prefix.parse().unwrap(),
        kind: "fip".into(),
        port: "vm1".into(),
        network: "neutron-0001".into(),
        bridge: Some("br-ex".into()),
        vlan: None,
        vni: None,
        reason: "NAT 0001 is the floating IP of port vm1".into(),
        attributes: None,
        policy: None,
        wired,
        advertised,
        also_from: Vec::new(),
    };
    let ruled = ExposureLine {
        attributes: Some(Shown {
            communities: vec!["65000:1".into(), "no-export".into()],
            local_pref: None,
            med: Some(7),
        }),
        policy: Some("Logical_Switch_Port vm1 external_ids:bgp:med".into()),
        ..line("172.24.4.155/32", true, Advertised::Yes)
    };
    let shared = ExposureLine {
        also_from: vec!["router 192.0.2.8 of AS 64999, by leaf0".into()],
        ..line("172.24.4.154/32", true, Advertised::Yes)
    };
    Reply::Exposures(ExposureList {
        exposures: vec![
            line("172.24.4.151/32", true, Advertised::Yes),
            line("172.24.4.152/32", false, Advertised::Waiting),
            line("172.24.4.153/32", true, Advertised::NoNeighbor),
            shared,
            ruled,
        ],
    })
}

#[test]
fn show_for_people_and_scripts() {
    for (name, reply) in [
        ("summary", summary()),
        ("neighbors", neighbors()),
        ("routes", routes()),
        ("fib", fib()),
        ("exposures", exposures()),
    ] {
        insta::assert_snapshot!(format!("show_{name}_text"), show::render_text(&reply));
        insta::assert_snapshot!(
            format!("show_{name}_json"),
            show::render_json(&reply).unwrap()
        );
    }
}

#[test]
fn one_neighbor_in_detail() {
    let Reply::Neighbors(neighbors) = neighbors() else {
        unreachable!("it is what it was made as");
    };
    insta::assert_snapshot!("show_neighbor_detail", show::render_detail(&neighbors));
}

/// What `watch` says of tenants.
fn of_tenants() -> [Happening; 5] {
    [
        Happening::EvpnAdvertised {
            peer: "leaf1".to_owned(),
            routes: vec!["192.0.2.5:77 [5]:[0]:[32]:[10.0.0.1]".to_owned()],
        },
        Happening::EvpnPrefix {
            vni: 77,
            prefix: "10.0.0.2/32".parse().unwrap(),
            vteps: vec!["192.0.2.6".parse().unwrap(), "192.0.2.7".parse().unwrap()],
        },
        Happening::EvpnHost {
            vni: 1001,
            mac: "fa:16:3e:00:00:01".to_owned(),
            vtep: None,
            addresses: Vec::new(),
        },
        Happening::EvpnFlood {
            vni: 1001,
            vteps: vec!["192.0.2.6".parse().unwrap()],
        },
        Happening::EvpnDuplicate {
            vni: 1001,
            mac: "fa:16:3e:00:00:01".to_owned(),
        },
    ]
}

#[test]
fn events_for_people_and_scripts() {
    let all = of_sessions_and_routes();
    let events = all.into_iter().chain(of_tenants()).map(|what| Happened {
        time: "2026-11-21T08:00:00.123456Z".into(),
        what,
    });
    let events: Vec<_> = events.collect();
    let text: String = events.iter().map(watch::render_text).collect();
    insta::assert_snapshot!("watch_text", text);
    let json = events
        .iter()
        .map(|event| serde_json::to_string(event).unwrap());
    insta::assert_snapshot!("watch_json", json.collect::<Vec<_>>().join("\n"));
}

/// What `watch` says of the rest.
fn of_sessions_and_routes() -> [Happening; 10] {
    [
        Happening::Session {
            peer: "leaf0".into(),
            from: "Established".into(),
            to: "Idle".into(),
            reason: Some("BFD: the path to the peer is down".into()),
        },
        Happening::Advertised {
            peer: "leaf0".into(),
            prefixes: ["192.0.2.1/32", "192.0.2.2/32"]
                .map(|p| p.parse().unwrap())
                .into(),
        },
        Happening::Lost {
            prefix: "0.0.0.0/0".parse().unwrap(),
        },
        Happening::Bfd {
            peers: vec!["leaf0".into()],
            path: "192.0.2.254%eth1".into(),
            from: "up".into(),
            to: "down".into(),
            reason: Some("control detection time expired".into()),
            failed: true,
        },
        Happening::FibInstalled {
            prefix: "0.0.0.0/0".parse().unwrap(),
            next_hops: vec![HopSnapshot {
                via: Some("fe80::1".parse().unwrap()),
                interface: "eth1".into(),
            }],
            source: Some("192.0.2.1".parse().unwrap()),
        },
        Happening::FibRemoved {
            prefix: "0.0.0.0/0".parse().unwrap(),
            reason: Some("no next hop can be used".into()),
        },
        Happening::FibRefused {
            prefix: "::/0".parse().unwrap(),
            reason: "No buffer space available".into(),
        },
        Happening::Reload {
            report: vec!["neighbor leaf1: added".into()],
        },
        Happening::Drain { on: true },
        Happening::Missed { count: 7 },
    ]
}

#[test]
fn check_lists_errors_first_with_their_remedies() {
    let text = "[DEFAULT]\nbridge_mappings = a\n[bgp_neighbor 192.0.2.1]\n";
    let loaded = Loaded::read(&Input {
        files: vec![("/etc/ovn-bgp-agent/a.conf".into(), text.into())],
        ..Input::default()
    });
    let mut findings = config_findings(&loaded.problems);
    findings.push(Finding {
        severity: check::Severity::Error,
        code: ovn_bgp_agent::check::Code::ForwardingOff,
        place: "net.ipv4.ip_forward".into(),
        problem: "IPv4 forwarding is off".into(),
        remedy: "sysctl -w net.ipv4.ip_forward=1".into(),
    });
    assert_eq!((check::status(&findings), check::status(&[])), (1, 0));
    insta::assert_snapshot!("check_text", check::render_text(&findings));
    insta::assert_snapshot!("check_json", check::render_json(&findings).unwrap());
    assert_eq!(check::render_text(&[]), "no problem found\n");
}
