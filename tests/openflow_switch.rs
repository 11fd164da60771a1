//! Flows on a real Open vSwitch (userspace datapath), with ovs-ofctl as the judge.
#![allow(clippy::disallowed_methods, reason = "ovs-ofctl is the judge")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use interop::ovs::Vswitch;
use interop::requirement::is_met;
use interop::{Namespace, Need, Place, scratch};
use ovn_bgp_agent::mac::MacAddr;
use ovn_bgp_agent::openflow::Switch;
use ovn_bgp_agent::reconcile::object::{EtherType, Flow, Key, Value};
use ovn_bgp_agent::reconcile::{Domain, Holder, Reconciler, Step};

const DEADLINE: Duration = Duration::from_secs(20);
/// What Open vSwitch itself puts on a new bridge.
const FOREIGN: &str = "priority=0 actions=NORMAL";

/// Open vSwitch, and the agent's part before it.
struct Lab {
    vswitch: Vswitch,
    switch: Switch,
    reconciler: Reconciler,
    taken: Vec<Step>,
    _namespace: Namespace,
    _dir: tempfile::TempDir,
}

/// What the agent makes for a patch port (b028).
fn flows(in_port: u32, last: u8) -> Vec<(Key, Value)> {
    [EtherType::Ipv4, EtherType::Ipv6]
        .into_iter()
        .map(|ether_type| {
            let key = Key::Flow {
                bridge: "br-ex".into(),
                priority: 900,
                in_port,
                ether_type,
                source: None,
            };
            let set_eth_dst = MacAddr([0x52, 0x8e, 0x1f, 0x3d, 0x97, last]);
            let cookie = 0x3e7;
            (
                key,
                Value::Flow(Flow {
                    cookie,
                    set_eth_dst,
                    output: None,
                }),
            )
        })
        .collect()
}

fn shown(in_port: u32, last: u8) -> [String; 2] {
    ["ip", "ipv6"].map(|ether_type| {
        format!(
            "cookie=0x3e7, priority=900,{ether_type},in_port={in_port} \
             actions=set_field:52:8e:1f:3d:97:{last:02x}->eth_dst,NORMAL"
        )
    })
}

impl Lab {
    /// `None`, with the reason printed, where it cannot run.
    fn start() -> Option<Self> {
        if !is_met(&[Need::Root, Need::Program("ovs-vswitchd")]) {
            return None;
        }
        let dir = scratch().unwrap();
        let namespace = Namespace::new("openflow").unwrap();
        let vswitch = Vswitch::start(&Place::inside(&namespace), dir.path()).unwrap();
        vswitch.add_bridge("br-ex").unwrap();
        let switch = Self::switch(&vswitch);
        Some(Self {
            vswitch,
            switch,
            reconciler: Reconciler::new(),
            taken: Vec::new(),
            _namespace: namespace,
            _dir: dir,
        })
    }

    fn switch(vswitch: &Vswitch) -> Switch {
        let mut switch = Switch::new(vswitch.run_dir().to_owned());
        switch.set_bridges(&[Arc::from("br-ex")]);
        switch
    }

    fn restart_agent(&mut self) {
        self.switch = Self::switch(&self.vswitch);
        self.reconciler = Reconciler::new();
        self.taken.clear();
    }

    fn want(&mut self, objects: Vec<(Key, Value)>) {
        self.reconciler.hold(Holder::Base, objects);
    }

    async fn observe(&mut self) {
        let news = tokio::time::timeout(DEADLINE, self.switch.observe());
        let news = news.await.expect("no news in time");
        let domain = Domain::Bridge(news.bridge);
        self.reconciler.observe_all(&domain, news.flows);
    }

    async fn act(&mut self) {
        for _ in 0..10 {
            let steps = self.reconciler.next_steps().steps;
            if steps.is_empty() {
                return;
            }
            let answers = self.switch.apply(&steps).await;
            for (step, answer) in steps.iter().zip(answers) {
                match answer {
                    Ok(()) => self.reconciler.succeeded(step),
                    Err(error) => {
                        self.reconciler.failed(step, &error.to_string());
                    }
                }
            }
            self.taken.extend(steps);
        }
        panic!("never settles: {:#?}", self.taken);
    }

    /// Reacts until ovs-ofctl shows these flows; how long since `start` the last reaction was over.
    async fn until(&mut self, start: Instant, flows: &[String]) -> Duration {
        loop {
            self.act().await;
            let took = start.elapsed();
            if self.shown() == *flows {
                return took;
            }
            assert!(start.elapsed() < DEADLINE, "{:#?}", self.shown());
            self.observe().await;
        }
    }

    /// Lists and reacts once.
    async fn settle(&mut self) {
        self.observe().await;
        self.act().await;
    }

    fn shown(&self) -> Vec<String> {
        let Ok(flows) = self.vswitch.flows("br-ex") else {
            return Vec::new();
        };
        // OpenFlow 1.0 has it always, and it concerns nobody.
        let plain = |f: &String| f.trim().replace("reset_counts ", "");
        let mut flows: Vec<String> = flows.iter().map(plain).collect();
        flows.sort();
        flows
    }

    /// `ovs-ofctl -O OpenFlow13`, for a bridge that allows nothing else.
    fn ofctl_13(&self, arguments: &[&str]) -> String {
        let target = self.vswitch.run_dir().join("br-ex.mgmt");
        let target = target.to_str().unwrap();
        let arguments = arguments
            .iter()
            .map(|a| if *a == "TARGET" { target } else { a });
        let output = std::process::Command::new("ovs-ofctl")
            .args(["-O", "OpenFlow13"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn shown_13(&self) -> usize {
        let flows = self.ofctl_13(&["dump-flows", "TARGET", "cookie=0x3e7/-1"]);
        flows.matches("priority=900").count()
    }

    fn ofctl(&self, command: &str, flow: &str) {
        self.vswitch.ofctl(command, "br-ex", &[flow]).unwrap();
    }
}

fn expected(ports: &[(u32, u8)]) -> Vec<String> {
    let mut flows: Vec<String> = ports.iter().flat_map(|(p, m)| shown(*p, *m)).collect();
    flows.push(FOREIGN.to_owned());
    flows.sort();
    flows
}

#[tokio::test]
async fn b028_a_patch_port_gets_two_flows_and_a_repeat_adds_nothing() {
    let Some(mut lab) = Lab::start() else { return };
    lab.want(flows(1, 0x48));
    lab.settle().await;
    assert_eq!(lab.shown(), expected(&[(1, 0x48)]));
    assert_eq!(lab.switch.writes_total(), 2);

    lab.restart_agent();
    lab.want(flows(1, 0x48));
    lab.settle().await;
    assert_eq!(lab.switch.writes_total(), 0, "{:#?}", lab.taken);
}

#[tokio::test]
async fn b029_flows_nobody_wishes_go_and_other_cookies_stay() {
    let Some(mut lab) = Lab::start() else { return };
    for flow in [
        "cookie=0x3e7,priority=900,ip,in_port=7,actions=mod_dl_dst:52:8e:1f:3d:97:48,NORMAL",
        // D33: what the Python agent's other method left made it fall over.
        "cookie=0x3e7,priority=1000,ip,in_port=7,nw_dst=10.0.0.0/8,actions=output:1",
        "cookie=0x3e7,table=3,priority=1,actions=drop",
        "cookie=0x3e7,priority=901,ip,in_port=7,vlan_tci=0x1000/0x1000,actions=strip_vlan,NORMAL",
        // Of a tenant, when a method before this one had tenants.
        "cookie=0x3e6,priority=1000,ip,in_port=1,dl_src=fa:16:3e:94:ec:e8,actions=mod_dl_dst:52:8e:1f:3d:97:48,output:1",
    ] {
        lab.ofctl("add-flow", flow);
    }
    let foreign = [
        "cookie=0x3e5,priority=1000,ip,in_port=1,actions=NORMAL",
        "cookie=0x5,priority=901,ip,in_port=1,actions=NORMAL",
    ];
    for flow in foreign {
        lab.ofctl("add-flow", flow);
    }
    lab.want(flows(1, 0x48));
    lab.settle().await;
    let mut expected = expected(&[(1, 0x48)]);
    expected.push("cookie=0x3e5, priority=1000,ip,in_port=1 actions=NORMAL".into());
    expected.push("cookie=0x5, priority=901,ip,in_port=1 actions=NORMAL".into());
    expected.sort();
    assert_eq!(lab.shown(), expected);
}

#[tokio::test]
async fn what_ovs_ofctl_wrote_for_the_python_agent_is_adopted() {
    let Some(mut lab) = Lab::start() else { return };
    for ether_type in ["ip", "ipv6"] {
        let flow = format!(
            "cookie=999,priority=900,{ether_type},in_port=1,actions=mod_dl_dst:52:8e:1f:3d:97:48,NORMAL"
        );
        let target = lab.vswitch.run_dir().join("br-ex.mgmt");
        let output = std::process::Command::new("ovs-ofctl")
            .args(["add-flow", target.to_str().unwrap(), &flow])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    lab.want(flows(1, 0x48));
    lab.settle().await;
    assert_eq!(lab.taken, vec![]);
    assert_eq!(lab.shown(), expected(&[(1, 0x48)]));
}

#[tokio::test]
async fn b030_flows_follow_the_bridges_mac() {
    let Some(mut lab) = Lab::start() else { return };
    lab.want(flows(1, 0x48));
    lab.settle().await;
    lab.want(flows(1, 0x49));
    lab.act().await;
    assert_eq!(lab.shown(), expected(&[(1, 0x49)]));
    assert_eq!(lab.taken.len(), 4, "two added, two replaced");
}

#[tokio::test]
async fn b010_a_deleted_or_spoilt_flow_is_back_by_the_switchs_own_word() {
    let Some(mut lab) = Lab::start() else { return };
    lab.want(flows(1, 0x48));
    lab.settle().await;
    for (command, flow) in [
        ("del-flows", "cookie=0x3e7/-1"),
        ("del-flows", "ip,in_port=1"),
        ("mod-flows", "ip,in_port=1,actions=drop"),
        (
            "add-flow",
            "cookie=0x3e7,priority=900,ip,in_port=9,actions=drop",
        ),
    ] {
        lab.ofctl(command, flow);
        let start = Instant::now();
        lab.observe().await;
        let took = lab.until(start, &expected(&[(1, 0x48)])).await;
        println!("{command} {flow}: repaired in {took:?}");
    }
}

#[tokio::test]
async fn flows_are_back_after_ovs_vswitchd_restarted() {
    let Some(mut lab) = Lab::start() else { return };
    lab.want(flows(1, 0x48));
    lab.settle().await;
    lab.vswitch.stop_daemon();
    assert!(
        lab.switch
            .apply(&lab.taken.clone())
            .await
            .iter()
            .all(Result::is_err)
    );
    lab.vswitch.start_daemon().unwrap();
    lab.until(Instant::now(), &expected(&[(1, 0x48)])).await;
}

#[tokio::test]
async fn flows_are_back_on_a_bridge_made_anew() {
    let Some(mut lab) = Lab::start() else { return };
    lab.want(flows(1, 0x48));
    lab.settle().await;
    lab.vswitch.vsctl_line("del-br br-ex").unwrap();
    lab.vswitch.add_bridge("br-ex").unwrap();
    lab.until(Instant::now(), &expected(&[(1, 0x48)])).await;
}

#[tokio::test]
async fn the_bridge_may_come_after_the_agent() {
    let Some(mut lab) = Lab::start() else { return };
    lab.vswitch.vsctl_line("del-br br-ex").unwrap();
    lab.restart_agent();
    lab.want(flows(1, 0x48));
    lab.act().await;
    assert_eq!(lab.reconciler.blocked().count(), 2);
    lab.vswitch.add_bridge("br-ex").unwrap();
    lab.until(Instant::now(), &expected(&[(1, 0x48)])).await;
    assert_eq!(lab.reconciler.blocked().count(), 0);
}

#[tokio::test]
async fn a_bridge_held_to_openflow_13_is_served_and_repaired_at_refresh() {
    let Some(mut lab) = Lab::start() else { return };
    let set = "set bridge br-ex protocols=OpenFlow13";
    lab.vswitch.vsctl_line(set).unwrap();
    lab.restart_agent();
    lab.want(flows(1, 0x48));
    lab.settle().await;
    assert_eq!(lab.shown_13(), 2);
    lab.ofctl_13(&["del-flows", "TARGET", "cookie=0x3e7/-1"]);
    assert_eq!(lab.shown_13(), 0);
    lab.switch.refresh();
    lab.settle().await;
    assert_eq!(lab.shown_13(), 2);
}

#[tokio::test]
async fn a_bridge_that_allows_neither_version_is_reported_not_written() {
    let Some(mut lab) = Lab::start() else { return };
    let set = "set bridge br-ex protocols=OpenFlow10";
    lab.vswitch.vsctl_line(set).unwrap();
    lab.restart_agent();
    lab.want(flows(1, 0x48));
    lab.act().await;
    let reasons: Vec<String> = lab
        .reconciler
        .blocked()
        .map(|(_, r)| r.to_string())
        .collect();
    let told = |r: &String| r.contains("br-ex is not connected");
    assert!(reasons.iter().all(told), "{reasons:?}");
    assert_eq!(reasons.len(), 2);
    assert_eq!(lab.switch.writes_total(), 0);
}

#[tokio::test]
async fn a_thousand_flows_go_in_one_bundle_and_one_list() {
    let Some(mut lab) = Lab::start() else { return };
    let many: Vec<(Key, Value)> = (1..=1000).flat_map(|p| flows(p, 0x48)).collect();
    lab.want(many.clone());
    lab.observe().await;
    let start = Instant::now();
    lab.act().await;
    println!("2000 flows added in {:?}", start.elapsed());
    assert_eq!(lab.shown().len(), 2001);
    lab.restart_agent();
    lab.want(many);
    let start = Instant::now();
    lab.settle().await;
    println!(
        "2000 flows connected, listed and compared in {:?}",
        start.elapsed()
    );
    assert_eq!(lab.taken, vec![]);
}
