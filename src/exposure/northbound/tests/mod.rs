//! Behaviours of upstream.md section 8, by number. `Cloud` is a Northbound database of a few rows.

mod balancers;
mod cloud;
mod fips;
mod gateways;
mod histories;
mod policies;
mod provider_ports;
mod stretched;
mod tenants;
mod vpn_edits;
mod vpns;
