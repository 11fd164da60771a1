//! Faults that somebody makes where the agents cannot mend them: the audit of a quiet moment must name each, and be content again when
//! it is gone. What agents do mend they do not get to see: they are paused.

use anyhow::{Context, Result, ensure};
use interop::chaos::{Stage, Tenants};
use interop::cloud::{Driver, Node};
use interop::{Need, require};

/// What is wrong, what the audit says of it, how it comes and how it goes.
struct Fault {
    name: &'static str,
    said: &'static str,
    make: fn(&Stage) -> Result<()>,
    mend: fn(&Stage) -> Result<()>,
}

const FAULTS: &[Fault] = &[
    Fault {
        name: "a leaf does not take a route",
        said: "the table of leaf 1",
        make: |stage| {
            refuse(stage, "ip prefix-list none deny 172.24.4.10/32")?;
            refuse(stage, "ip prefix-list none permit any")?;
            filter(stage, "")
        },
        mend: |stage| filter(stage, "no "),
    },
    Fault {
        name: "a leaf has a route that nobody should tell",
        said: "the table of leaf 0",
        make: |stage| originate_at_leaf(stage, "network 172.24.4.99/32"),
        mend: |stage| originate_at_leaf(stage, "no network 172.24.4.99/32"),
    },
    Fault {
        name: "a prefix has a second origin on a leaf",
        said: "172.24.4.150/32",
        make: |stage| originate_at_leaf(stage, "network 172.24.4.150/32"),
        mend: |stage| originate_at_leaf(stage, "no network 172.24.4.150/32"),
    },
    Fault {
        name: "a prefix has a second origin among the nodes",
        said: "what compute-1 tells",
        make: |stage| {
            node(stage, 0)
                .say(&["originate", "172.24.4.150/32"])
                .map(drop)
        },
        mend: |stage| {
            node(stage, 0)
                .say(&["withdraw", "172.24.4.150/32"])
                .map(drop)
        },
    },
    Fault {
        name: "a rule is gone",
        said: "gw-1: rules",
        make: |stage| paused(stage, 2, "rule del to 172.24.4.150 pref 32000"),
        mend: |stage| node(stage, 2).resume_agent(),
    },
    Fault {
        name: "a rule is too many",
        said: "gw-1: rules",
        make: |stage| paused(stage, 2, "rule add to 172.24.4.151 pref 32000 lookup main"),
        mend: |stage| {
            ip(stage, 2, "rule del to 172.24.4.151 pref 32000")?;
            node(stage, 2).resume_agent()
        },
    },
    Fault {
        name: "a route is gone",
        said: "compute-2: routes",
        make: |stage| {
            node(stage, 1).pause_agent()?;
            let table = node(stage, 1).namespace.sh(
                "ip route show table all to 172.24.4.10 | sed -n 's/.* table \\([0-9]*\\).*/\\1/p'",
            )?;
            ip(
                stage,
                1,
                &format!("route del 172.24.4.10 table {}", table.trim()),
            )
        },
        mend: |stage| node(stage, 1).resume_agent(),
    },
    Fault {
        name: "a neighbour is gone",
        said: "compute-2 is not as planned",
        make: |stage| paused(stage, 1, "neigh del 172.24.4.10 dev br-ex"),
        mend: |stage| node(stage, 1).resume_agent(),
    },
    Fault {
        name: "the node has an address that is OVN's",
        said: "172.24.4.150/32 is an address of the node",
        make: |stage| ip(stage, 0, "address add 172.24.4.150/32 dev br-ex"),
        mend: |stage| ip(stage, 0, "address del 172.24.4.150/32 dev br-ex"),
    },
    Fault {
        name: "a flow is gone",
        said: "flows of br-ex",
        make: |stage| {
            node(stage, 0).pause_agent()?;
            let switch = &node(stage, 0).chassis.switch;
            switch
                .ofctl("del-flows", "br-ex", &["cookie=0x3e7/-1"])
                .map(drop)
        },
        mend: |stage| node(stage, 0).resume_agent(),
    },
];

#[test]
fn every_fault_is_named_by_the_audit() {
    require!(Need::Root, Need::Program("/usr/lib/frr/bgpd"), Need::Trixie);
    name_all().unwrap();
}

fn name_all() -> Result<()> {
    let agent = env!("CARGO_BIN_EXE_ovn-bgp-agent");
    let mut stage = Stage::set(agent.as_ref(), Driver::Northbound, Tenants::Hosts)?;
    stage.furnish()?;
    for fault in FAULTS {
        (fault.make)(&stage).context(fault.name)?;
        let mut said = String::new();
        let named = interop::wait_until(interop::PATIENCE, fault.name, || {
            said = match stage.audit() {
                Ok(()) => "nothing".to_owned(),
                Err(error) => format!("{error:#}"),
            };
            said.contains(fault.said)
        });
        named.with_context(|| format!("the audit said: {said}"))?;
        println!("{}: {said}", fault.name);
        (fault.mend)(&stage).context(fault.name)?;
        stage
            .settle()
            .with_context(|| format!("after {}", fault.name))?;
    }
    leave_something(&mut stage)
}

/// Orphans, whose nobody can tell.
fn leave_something(stage: &mut Stage) -> Result<()> {
    stage.clear()?;
    for thing in [
        "rule X to 203.0.113.9 pref 31000 lookup main",
        "address X 203.0.113.9/32 dev br-ex",
        "neigh X 203.0.113.9 lladdr 0a:00:00:00:00:01 dev br-ex",
    ] {
        ip(stage, 1, &thing.replace('X', "add"))?;
        let said = format!("{:?}", stage.check_nothing_is_left());
        ensure!(said.contains("something is left"), "{thing}: {said}");
        ip(stage, 1, &thing.replace('X', "del"))?;
        stage.check_nothing_is_left().context(thing)?;
    }
    Ok(())
}

fn node(stage: &Stage, number: usize) -> &Node {
    &stage.cloud().nodes[number]
}

fn ip(stage: &Stage, number: usize, words: &str) -> Result<()> {
    node(stage, number).namespace.ip(words).map(drop)
}

/// Something that the agent would mend at once.
fn paused(stage: &Stage, number: usize, words: &str) -> Result<()> {
    node(stage, number).pause_agent()?;
    ip(stage, number, words)
}

fn refuse(stage: &Stage, line: &str) -> Result<()> {
    stage.cloud().leaves[1].router.configure(&[line])
}

/// The second leaf filters what the second node tells it.
fn filter(stage: &Stage, no: &str) -> Result<()> {
    let leaf = &stage.cloud().leaves[1].router;
    let peers = leaf.json("show bgp summary")?;
    let peers = peers["ipv4Unicast"]["peers"]
        .as_object()
        .context("no peers")?;
    for peer in peers.keys() {
        leaf.configure(&[
            "router bgp 64999",
            "address-family ipv4 unicast",
            &format!("{no}neighbor {peer} prefix-list none in"),
        ])?;
    }
    leaf.vtysh("clear bgp ipv4 unicast * soft in").map(drop)
}

fn originate_at_leaf(stage: &Stage, line: &str) -> Result<()> {
    let leaf = &stage.cloud().leaves[0].router;
    leaf.configure(&[
        "router bgp 64999",
        "no bgp network import-check",
        "address-family ipv4 unicast",
        line,
    ])
}
