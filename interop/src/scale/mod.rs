//! A cloud of any size in OVN_Northbound, with rows as Neutron writes them: the shape of a deployment with 200
//! chassis, 20,000 ports and 5,000 floating IPs, and a [`Meter`] of what a client reads of it.

mod meter;
mod rows;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

pub use self::meter::Meter;
use self::rows::Rows;

/// How much of everything there is. Every tenant network has a router with a gateway, a load balancer, and its
/// share of the floating IPs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Hosts; the first tenth of them also host gateways.
    pub chassis: usize,
    /// Provider networks, all on `physnet1`.
    pub provider_networks: usize,
    /// VMs on provider networks.
    pub provider_ports: usize,
    /// Tenant networks.
    pub tenant_networks: usize,
    /// VMs on each tenant network.
    pub vms_per_network: usize,
    /// Distributed floating IPs.
    pub fips: usize,
}

impl Scale {
    /// The cloud of the specification's benchmarks.
    pub const FULL: Self = Self {
        chassis: 200,
        provider_networks: 20,
        provider_ports: 2000,
        tenant_networks: 500,
        vms_per_network: 36,
        fips: 5000,
    };

    /// A tenth of it, with as much on each node.
    pub const TENTH: Self = Self {
        chassis: 20,
        provider_networks: 20,
        provider_ports: 200,
        tenant_networks: 50,
        vms_per_network: 36,
        fips: 500,
    };
}

/// The chassis that is the node under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It hosts VMs alone.
    Compute,
    /// It hosts gateways as well.
    Gateway,
}

/// The node under test, by its names.
#[derive(Clone, Copy, Debug)]
pub struct This<'a> {
    /// Name of the host.
    pub hostname: &'a str,
    /// `system-id`.
    pub chassis: &'a str,
    /// What it hosts.
    pub role: Role,
}

/// What a node is expected to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// VMs on provider networks.
    pub provider_ports: usize,
    /// Floating IPs of VMs.
    pub fips: usize,
    /// Gateways.
    pub gateways: usize,
    /// VMs on the tenant networks behind these.
    pub tenants: usize,
    /// Load balancers on these.
    pub balancers: usize,
}

impl Share {
    /// Prefixes advertised without tenant networks.
    pub fn without_tenants(&self) -> usize {
        self.provider_ports + self.fips + self.gateways
    }

    /// Prefixes advertised with tenant networks.
    pub fn with_tenants(&self) -> usize {
        self.without_tenants() + self.tenants + self.balancers
    }
}

/// Name of the localnet port of a provider network.
pub fn localnet(number: usize) -> String {
    format!("provnet-{}", rows::id("localnet", number))
}

/// Puts the cloud into the OVN_Northbound at this socket, which has nothing but its `NB_Global` row. The same arguments give the same rows. Answers
/// what `this` node has of it.
///
/// # Errors
/// The server's, or those of the socket.
pub fn load(socket: &Path, scale: Scale, this: This<'_>) -> Result<Share> {
    let mut stream = UnixStream::connect(socket).context("OVN_Northbound")?;
    let mut rows = Rows::new(scale, this);
    rows.write();
    for operations in rows.transactions {
        commit(&mut stream, operations)?;
    }
    Ok(rows.share)
}

/// Runs one transaction on OVN_Northbound.
///
/// # Errors
/// The server's, or those of the socket.
pub fn commit(stream: &mut UnixStream, operations: Vec<Value>) -> Result<()> {
    transact(stream, "OVN_Northbound", operations).map(drop)
}

/// Runs one transaction on a database; the results of its operations.
///
/// # Errors
/// The server's, or those of the socket.
pub fn transact(
    stream: &mut UnixStream,
    database: &str,
    operations: Vec<Value>,
) -> Result<Vec<Value>> {
    let mut params = vec![json!(database)];
    params.extend(operations);
    let request = json!({"method": "transact", "params": params, "id": 1});
    stream.write_all(request.to_string().as_bytes())?;
    let (mut text, mut chunk) = (Vec::new(), [0; 65536]);
    loop {
        let read = stream.read(&mut chunk)?;
        ensure!(read > 0, "the server closed the connection");
        text.extend_from_slice(chunk.get(..read).unwrap_or_default());
        // A message ends where it parses: the server sends no other one meanwhile.
        let whole = chunk.get(..read).is_some_and(|chunk| chunk.ends_with(b"}"));
        let Some(reply) = whole
            .then(|| serde_json::from_slice::<Value>(&text).ok())
            .flatten()
        else {
            continue;
        };
        let results = reply.get("result").and_then(Value::as_array);
        let results = results.with_context(|| format!("refused: {}", reply["error"]))?;
        let failed = results.iter().find(|result| result.get("error").is_some());
        ensure!(failed.is_none(), "refused: {failed:?}");
        return Ok(results.clone());
    }
}
