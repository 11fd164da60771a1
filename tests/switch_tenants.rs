//! Tenants' ports and flows on a real Open vSwitch (userspace datapath), with ovs-vsctl and ovs-ofctl as the judges.
#![allow(
    clippy::disallowed_methods,
    reason = "ovs-vsctl and ovs-ofctl are the judges"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use interop::ovs::Vswitch as Daemon;
use interop::requirement::is_met;
use interop::{Namespace, Need, Place, scratch};
use ovn_bgp_agent::mac::MacAddr;
use ovn_bgp_agent::openflow::Switch;
use ovn_bgp_agent::ovn::{Vswitch, vswitch};
use ovn_bgp_agent::ovsdb::{Client, ClientConfig, Event, Handle, Remote};
use ovn_bgp_agent::ports::{self, Ports};
use ovn_bgp_agent::reconcile::object::{EtherType, Flow, FlowOutput, FlowSource, Key, Value};
use ovn_bgp_agent::reconcile::ownership::TenantScope;
use ovn_bgp_agent::reconcile::{Domain, Holder, Reconciler, Step};
use tokio::sync::mpsc;

const DEADLINE: Duration = Duration::from_secs(20);
const PORT: &str = "ovsb4113ba2-78";

/// Open vSwitch, and the agent's part before it.
struct Lab {
    handle: Handle,
    events: mpsc::Receiver<Event>,
    replica: Vswitch,
    ports: Ports,
    switch: Switch,
    reconciler: Reconciler,
    taken: Vec<Step>,
    reported: Vec<String>,
    daemon: Daemon,
    place: Place,
    _namespace: Namespace,
    _dir: tempfile::TempDir,
}

impl Lab {
    /// `None`, with the reason printed, where it cannot run.
    async fn start() -> Option<Self> {
        if !is_met(&[Need::Root, Need::Program("ovs-vswitchd")]) {
            return None;
        }
        let dir = scratch().unwrap();
        let namespace = Namespace::new("ports").unwrap();
        let place = Place::inside(&namespace);
        let daemon = Daemon::start(&place, dir.path()).unwrap();
        for bridge in ["br-ex", "br-other"] {
            daemon.add_bridge(bridge).unwrap();
        }
        let veth = [
            "link",
            "add",
            "vrfb4113ba2-78",
            "type",
            "veth",
            "peer",
            "name",
            PORT,
        ];
        place.run("ip", &veth).unwrap();
        place.run("ip", &["link", "set", PORT, "up"]).unwrap();
        let (handle, events) = Self::follow(&daemon);
        let mut lab = Self {
            handle,
            events,
            replica: Vswitch::default(),
            ports: Ports::default(),
            switch: Self::switch(&daemon),
            reconciler: Reconciler::new(),
            taken: Vec::new(),
            reported: Vec::new(),
            daemon,
            place,
            _namespace: namespace,
            _dir: dir,
        };
        lab.sync().await;
        Some(lab)
    }

    fn follow(daemon: &Daemon) -> (Handle, mpsc::Receiver<Event>) {
        let remotes = Remote::parse_list(&daemon.remote()).unwrap();
        let config = ClientConfig::new("Open_vSwitch", remotes);
        Client::spawn(config, vswitch::monitor())
    }

    fn switch(daemon: &Daemon) -> Switch {
        let mut switch = Switch::new(daemon.run_dir().to_owned());
        switch.set_bridges(&[Arc::from("br-ex")]);
        switch
    }

    async fn restart_agent(&mut self) {
        (self.handle, self.events) = Self::follow(&self.daemon);
        self.switch = Self::switch(&self.daemon);
        self.replica = Vswitch::default();
        self.ports = Ports::default();
        self.reconciler = Reconciler::new();
        self.taken.clear();
        self.sync().await;
    }

    /// Waits until the database has been read, and the flows.
    async fn sync(&mut self) {
        while !self.take_event().await {}
        let news = self.switch.observe();
        let news = tokio::time::timeout(DEADLINE, news).await.unwrap();
        self.take_flows(news);
        self.look_at_ports();
    }

    fn take_flows(&mut self, news: ovn_bgp_agent::openflow::Observation) {
        let domain = Domain::Bridge(news.bridge);
        self.reconciler.observe_all(&domain, news.flows);
    }

    fn look_at_ports(&mut self) {
        let objects = ports::objects(&self.replica, &TenantScope::default(), |_| false);
        self.reconciler.observe_all(&Domain::Ports, objects);
    }

    /// True for the one after which the replica is complete.
    async fn take_event(&mut self) -> bool {
        let event = tokio::time::timeout(DEADLINE, self.events.recv());
        let event = event.await.expect("no news in time").unwrap();
        self.take(event)
    }

    fn take(&mut self, event: Event) -> bool {
        if let Event::Changes(changes) = &event {
            assert_eq!(self.replica.apply(changes), []);
        }
        matches!(event, Event::Synced { .. })
    }

    /// Waits for one piece of news.
    async fn observe(&mut self) {
        tokio::select! {
            event = self.events.recv() => {
                self.take(event.unwrap());
                self.look_at_ports();
            }
            news = self.switch.observe() => self.take_flows(news),
        }
    }

    async fn act(&mut self) {
        for _ in 0..10 {
            let plan = self.reconciler.next_steps();
            if plan.steps.is_empty() {
                return;
            }
            for steps in plan.steps.chunk_by(|a, b| is_port(a) == is_port(b)) {
                let answers: Vec<Result<(), String>> = if is_port(&steps[0]) {
                    let answers = self.ports.apply(&self.handle, &self.replica, steps).await;
                    answers
                        .into_iter()
                        .map(|a| a.map_err(|e| e.to_string()))
                        .collect()
                } else {
                    let answers = self.switch.apply(steps).await;
                    answers
                        .into_iter()
                        .map(|a| a.map_err(|e| e.to_string()))
                        .collect()
                };
                for (step, answer) in steps.iter().zip(answers) {
                    match answer {
                        Ok(()) => self.reconciler.succeeded(step),
                        Err(error) => {
                            self.reconciler.failed(step, &error);
                            self.reported.push(error);
                        }
                    }
                }
                self.taken.extend(steps.iter().cloned());
            }
        }
        panic!("never settles: {:#?}", self.taken);
    }

    /// Reacts until `done`; how long since `start` the last reaction was over.
    async fn until(&mut self, start: Instant, mut done: impl FnMut(&Self) -> bool) -> Duration {
        loop {
            self.act().await;
            let took = start.elapsed();
            if done(self) {
                return took;
            }
            assert!(start.elapsed() < DEADLINE, "{:?}", self.reported);
            let news = tokio::time::timeout(DEADLINE, self.observe());
            news.await.expect("no news in time");
        }
    }

    fn get(&self, line: &str) -> String {
        self.daemon.vsctl_line(line).unwrap().trim().to_owned()
    }

    fn ofctl_as_python(&self, command: &str, flow: &str) {
        let target = self.daemon.run_dir().join("br-ex.mgmt");
        let target = target.to_str().unwrap();
        self.place
            .run("ovs-ofctl", &[command, target, flow])
            .unwrap();
    }

    fn flows(&self) -> Vec<String> {
        let plain = |f: &String| f.trim().replace("reset_counts ", "");
        let flows = self.daemon.flows("br-ex").unwrap();
        let ours = |f: &String| f.contains("0x3e");
        flows.iter().map(plain).filter(ours).collect()
    }
}

fn is_port(step: &Step) -> bool {
    step.key().is_some_and(Key::is_port)
}

fn port(bridge: &str, port: &str, tag: Option<u16>, internal: bool) -> (Key, Value) {
    let key = Key::SwitchPort {
        bridge: bridge.into(),
        port: port.into(),
    };
    (key, Value::SwitchPort { tag, internal })
}

const GATEWAY: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0x94, 0xec, 0xe8]);
const VETH: MacAddr = MacAddr([0xfa, 0xcb, 0xa5, 0xda, 0xf9, 0xd8]);

fn flow(network: &str, output: FlowOutput) -> (Key, Value) {
    let network: ipnet::IpNet = network.parse().unwrap();
    let ether_type = match network {
        ipnet::IpNet::V4(_) => EtherType::Ipv4,
        ipnet::IpNet::V6(_) => EtherType::Ipv6,
    };
    let key = Key::Flow {
        bridge: "br-ex".into(),
        priority: 1000,
        in_port: 2,
        ether_type,
        source: Some(FlowSource {
            mac: GATEWAY,
            network,
        }),
    };
    let flow = Flow {
        cookie: 0x3e6,
        set_eth_dst: VETH,
        output: Some(output),
    };
    (key, Value::Flow(flow))
}

fn output(port: u32, strip_vlan: bool) -> FlowOutput {
    FlowOutput { port, strip_vlan }
}

#[tokio::test]
async fn b108_a_port_is_made_with_its_tag_numbered_retagged_and_removed() {
    let Some(mut lab) = Lab::start().await else {
        return;
    };
    lab.reconciler
        .hold(Holder::Base, vec![port("br-ex", PORT, Some(100), false)]);
    lab.until(Instant::now(), |lab| {
        lab.replica.ofport("br-ex", PORT).is_some()
    })
    .await;
    assert_eq!(lab.get(&format!("port-to-br {PORT}")), "br-ex");
    assert_eq!(lab.get(&format!("get port {PORT} tag")), "100");
    assert_eq!(
        lab.get(&format!("get port {PORT} external_ids:ovn-bgp-agent")),
        "\"true\""
    );
    let shown = lab.get(&format!("get interface {PORT} ofport"));
    assert_eq!(lab.replica.ofport("br-ex", PORT), shown.parse().ok());
    assert_eq!(lab.ports.writes_total(), 1);

    lab.reconciler
        .hold(Holder::Base, vec![port("br-ex", PORT, None, false)]);
    lab.act().await;
    assert_eq!(lab.get(&format!("get port {PORT} tag")), "[]");
    lab.reconciler.hold(Holder::Base, vec![]);
    lab.act().await;
    assert!(!lab.get("list-ports br-ex").contains(PORT));
    assert!(
        lab.daemon
            .vsctl_line(&format!("get interface {PORT} name"))
            .is_err(),
        "no row is left"
    );
    assert_eq!(lab.reported, Vec::<String>::new());
}

#[tokio::test]
async fn a_restart_with_nothing_changed_writes_nothing_and_what_is_left_goes() {
    let Some(mut lab) = Lab::start().await else {
        return;
    };
    let wish = vec![
        port("br-ex", PORT, Some(100), false),
        port("br-ex", "vlan-77", Some(77), true),
    ];
    lab.reconciler.hold(Holder::Base, wish.clone());
    lab.act().await;
    assert_eq!(lab.get("get interface vlan-77 type"), "internal");
    lab.restart_agent().await;
    lab.reconciler.hold(Holder::Base, wish);
    lab.act().await;
    assert_eq!((lab.ports.writes_total(), &lab.taken), (0, &vec![]));

    lab.restart_agent().await;
    lab.act().await;
    let left = lab.get("list-ports br-ex");
    assert_eq!(left, "", "b118");
}

#[tokio::test]
async fn b156_the_python_agents_ports_are_adopted_and_an_operators_stay() {
    let Some(mut lab) = Lab::start().await else {
        return;
    };
    lab.get(&format!("--may-exist add-port br-ex {PORT} tag=100"));
    lab.get("--may-exist add-port br-ex vlan-100 tag=100 -- set interface vlan-100 type=internal");
    lab.restart_agent().await;
    lab.reconciler
        .hold(Holder::Base, vec![port("br-ex", PORT, Some(100), false)]);
    lab.act().await;
    assert_eq!((lab.ports.writes_total(), &lab.taken), (0, &vec![]));
    lab.reconciler.hold(Holder::Base, vec![]);
    lab.act().await;
    assert_eq!(
        lab.get("list-ports br-ex"),
        "vlan-100",
        "nobody says that it is ours"
    );
}

#[tokio::test]
async fn what_somebody_does_to_a_port_is_undone_at_once() {
    let Some(mut lab) = Lab::start().await else {
        return;
    };
    let (key, value) = port("br-ex", PORT, Some(100), false);
    lab.reconciler
        .hold(Holder::Base, vec![(key.clone(), value)]);
    lab.until(Instant::now(), |lab| {
        lab.replica.ofport("br-ex", PORT).is_some()
    })
    .await;
    for command in [
        format!("del-port br-ex {PORT}"),
        format!("set port {PORT} tag=7"),
        format!("set port {PORT} vlan_mode=trunk"),
        format!("set port {PORT} trunks=5,6"),
        format!("del-port {PORT} -- add-port br-other {PORT} tag=100"),
    ] {
        let taken = lab.taken.len();
        lab.get(&format!("--no-wait {command}"));
        let took = lab
            .until(Instant::now(), |lab| {
                lab.taken.len() > taken && lab.reconciler.is_settled(&key)
            })
            .await;
        eprintln!("{command}: repaired in {took:?}");
        assert_eq!(lab.get(&format!("port-to-br {PORT}")), "br-ex", "{command}");
        let row = lab.get(&format!("get port {PORT} tag vlan_mode trunks"));
        assert_eq!(row.replace('\n', " "), "100 [] []", "{command}");
    }
    assert_eq!(lab.reported, Vec::<String>::new());
}

#[tokio::test]
async fn a_port_on_a_bridge_that_is_not_there_harms_no_other() {
    let Some(mut lab) = Lab::start().await else {
        return;
    };
    let wish = vec![
        port("br-none", "ovs01234567-89", None, false),
        port("br-ex", PORT, None, false),
    ];
    lab.reconciler.hold(Holder::Base, wish);
    lab.act().await;
    assert_eq!(lab.reported, ["Open vSwitch has no bridge br-none"]);
    assert_eq!(lab.get("list-ports br-ex"), PORT);
}

#[tokio::test]
async fn b153_flows_of_a_tenant_as_ovs_ofctl_shows_them() {
    let Some(mut lab) = Lab::start().await else {
        return;
    };
    let wish = vec![
        flow("10.10.0.0/24", output(3, false)),
        flow("10.11.0.7/32", output(3, false)),
        flow("2001:db8:200::/64", output(4, true)),
    ];
    lab.reconciler.hold(Holder::Base, wish.clone());
    lab.act().await;
    let mut expected = [
        "cookie=0x3e6, priority=1000,ip,in_port=2,dl_src=fa:16:3e:94:ec:e8,nw_src=10.10.0.0/24 actions=set_field:fa:cb:a5:da:f9:d8->eth_dst,output:3",
        "cookie=0x3e6, priority=1000,ip,in_port=2,dl_src=fa:16:3e:94:ec:e8,nw_src=10.11.0.7 actions=set_field:fa:cb:a5:da:f9:d8->eth_dst,output:3",
        "cookie=0x3e6, priority=1000,ipv6,in_port=2,dl_src=fa:16:3e:94:ec:e8,ipv6_src=2001:db8:200::/64 actions=set_field:fa:cb:a5:da:f9:d8->eth_dst,set_field:0->vlan_tci,output:4",
    ];
    expected.sort_unstable();
    let mut flows = lab.flows();
    flows.sort();
    assert_eq!(flows, expected);

    lab.restart_agent().await;
    lab.reconciler.hold(Holder::Base, wish.clone());
    lab.act().await;
    assert_eq!(lab.taken, vec![], "adopted");
    lab.reconciler
        .hold(Holder::Base, wish.into_iter().skip(1).collect());
    lab.act().await;
    assert_eq!(lab.flows().len(), 2);
}

/// Who asks for the next router asks a port of its own.
#[tokio::test]
async fn flows_of_who_asks_as_ovs_ofctl_shows_them() {
    let Some(mut lab) = Lab::start().await else {
        return;
    };
    let asking = |ether_type, network: &str, to| {
        let (key, value) = flow(network, to);
        let Key::Flow {
            bridge,
            priority,
            in_port,
            source,
            ..
        } = key
        else {
            unreachable!("a flow is a flow");
        };
        let key = Key::Flow {
            bridge,
            priority,
            in_port,
            ether_type,
            source,
        };
        (key, value)
    };
    // Whoever asks for whatever by a group asks that address's group.
    let grouped = Key::Flow {
        bridge: "br-ex".into(),
        priority: 900,
        in_port: 2,
        ether_type: EtherType::Nd,
        source: None,
    };
    let to_groups = Value::Flow(Flow {
        cookie: 0x3e7,
        set_eth_dst: MacAddr([0x33, 0x33, 0xff, 0, 0, 0]),
        output: None,
    });
    let wish = vec![
        (grouped, to_groups),
        asking(EtherType::Arp, "172.24.4.0/32", output(3, true)),
        asking(EtherType::Nd, "fe80::e74:de6b:dd5/128", output(3, true)),
        asking(EtherType::Nd, "fe80::e74:de6b:dd6/128", output(4, false)),
    ];
    lab.reconciler.hold(Holder::Base, wish.clone());
    lab.act().await;
    let mut flows = lab.flows();
    flows.sort();
    let expected = [
        "cookie=0x3e6, priority=1000,arp,in_port=2,dl_src=fa:16:3e:94:ec:e8,arp_tpa=172.24.4.0 actions=set_field:fa:cb:a5:da:f9:d8->eth_dst,set_field:0->vlan_tci,output:3",
        "cookie=0x3e6, priority=1000,icmp6,in_port=2,dl_src=fa:16:3e:94:ec:e8,icmp_type=135,nd_target=fe80::e74:de6b:dd5 actions=set_field:fa:cb:a5:da:f9:d8->eth_dst,set_field:fe80::e74:de6b:dd5->ipv6_dst,set_field:0->vlan_tci,output:3",
        "cookie=0x3e6, priority=1000,icmp6,in_port=2,dl_src=fa:16:3e:94:ec:e8,icmp_type=135,nd_target=fe80::e74:de6b:dd6 actions=set_field:fa:cb:a5:da:f9:d8->eth_dst,set_field:fe80::e74:de6b:dd6->ipv6_dst,output:4",
        "cookie=0x3e7, priority=900,icmp6,in_port=2,dl_dst=33:33:ff:00:00:00/ff:ff:ff:00:00:00,icmp_type=135 actions=set_field:33:33:ff:00:00:00->eth_dst,set_field:ff02::1:ff00:0->ipv6_dst,move:NXM_NX_ND_TARGET[0..23]->NXM_NX_IPV6_DST[0..23],move:NXM_NX_ND_TARGET[0..23]->NXM_OF_ETH_DST[0..23],NORMAL",
    ];
    assert_eq!(flows, expected);
    lab.restart_agent().await;
    lab.reconciler.hold(Holder::Base, wish);
    lab.act().await;
    assert_eq!(lab.taken, vec![], "adopted");
    lab.reconciler.hold(Holder::Base, Vec::new());
    lab.act().await;
    assert_eq!(lab.flows().len(), 0);
}

/// golden/ovn_evpn_driver, golden/ovn_evpn_driver-v4only: flows-br-ex.txt.
#[tokio::test]
async fn b153_the_python_agents_flows_are_adopted_and_its_leftovers_go() {
    let Some(mut lab) = Lab::start().await else {
        return;
    };
    for flow in [
        "cookie=0x3e6,priority=1000,ipv6,in_port=2,dl_src=fa:16:3e:94:ec:e8,ipv6_src=2001:db8:200::/64,actions=mod_dl_dst:fa:cb:a5:da:f9:d8,output:3",
        "cookie=0x3e6,priority=1000,ip,in_port=2,dl_src=fa:16:3e:94:ec:e8,nw_src=10.10.0.0/24,actions=mod_dl_dst:fa:cb:a5:da:f9:d8,strip_vlan,output:3",
        "cookie=0x3e6,priority=1000,ip,in_port=2,dl_src=fa:16:3e:94:ec:e9,nw_src=10.12.0.0/24,actions=mod_dl_dst:fa:cb:a5:da:f9:d8,output:3",
        "cookie=0x5,priority=1000,ip,in_port=2,dl_src=fa:16:3e:94:ec:ea,actions=output:3",
    ] {
        lab.ofctl_as_python("add-flow", flow);
    }
    lab.restart_agent().await;
    let wish = vec![
        flow("2001:db8:200::/64", output(3, false)),
        flow("10.10.0.0/24", output(3, true)),
    ];
    lab.reconciler.hold(Holder::Base, wish);
    lab.act().await;
    let removes = |s: &Step| matches!(s, Step::Remove { .. });
    assert_eq!(lab.taken.len(), 1, "{:#?}", lab.taken);
    assert!(lab.taken.iter().all(removes));
    assert_eq!(lab.flows().len(), 2);
    let all = lab.daemon.flows("br-ex").unwrap();
    assert!(
        all.iter().any(|flow| flow.contains("cookie=0x5")),
        "{all:?}"
    );
}
