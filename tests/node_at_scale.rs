//! A node of a large cloud: it reads what it needs, and a change costs what it concerns. `OVN_SCALE=full` runs
//! the cloud of the specification (20,000 ports, 5,000 floating IPs, 200 chassis), of which a tenth is the rule.
#![allow(
    clippy::disallowed_methods,
    reason = "the test runs programs; the agent forks nothing"
)]

mod agent_node;

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use agent_node::{Node, can_run};
use interop::ovsdb::OvsdbServer;
use interop::scale::{self, Meter, Role, Scale, Share, This};
use interop::{Place, wait_until};
use serde_json::json;

/// A debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

struct Lab {
    nb: OvsdbServer,
    meter: Meter,
    node: Node,
    share: Share,
}

fn lab(role: Role, options: &str) -> Option<Lab> {
    if !can_run() {
        return None;
    }
    let size = match std::env::var("OVN_SCALE").as_deref() {
        Ok("full") => Scale::FULL,
        _ => Scale::TENTH,
    };
    let dir = interop::scratch().unwrap();
    let empty = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snap/00_empty/nb.db.gz");
    let nb = OvsdbServer::from_file(&Place::host(), dir.path(), "nb", &empty).unwrap();
    let this = This {
        hostname: "host-1",
        chassis: "chassis-1",
        role,
    };
    let share = scale::load(&nb.socket(), size, this).unwrap();
    let meter = Meter::before(&nb.socket(), &dir.path().join("meter.sock")).unwrap();
    let node = Node::new(dir, &meter.remote());
    node.configure(options);
    for number in 0..size.provider_networks {
        let localnet = scale::localnet(number);
        node.switch.add_localnet_patch("br-ex", &localnet).unwrap();
    }
    Some(Lab {
        nb,
        meter,
        node,
        share,
    })
}

impl Lab {
    /// Starts the agent, and waits until the peer has this many routes.
    fn start(&mut self, routes: usize, what: &str) {
        let began = Instant::now();
        self.node.launch_agent();
        self.expect(routes);
        let advertised = began.elapsed();
        let (cpu, rss) = self.usage();
        println!(
            "{what}: {routes} prefixes after {advertised:?}, {} kB received, {rss} kB resident, {cpu:?} CPU; \
             server {:?} CPU",
            self.meter.received() / 1000,
            cpu_of(self.nb.pid().unwrap())
        );
    }

    fn expect(&self, routes: usize) {
        let there = || self.node.peer().with(|table| table.routes.len()) == routes;
        if let Err(error) = wait_until(PATIENCE, "routes", there) {
            let got = self.node.peer().with(|table| table.routes.len());
            panic!("{error}: {got} of {routes}\n{}", self.node.log());
        }
    }

    /// How many prefixes `plan` exposes.
    fn plan(&self) -> usize {
        let mut command = self.node.agent_command(&["plan", "--json"]);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        plan["exposures"].as_array().unwrap().len()
    }

    /// CPU time and resident memory (kB) of the agent.
    fn usage(&self) -> (Duration, u64) {
        let pid = self.node.agent.as_ref().unwrap().pid();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let rss = rss.unwrap().split_whitespace().next().unwrap();
        (cpu_of(pid), rss.parse().unwrap())
    }
}

/// User and system time of a process, in the ticks of 10 ms that Linux counts.
fn cpu_of(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<_> = fields.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

#[test]
fn a_compute_node_reads_less_than_200_kb_and_takes_up_a_change() {
    let Some(mut lab) = lab(Role::Compute, "") else {
        return;
    };
    let wanted = lab.share.without_tenants();
    lab.start(wanted, "compute node");
    let received = lab.meter.received();
    assert!(received < 200_000, "{received} bytes received");

    // `plan` reads everything, and comes to the same.
    let planned = lab.plan();
    let read = lab.meter.received() - received;
    println!(
        "with all rows: {planned} prefixes, {} kB received",
        read / 1000
    );
    assert_eq!(planned, wanted);
    assert!(read > 10 * received, "{read} bytes");
    let received = lab.meter.received();

    // A port that is on some other host is none of this node's business.
    let mut stream = UnixStream::connect(lab.nb.socket()).unwrap();
    let update = |up: bool, host: &str| {
        json!({"op": "update", "table": "Logical_Switch_Port", "row": {"up": up},
               "where": [["external_ids", "includes", ["map", [["neutron:host_id", host]]]]]})
    };
    scale::commit(&mut stream, vec![update(false, "compute-001")]).unwrap();
    scale::commit(&mut stream, vec![update(false, "host-1")]).unwrap();
    lab.expect(0);
    let heard = lab.meter.received() - received;
    println!("all ports of this node down: {heard} bytes");
    scale::commit(&mut stream, vec![update(true, "host-1")]).unwrap();
    lab.expect(wanted);
    assert_eq!(lab.node.withdrawn().len(), wanted, "each once");
}

#[test]
fn a_gateway_node_reads_what_is_behind_its_gateways() {
    let Some(mut lab) = lab(Role::Gateway, "expose_tenant_networks = true") else {
        return;
    };
    let wanted = lab.share.with_tenants();
    lab.start(wanted, "gateway node");
    assert!(lab.share.tenants > 100, "{:?}", lab.share);
    assert_eq!(
        lab.node.withdrawn(),
        [],
        "nothing is told before all of it is there"
    );
}
