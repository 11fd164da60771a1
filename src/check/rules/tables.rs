//! Routing tables: who has which number.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Findings, is_wired};
use crate::check::Code;
use crate::check::facts::{File, NodeFacts};
use crate::config::Config;
use crate::kernel::rt_tables;

const PLACE: &str = "/etc/iproute2/rt_tables";

pub(super) fn judge(facts: &NodeFacts, config: &Config, found: &mut Findings) {
    if !is_wired(config) {
        return;
    }
    let text = match &facts.rt_tables {
        File::Text(text) => text,
        File::Unreadable(why) => {
            let problem = format!("cannot be read: {why}");
            let remedy = "run as root, and mount /etc/iproute2 into the container";
            return found.error(Code::RtTablesUnreadable, PLACE, problem, remedy);
        }
    };
    let own = config.agent.bgp_vrf_table_id;
    let bridges: Vec<Arc<str>> = facts
        .mapped()
        .iter()
        .map(|bridge| Arc::from(bridge.as_str()))
        .collect();
    let mut taken: BTreeMap<u32, String> = BTreeMap::new();
    taken.insert(own, "bgp_vrf_table_id".to_owned());
    let fib = config.bgp.fib.table;
    let learned = "fib_table".to_owned();
    if fib == own {
        conflict(fib, &learned, "bgp_vrf_table_id", found);
    }
    taken.entry(fib).or_insert(learned);
    for (bridge, table) in rt_tables::allocate(text, &bridges, &[own, fib].into()) {
        match table {
            Ok(table) => {
                if let Some(other) = taken.insert(table, format!("bridge {bridge}")) {
                    conflict(table, &format!("bridge {bridge}"), &other, found);
                }
            }
            Err(error) => found.error(
                Code::RtTablesFull,
                PLACE,
                error.to_string(),
                "remove rows that nobody needs (ip rule, ip route show table N)",
            ),
        }
    }
}

fn conflict(table: u32, one: &str, other: &str, found: &mut Findings) {
    found.error(
        Code::RtTablesConflict,
        PLACE,
        format!("table {table} is {one}'s and {other}'s"),
        "set the option to a free number, or give the bridge another row while no agent runs",
    );
}
