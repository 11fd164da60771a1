//! `originate --mac`: a host of a bridged table by hand.

use bgp::evpn::{Kind, LocalHost, Vni};
use bgp::wire::evpn::Mac;
use ipnet::IpNet;

use super::Reply;
use super::message::Taken;
use crate::advertise::{Source, TenantOrigination};
use crate::mac::MacAddr;

/// A host as the operator describes it.
pub(super) struct ByHand<'a> {
    pub(super) mac: MacAddr,
    /// Host prefixes.
    pub(super) addresses: &'a [IpNet],
    pub(super) gateway: bool,
}

impl ByHand<'_> {
    /// Originates it in this table, or says why not.
    pub(super) fn originate(
        &self,
        tenants: &TenantOrigination,
        table: Option<(Vni, Option<Kind>)>,
    ) -> Reply {
        match self.placed(table) {
            Ok((vni, host)) => {
                let mac = Mac(self.mac.0);
                tenants.originate_hosts(Source::Operator, vni, [(mac, host)]);
                Reply::Taken(Taken { prefixes: 1 })
            }
            Err(why) => Reply::Error(why),
        }
    }

    fn placed(&self, table: Option<(Vni, Option<Kind>)>) -> Result<(Vni, LocalHost), String> {
        let mac = self.mac;
        let Some((vni, kind)) = table else {
            return Err(format!("host {mac} is in no table: say which with the VNI"));
        };
        if kind != Some(Kind::Bridged) {
            return Err(format!(
                "VNI {vni} is a routed table (l3), which has prefixes and no hosts: leave the MAC address out"
            ));
        }
        if let Some(network) = self.addresses.iter().find(|net| !bgp::is_host_prefix(net)) {
            return Err(format!(
                "host {mac} has addresses, and {network} is a network"
            ));
        }
        let host = LocalHost {
            addresses: self.addresses.iter().map(IpNet::addr).collect(),
            gateway: self.gateway,
            ..LocalHost::default()
        };
        Ok((vni, host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(table: Option<(Vni, Option<Kind>)>, addresses: &[&str]) -> String {
        let addresses: Vec<IpNet> = addresses.iter().map(|a| a.parse().unwrap()).collect();
        let host = ByHand {
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            addresses: &addresses,
            gateway: true,
        };
        host.placed(table).unwrap_err()
    }

    #[test]
    fn a_host_is_in_a_bridged_table_and_has_addresses() {
        let router_mac = Mac([2, 0, 0, 0, 0, 9]);
        let routed = Some((7, Some(Kind::Routed { router_mac })));
        let bridged = Some((8, Some(Kind::Bridged)));
        assert!(refused(None, &[]).contains("VNI"));
        assert!(refused(routed, &[]).contains("VNI 7 is a routed table"));
        let why = refused(bridged, &["192.0.2.1/32", "192.0.2.0/24"]);
        assert!(why.contains("192.0.2.0/24 is a network"), "{why}");
    }
}
