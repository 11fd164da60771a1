//! Behaviours of upstream.md section 8, by number. `Cloud` is a Southbound database of a few rows.

mod balancers;
pub(in crate::exposure) mod cloud;
pub(in crate::exposure) mod decided;
mod fips;
mod gateways;
pub(in crate::exposure) mod histories;
mod policies;
mod ports;
mod tenants;
