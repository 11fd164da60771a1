//! Two speakers on virtual time: one file per behaviour.

mod pair;
mod raw_peer;

mod bad_input;
mod capabilities;
mod collision;
mod connect_retry;
mod enhanced_refresh;
mod establishment;
mod export;
mod graceful_restart_helper;
mod hold_timer;
mod learning;
mod neighbour_address;
mod random_order;
mod refresh;
mod remote_as;
mod restart;
mod slow_peer;
mod stopping;
