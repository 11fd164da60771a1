//! Address scopes of a port, in either database.

use std::sync::Arc;

use ipnet::IpNet;

use super::row::{ColumnError, Reader};

/// `external_ids:neutron:subnet_pool_addr_scope4` and `…6` of `Logical_Switch_Port` and `Port_Binding`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressScopes {
    pub v4: Option<Arc<str>>,
    pub v6: Option<Arc<str>>,
}

impl AddressScopes {
    /// The scope of the prefix's family.
    pub fn of(&self, prefix: IpNet) -> Option<&Arc<str>> {
        match prefix {
            IpNet::V4(_) => self.v4.as_ref(),
            IpNet::V6(_) => self.v6.as_ref(),
        }
    }

    pub(super) fn read(row: &Reader<'_>) -> Result<Self, ColumnError> {
        let scope = |key| {
            let text = row.entry("external_ids", key)?;
            Ok(text.filter(|text| !text.is_empty()).cloned())
        };
        Ok(Self {
            v4: scope("neutron:subnet_pool_addr_scope4")?,
            v6: scope("neutron:subnet_pool_addr_scope6")?,
        })
    }
}
