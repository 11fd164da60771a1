//! `ovn_native` with VNIs: OVN's own dynamic routing (25.03) in the tables of tenants. What an FRR beside nothing of ours teaches
//! in a VNI becomes `Learned_Route` of that tenant's router, and OVN goes by it: the routers have no static route.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::cloud::HOSTS;
use interop::evpn::Scene;
use interop::evpn::fabric::AS;
use interop::evpn::probe::{Stream, becomes_silent, reaches};
use interop::{PATIENCE, wait_until};

use crate::routers::{Bare, Tenant, each_reaches_its_own, nobody_reaches_the_other, two_tenants};
use crate::stage::{Steps, play};

const NAME: &str = "native::vm_routers_with_a_vni_learn_what_their_tenant_is_taught_and_go_by_it";
const OPTIONS: &str = "driver = ovn_native";
const V4: &str = "198.51.100.0/24";
const V6: &str = "2001:db8:ffff::/64";
/// Between two requests of what runs while something else happens.
const OFTEN: Duration = Duration::from_millis(50);

#[test]
fn vm_routers_with_a_vni_learn_what_their_tenant_is_taught_and_go_by_it() {
    play(NAME, scene);
}

fn scene(steps: &mut Steps) -> Result<()> {
    let (mut scene, tenants) = steps.step("two routers without a route", || {
        two_tenants(OPTIONS, route)
    })?;
    steps.step("what the VTEP tells is Learned_Route of both", || {
        tenants
            .iter()
            .try_for_each(|t| learns(&scene, t, &[V4, V6]))
    })?;
    steps.step("each reaches its own, by IPv4 and IPv6", || {
        each_reaches_its_own(&tenants)
    })?;
    steps.step("what one is taught the other never learns", || {
        one_is_taught(&scene, &tenants)
    })?;
    steps.step("nobody reaches the other tenant", || {
        nobody_reaches_the_other(&scene, &tenants)
    })?;
    steps.step(
        "an agent is killed under traffic: nothing is lost, nothing is written",
        || restart(&mut scene, &tenants),
    )?;
    steps.step("the gateways move", || gateways_move(&scene, &tenants))?;
    steps.step("what is withdrawn OVN forgets, of one tenant alone", || {
        withdrawn(&scene, &tenants)
    })?;
    steps.step("a router that wants nothing any more keeps nothing", || {
        stops(&scene, &tenants[1])
    })
}

/// OVN's own dynamic routing. The router's only way out is what it learns.
fn route(scene: &Scene, of: &Bare<'_>) -> Result<()> {
    let central = &scene.neutron.central;
    let name = of.router.name();
    central.nbctl(&["clear", "Logical_Router", &name, "static_routes"])?;
    let options = [
        "options:dynamic-routing=true",
        "options:dynamic-routing-redistribute=connected",
    ];
    central.nbctl(&["set", "Logical_Router", &name, options[0], options[1]])?;
    let vni = of.vni.to_string();
    let keys = [("vni", vni.as_str())];
    scene
        .neutron
        .annotate_router(of.router, &[of.public], &keys)
}

/// The rows of a router: prefix, next hop and row, sorted.
fn rows(scene: &Scene, tenant: &Tenant) -> Result<Vec<[String; 3]>> {
    let central = &scene.neutron.central;
    let datapath = datapath(scene, tenant, "_uuid")?;
    let of = format!("datapath={datapath}");
    let listed = central.sbctl(&[
        "--no-headings",
        "--format=csv",
        "--data=bare",
        "--columns=ip_prefix,nexthop,_uuid",
        "find",
        "Learned_Route",
        &of,
    ])?;
    let row = |line: &str| -> Option<[String; 3]> {
        let mut cells = line.split(',').map(str::to_owned);
        Some([cells.next()?, cells.next()?, cells.next()?])
    };
    let mut rows: Vec<_> = listed.lines().filter_map(row).collect();
    rows.sort();
    Ok(rows)
}

/// A column of a router's datapath.
fn datapath(scene: &Scene, tenant: &Tenant, column: &str) -> Result<String> {
    let column = format!("--columns={column}");
    let named = format!("external_ids:name={}", tenant.router.name());
    let words = ["--bare", &column, "find", "Datapath_Binding", &named];
    Ok(scene.neutron.central.sbctl(&words)?.trim().to_owned())
}

/// Its router has these prefixes and no others, and this node is the next router to all of them.
fn learns(scene: &Scene, tenant: &Tenant, prefixes: &[&str]) -> Result<()> {
    let next = tenant.public.v4(0);
    let mut last = Vec::new();
    let all = || {
        last = rows(scene, tenant).unwrap_or_default();
        let found = last.iter().map(|[prefix, ..]| prefix.as_str());
        let by_us = last
            .iter()
            .all(|[_, hop, _]| *hop == next || hop.starts_with("fe80::"));
        by_us && found.eq(prefixes.iter().copied())
    };
    let waited = wait_until(PATIENCE, "Learned_Route", all);
    waited.with_context(|| {
        let shown = scene.nodes.iter().map(|node| {
            let fib = node.say(&["show", "fib"]).unwrap_or_default();
            format!("{}:\n{fib}\n{}", node.host(), node.log())
        });
        let shown: Vec<_> = shown.collect();
        format!(
            "{} should have {prefixes:?}: {last:?}\n{}",
            tenant.name,
            shown.join("\n")
        )
    })
}

fn one_is_taught(scene: &Scene, [red, blue]: &[Tenant; 2]) -> Result<()> {
    let vtep = &scene.vtep.site.namespace;
    let before = rows(scene, blue)?;
    vtep.ip("address add 192.0.2.1/24 dev host1001")?;
    learns(scene, red, &["192.0.2.0/24", V4, V6])?;
    reaches_address(red, "192.0.2.1", true)?;
    reaches_address(blue, "192.0.2.1", false)?;
    vtep.ip("address del 192.0.2.1/24 dev host1001")?;
    learns(scene, red, &[V4, V6])?;
    ensure!(
        rows(scene, blue)? == before,
        "blue: {:?}",
        rows(scene, blue)?
    );
    Ok(())
}

/// Whether a tenant's VM gets an answer of the kernel at an address.
fn reaches_address(tenant: &Tenant, to: &str, answers: bool) -> Result<()> {
    let address = to.parse()?;
    let pings = || tenant.guest.namespace().pings(address, None);
    if answers {
        return wait_until(PATIENCE, to, pings);
    }
    ensure!(!pings(), "{} reaches {to}", tenant.name);
    Ok(())
}

fn restart(scene: &mut Scene, tenants: &[Tenant; 2]) -> Result<()> {
    let before = [rows(scene, &tenants[0])?, rows(scene, &tenants[1])?];
    let mut streams = Vec::new();
    for Tenant { host, guest, .. } in tenants {
        // Both ways: what the VM sends goes by what OVN has learned.
        streams.push((
            Stream::start(&host.namespace, &guest.port.v4(), OFTEN)?,
            guest.name.clone(),
        ));
        let [_, v6] = &host.addresses;
        streams.push((
            Stream::start(guest.namespace(), v6, OFTEN)?,
            host.name.clone(),
        ));
    }
    let node = &mut scene.nodes[1];
    node.kill_agent();
    node.start_agent()?;
    scene.fabric.wait_told(&node.site)?;
    settled(scene)?;
    for (stream, name) in streams {
        let loss = stream.finish()?;
        println!("  {loss}");
        loss.expect_none(&[&name])?;
    }
    let after = [rows(scene, &tenants[0])?, rows(scene, &tenants[1])?];
    ensure!(after == before, "{before:?} became {after:?}");
    Ok(())
}

/// The second node's routers have all of their routes from what this process was taught, and it wrote none of them.
fn settled(scene: &Scene) -> Result<()> {
    let mut last = String::new();
    let settled = || {
        last = scene.nodes[1]
            .say(&["show", "fib", "--json"])
            .unwrap_or_default();
        let fib: serde_json::Value = serde_json::from_str(&last).unwrap_or_default();
        let routers = fib["routers"].as_array().cloned().unwrap_or_default();
        let installed = |router: &serde_json::Value| {
            let routes = router["routes"].as_array().cloned().unwrap_or_default();
            let count = |state: &str| routes.iter().filter(|r| r["state"] == state).count();
            (count("installed"), count("held")) == (2, 0)
        };
        routers.len() == 2 && routers.iter().all(installed) && fib["writes"] == 0
    };
    let waited = wait_until(PATIENCE, "the routers' routes", settled);
    waited.with_context(|| format!("{last}\n{}", scene.nodes[1].log()))
}

fn gateways_move(scene: &Scene, tenants: &[Tenant; 2]) -> Result<()> {
    scene.neutron.prefer_gateways(&[HOSTS[0].1, HOSTS[1].1])?;
    scene.nodes[0].wait_devices(&["vrf-1001", "vrf-1002", "vlan-1002"], true)?;
    scene.nodes[1].wait_devices(&["vrf-1001", "vrf-1002", "vlan-1002"], false)?;
    tenants
        .iter()
        .try_for_each(|tenant| learns(scene, tenant, &[V4, V6]))?;
    each_reaches_its_own(tenants)?;
    for tenant in tenants {
        left_alone(scene, tenant, 1)?;
    }
    Ok(())
}

/// Nothing of ours is in a router's table at a node.
fn left_alone(scene: &Scene, tenant: &Tenant, node: usize) -> Result<()> {
    let table = datapath(scene, tenant, "tunnel_key")?;
    let mut last = String::new();
    let empty = || {
        let shown = ["-4", "-6"].map(|family| {
            let words = format!("{family} route show table {table} proto bgp");
            // A table without any route does not exist.
            scene.nodes[node]
                .site
                .namespace
                .ip(&words)
                .unwrap_or_default()
        });
        last = shown.concat();
        last.is_empty()
    };
    let waited = wait_until(PATIENCE, "an empty table", empty);
    waited.with_context(|| format!("table {table} of {}:\n{last}", scene.nodes[node].host()))
}

fn withdrawn(scene: &Scene, [red, blue]: &[Tenant; 2]) -> Result<()> {
    let [v4, _] = &blue.host.addresses;
    let stream = Stream::start(blue.guest.namespace(), v4, OFTEN)?;
    let vrf = format!("router bgp {AS} vrf vrf-{}", red.vni);
    let withdraw = |word: &str| {
        let redistribute = format!("{word}redistribute connected");
        let lines = [vrf.as_str(), "address-family ipv4 unicast", &redistribute];
        scene.vtep.router.configure(&lines)
    };
    withdraw("no ")?;
    learns(scene, red, &[V6])?;
    let (vm, [gone, v6]) = (red.guest.namespace(), &red.host.addresses);
    becomes_silent(vm, gone, (v6, &red.host.name))?;
    let loss = stream.finish()?;
    println!("  {loss}");
    loss.expect_none(&[&blue.host.name])?;
    learns(scene, blue, &[V4, V6])?;
    withdraw("")?;
    learns(scene, red, &[V4, V6])?;
    reaches(vm, gone, &red.host.name)
}

fn stops(scene: &Scene, blue: &Tenant) -> Result<()> {
    let of = blue.router.name();
    let stop = "options:dynamic-routing=false";
    scene
        .neutron
        .central
        .nbctl(&["set", "Logical_Router", &of, stop])?;
    left_alone(scene, blue, 0)?;
    scene.nodes[0].wait_devices(&["vrf-1002", "br-1002", "vlan-1002"], false)
}
