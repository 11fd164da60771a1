//! What ports are told of their networks.

use std::sync::Arc;

use uuid::Uuid;

use crate::ovn::northbound::{DhcpOptions, Network, Northbound};

impl Northbound {
    pub(super) fn replace_dhcp_options(&mut self, uuid: Uuid, new: Option<DhcpOptions>) {
        if self.dhcp_options.get(&uuid).map(|row| &**row) == new.as_ref() {
            return;
        }
        match new {
            Some(new) => drop(self.dhcp_options.insert(uuid, Arc::new(new))),
            None => drop(self.dhcp_options.remove(&uuid)),
        }
        // A row is for one subnet, so for one network: such changes are rare.
        let told = |network: &Network| network.dhcp_options().any(|row| row == uuid);
        let networks = self.networks.iter().filter(|(_, network)| told(network));
        let networks = networks.map(|(name, _)| name.clone());
        self.affected.vpn_networks.extend(networks);
    }
}
