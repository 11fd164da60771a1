//! Two tenants behind routers of OVN: red's gateway is on a flat provider network, blue's in a VLAN; their networks have the same addresses,
//! and so have the hosts behind the VTEP.

use anyhow::Result;
use interop::cloud::HOSTS;
use interop::cloud::objects::{Gateway, Network, Port, Router};
use interop::evpn::probe::{is_silent, reaches};
use interop::evpn::{Guest, Host, Scene};

pub(crate) struct Tenant {
    pub(crate) name: &'static str,
    pub(crate) vni: u32,
    pub(crate) public: Network,
    pub(crate) inside: Network,
    pub(crate) router: Router,
    pub(crate) gateway: Gateway,
    pub(crate) host: Host,
    pub(crate) guest: Guest,
}

/// A router before its tenant is told to anybody.
pub(crate) struct Bare<'a> {
    pub(crate) vni: u32,
    pub(crate) public: &'a Network,
    pub(crate) inside: &'a Network,
    pub(crate) router: &'a Router,
}

impl Tenant {
    pub(crate) fn networks(&self) -> [&Network; 2] {
        [&self.public, &self.inside]
    }
}

/// Red and blue, with agents that run; `tell` says in OVN what the driver goes by.
pub(crate) fn two_tenants(
    options: &str,
    tell: fn(&Scene, &Bare<'_>) -> Result<()>,
) -> Result<(Scene, [Tenant; 2])> {
    let mut scene = Scene::build()?;
    let red = Network::provider(1, "physnet1");
    let blue = Network::provider(2, "physnet1").tagged(100).addressed_as(1);
    let [inside, same] = [Network::tenant(8), Network::tenant(9).addressed_as(8)];
    let tenants = [
        tenant(&scene, ("red", 1001), [red, inside], 1, tell)?,
        tenant(&scene, ("blue", 1002), [blue, same], 2, tell)?,
    ];
    scene.start_agents(options)?;
    Ok((scene, tenants))
}

/// The VM at the first node, the gateway at the second.
fn tenant(
    scene: &Scene,
    (name, vni): (&'static str, u32),
    [public, inside]: [Network; 2],
    number: u8,
    tell: fn(&Scene, &Bare<'_>) -> Result<()>,
) -> Result<Tenant> {
    let neutron = &scene.neutron;
    let router = Router::new(number);
    let gateway = Gateway {
        network: public.clone(),
        host: 40,
        chassis: vec![HOSTS[1].1.to_owned(), HOSTS[0].1.to_owned()],
        snat: false,
    };
    neutron.create_network(&public)?;
    neutron.create_network(&inside)?;
    neutron.create_router(&router)?;
    neutron.attach(&router, &inside, None)?;
    neutron.set_gateway(&router, &gateway, &[&inside])?;
    let bare = Bare {
        vni,
        public: &public,
        inside: &inside,
        router: &router,
    };
    tell(scene, &bare)?;
    let outside = ["198.51.100.", "2001:db8:ffff::"];
    let host = scene
        .vtep
        .add_routed(vni, &format!("{name}-host"), outside)?;
    let guest = scene.boot(&Port::new(&inside, 20), 0, &format!("{name}-vm"))?;
    Ok(Tenant {
        name,
        vni,
        public,
        inside,
        router,
        gateway,
        host,
        guest,
    })
}

/// Each host its VM, and each VM its host.
pub(crate) fn each_reaches_its_own(tenants: &[Tenant; 2]) -> Result<()> {
    for Tenant { host, guest, .. } in tenants {
        for to in &host.addresses {
            reaches(guest.namespace(), to, &host.name)?;
        }
        for to in [guest.port.v4(), guest.port.v6()] {
            reaches(&host.namespace, &to, &guest.name)?;
        }
    }
    Ok(())
}

/// What only blue has, red's host does not find.
pub(crate) fn nobody_reaches_the_other(scene: &Scene, [red, blue]: &[Tenant; 2]) -> Result<()> {
    let only = scene.boot(&Port::new(&blue.inside, 21), 0, "blue-only")?;
    for to in [only.port.v4(), only.port.v6()] {
        reaches(&blue.host.namespace, &to, "blue-only")?;
        let witness = red.guest.port.v4();
        is_silent(&red.host.namespace, &to, (&witness, "red-vm"))?;
    }
    scene.neutron.delete_port(&only.port)?;
    scene.nodes[0].unplug(only)
}
