//! Behaviours of upstream.md section 8, by number. `Cloud` is a Northbound database of a few rows.

mod cloud;
mod fips;
mod gateways;
mod histories;
mod provider_ports;
