//! Tenants over VXLAN: two chassis, a VTEP that has nothing but FRR, and the fabric between them. Needs a kernel with VRF: [`crate::vm`].
//!
//! ```text
//!                fabric: 198.18.0.0/24, GoBGP as route reflector (.254), unicast and l2vpn evpn
//!        ┌────────────────┬────────────────┐
//!    compute-1        compute-2          vtep          VTEPs 10.255.0.1, .2, .3
//!    OVS, OVN, agent  OVS, OVN, agent    FRR
//!    │      │         │      │           │      │
//!   red-1  blue-1    red-2  blue-2    red-host blue-host     the same addresses in red and in blue
//! ```

pub mod fabric;
pub mod node;
pub mod probe;
pub mod vtep;
pub mod wiretap;

use anyhow::Result;

use crate::cloud::objects::Port;
use crate::cloud::{HOSTS, Neutron};
use crate::ovn::Central;
use crate::{Generation, PATIENCE, Place, wait_until};

pub use fabric::{Fabric, Site};
pub use node::{Guest, Node};
pub use vtep::{Host, Vtep};

/// All of it. Dropped in this order: what depends before what it depends on.
pub struct Scene {
    /// The chassis, without a running agent at first.
    pub nodes: Vec<Node>,
    /// The VTEP without OVN.
    pub vtep: Vtep,
    /// Who writes to OVN.
    pub neutron: Neutron,
    /// The underlay.
    pub fabric: Fabric,
    _dir: tempfile::TempDir,
}

impl Scene {
    /// Brings up the fabric, OVN and the chassis. There is no network, no tenant and no agent yet.
    pub fn build() -> Result<Self> {
        let dir = crate::scratch()?;
        let fabric = Fabric::start(dir.path())?;
        let vtep = Vtep::start(&fabric, dir.path(), 3)?;
        let central = Central::start(&Place::host().with(Generation::Trixie), dir.path())?;
        let neutron = Neutron::new(central)?;
        let start = |number| Node::start(&fabric, dir.path(), number, &neutron.central);
        let nodes = (0..2).map(start).collect::<Result<_>>()?;
        wait_until(PATIENCE, "the VTEP's session", || vtep.is_up())?;
        Ok(Self {
            nodes,
            vtep,
            neutron,
            fabric,
            _dir: dir,
        })
    }

    /// Creates a port and boots its VM on a node; it answers with `name`.
    pub fn boot(&self, port: &Port, node: usize, name: &str) -> Result<Guest> {
        self.neutron.create_port(port, HOSTS[node].0)?;
        let guest = self.nodes[node].plug(port, name)?;
        self.neutron.wait_up(port, true, HOSTS[node].0)?;
        Ok(guest)
    }

    /// Configures and starts both agents, and waits until each has told the spine what it has.
    pub fn start_agents(&mut self, options: &str) -> Result<()> {
        for node in &mut self.nodes {
            node.configure(options)?;
            node.start_agent()?;
        }
        for node in &self.nodes {
            self.fabric.wait_told(&node.site)?;
        }
        Ok(())
    }
}
