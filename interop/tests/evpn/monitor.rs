//! What the kernel tells of routes while something happens: a route that is there for a moment is lost on few packets, and seen here.

use anyhow::{Result, ensure};
use interop::evpn::Node;
use interop::{Daemon, PATIENCE, wait_until};

/// A running `ip monitor`.
pub(crate) struct Monitor(Daemon);

impl Monitor {
    /// From now on.
    pub(crate) fn start(node: &Node) -> Result<Self> {
        let mut command = node.site.namespace.command("ip");
        command.args(["-o", "monitor", "route"]);
        let dir = node.chassis.switch.run_dir();
        let this = Self(Daemon::spawn("monitor", dir, &mut command)?);
        this.has_told(node, "203.0.113.1")?;
        Ok(this)
    }

    /// Fails if the node itself has had one of these addresses in the table that is asked before any VRF's.
    pub(crate) fn expect_never_local(self, node: &Node, addresses: &[String]) -> Result<()> {
        self.has_told(node, "203.0.113.2")?;
        let said = self.0.log_text();
        self.0.stop();
        for address in addresses {
            let local = format!("local {address} ");
            let line = |line: &&str| line.contains(&local) && line.contains("table local");
            let found = said.lines().find(line);
            ensure!(found.is_none(), "{found:?}");
        }
        Ok(())
    }

    /// Waits until it has told of all that has happened: last of a route that leads nowhere, in a table that nobody asks. One that is there
    /// already is no news.
    fn has_told(&self, node: &Node, last: &str) -> Result<()> {
        let (ns, route) = (&node.site.namespace, format!("blackhole {last} table 99"));
        wait_until(PATIENCE, "ip monitor", || {
            let _ = ns.ip(&format!("route del {route}"));
            let made = ns.ip(&format!("route add {route}"));
            made.is_ok() && self.0.log_text().contains(last)
        })
    }
}
