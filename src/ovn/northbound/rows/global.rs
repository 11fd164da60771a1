//! What holds for the whole cloud.

use crate::ovn::row::{ColumnError, Reader};

/// `NB_Global`: where floating IPs are answered for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FipMode {
    /// `external_ids:neutron:fip-distributed` is missing, which counts as distributed: Neutron has
    /// not written it yet.
    #[default]
    Unset,
    /// `True`: on the VM's chassis.
    Distributed,
    /// Any other value: on the chassis of the router's gateway.
    Centralised,
}

impl FipMode {
    /// The columns read.
    pub const COLUMNS: &[&str] = &["external_ids"];

    pub(crate) fn read(row: &Reader<'_>) -> Result<Self, ColumnError> {
        Ok(
            match row
                .entry("external_ids", "neutron:fip-distributed")?
                .map(|text| &**text)
            {
                None => Self::Unset,
                Some("True") => Self::Distributed,
                Some(_) => Self::Centralised,
            },
        )
    }
}
