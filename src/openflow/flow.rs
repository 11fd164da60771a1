//! Pure: the shapes of flow that we make, `in_port, eth_type[, eth_src, ip_src, arp_tpa or nd_target] → set eth_dst, [set
//! ipv6_dst,] [pop_vlan,] output`, and what it takes to tell them from others. Solicitations that no target is named of go to
//! the group of their target (RFC 4291 §2.7.1), whose last 24 bits are the target's: those are moved. Sections as in
//! [`super::wire`].

mod actions;
mod matches;

use std::fmt::Write;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use self::actions::{Actions, parse_instructions, put_instructions};
use self::matches::{Match, parse_match, put_match};
use super::wire::{FlowCommand, FlowEntry, FlowMod};
use crate::reconcile::Found;
use crate::reconcile::object::{EtherType, Flow, Key, Value};
use crate::reconcile::ownership::{FLOW_COOKIE, TENANT_FLOW_COOKIE};

/// The table of our flows.
const TABLE: u8 = 0;

/// What our two cookies have in common: they differ in the last bit.
pub(super) const OUR_COOKIES: CookieMask = CookieMask {
    cookie: FLOW_COOKIE & TENANT_FLOW_COOKIE,
    mask: !(FLOW_COOKIE ^ TENANT_FLOW_COOKIE),
};

/// What solicited-node groups begin with (RFC 4291 §2.7.1).
const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0);

/// The header of a field (§7.2.3.2): class OFPXMC_OPENFLOW_BASIC, field, no mask, octets.
const fn oxm_header(field: u32, length: u32) -> u32 {
    0x8000 << 16 | field << 9 | length
}

/// With a mask as long as the value.
const fn oxm_masked(field: u32, length: u32) -> u32 {
    oxm_header(field, 2 * length) | 1 << 8
}

/// Which cookies: those that have `cookie` in the bits of `mask`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieMask {
    pub cookie: u64,
    pub mask: u64,
}

/// A flow with a cookie of ours, as an object.
pub fn object(bridge: &Arc<str>, entry: &FlowEntry) -> (Key, Found) {
    let key = match parse_match(&entry.oxm) {
        Some(Match {
            in_port,
            ether_type,
            source,
        }) if entry.table == TABLE => Key::Flow {
            bridge: Arc::clone(bridge),
            priority: entry.priority,
            in_port,
            ether_type,
            source,
        },
        _ => Key::StrayFlow {
            bridge: Arc::clone(bridge),
            table: entry.table,
            priority: entry.priority,
            oxm: entry.oxm.as_slice().into(),
        },
    };
    let timeless = entry.idle_timeout == 0 && entry.hard_timeout == 0;
    let actions = parse_instructions(&entry.instructions).filter(|_| timeless);
    let value = match (&key, actions) {
        (Key::Flow { .. }, Some(actions))
            if (actions.to, actions.grouped) == (asked(&key), is_grouped(&key)) =>
        {
            Value::Flow(Flow {
                cookie: entry.cookie,
                set_eth_dst: actions.mac,
                output: actions.output,
            })
        }
        _ => Value::Stray { text: text(entry) },
    };
    (key, Found::owned(value))
}

/// The message that adds or overwrites a flow; `None` for what is not one.
pub fn add(key: &Key, value: &Value) -> Option<FlowMod> {
    let Value::Flow(flow) = value else {
        return None;
    };
    let (priority, matched) = parts(key)?;
    Some(FlowMod {
        command: FlowCommand::Add,
        table: TABLE,
        priority,
        cookie: flow.cookie,
        cookie_mask: 0,
        oxm: put_match(&matched)?,
        instructions: put_instructions(&Actions {
            mac: flow.set_eth_dst,
            to: asked(key),
            grouped: is_grouped(key),
            output: flow.output,
        }),
    })
}

/// The message that removes a flow with a cookie of ours; `None` for what is not one.
pub fn remove(key: &Key) -> Option<FlowMod> {
    let (table, priority, oxm) = match key {
        Key::StrayFlow {
            table,
            priority,
            oxm,
            ..
        } => (*table, *priority, oxm.to_vec()),
        key => {
            let (priority, matched) = parts(key)?;
            (TABLE, priority, put_match(&matched)?)
        }
    };
    Some(FlowMod {
        command: FlowCommand::DeleteStrict,
        table,
        priority,
        // The cookie must match: whatever else is there by now is not ours.
        cookie: OUR_COOKIES.cookie,
        cookie_mask: OUR_COOKIES.mask,
        oxm,
        instructions: Vec::new(),
    })
}

/// Whether a flow is of solicitations to groups, for any address.
fn is_grouped(key: &Key) -> bool {
    matches!(
        key,
        Key::Flow {
            ether_type: EtherType::Nd,
            source: None,
            ..
        }
    )
}

/// The one address that solicitations of a flow are for, or what all groups begin with.
fn asked(key: &Key) -> Option<Ipv6Addr> {
    match key {
        key if is_grouped(key) => Some(GROUP),
        Key::Flow {
            ether_type: EtherType::Nd,
            source: Some(source),
            ..
        } => match source.network.addr() {
            IpAddr::V6(target) => Some(target),
            IpAddr::V4(_) => None,
        },
        _ => None,
    }
}

fn parts(key: &Key) -> Option<(u16, Match)> {
    let Key::Flow {
        priority,
        in_port,
        ether_type,
        source,
        ..
    } = key
    else {
        return None;
    };
    let matched = Match {
        in_port: *in_port,
        ether_type: *ether_type,
        source: *source,
    };
    Some((*priority, matched))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (value, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*value)
}

/// For people: what a flow is that is not like ours.
fn text(entry: &FlowEntry) -> Arc<str> {
    let mut text = format!(
        "cookie={:#x},table={},priority={},oxm=",
        entry.cookie, entry.table, entry.priority
    );
    for byte in &entry.oxm {
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}

#[cfg(test)]
mod tests;
