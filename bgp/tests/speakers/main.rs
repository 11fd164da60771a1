//! Two speakers on virtual time: one file per behaviour.

mod pair;
mod raw_peer;
mod several;

mod adj_rib_out;
mod bad_input;
mod capabilities;
mod collision;
mod connect_retry;
mod convergence;
mod draining;
mod duplicates;
mod dynamic_peers;
mod enhanced_refresh;
mod establishment;
mod evpn;
mod export;
mod graceful_restart_helper;
mod hold_timer;
mod import_policy;
mod learning;
mod max_prefixes;
mod multipath;
mod neighbour_address;
mod path_down;
mod random_order;
mod reconfiguration;
mod refresh;
mod remote_as;
mod restart;
mod slow_peer;
mod stopping;
