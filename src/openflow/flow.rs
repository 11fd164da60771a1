//! Pure: the one shape of flow that we make, `in_port, eth_type → set eth_dst, NORMAL`, and what it
//! takes to tell it from others. Sections as in [`super::wire`].

use std::fmt::Write;
use std::sync::Arc;

use bytes::{Buf, BufMut};

use super::wire::{FlowCommand, FlowEntry, FlowMod, PORT_NORMAL};
use crate::mac::MacAddr;
use crate::reconcile::Found;
use crate::reconcile::object::{EtherType, Flow, Key, Value};
use crate::reconcile::ownership::FLOW_COOKIE;

/// The table of our flows.
const TABLE: u8 = 0;

/// §7.2.3.2: class OFPXMC_OPENFLOW_BASIC, field, no mask, length: the headers of our three fields.
const OXM_IN_PORT: u32 = oxm_header(0, 4);
const OXM_ETH_DST: u32 = oxm_header(3, 6);
const OXM_ETH_TYPE: u32 = oxm_header(5, 2);

/// §7.2.4.
const INSTRUCTION_APPLY_ACTIONS: u16 = 4;
/// §7.2.5.
const ACTION_OUTPUT: u16 = 0;
const ACTION_SET_FIELD: u16 = 25;

const fn oxm_header(field: u32, length: u32) -> u32 {
    0x8000 << 16 | field << 9 | length
}

/// A flow with our cookie, as an object.
pub fn object(bridge: &Arc<str>, entry: &FlowEntry) -> (Key, Found) {
    let key = match parse_match(&entry.oxm) {
        Some((in_port, ether_type)) if entry.table == TABLE => Key::Flow {
            bridge: Arc::clone(bridge),
            priority: entry.priority,
            in_port,
            ether_type,
            source: None,
        },
        _ => Key::StrayFlow {
            bridge: Arc::clone(bridge),
            table: entry.table,
            priority: entry.priority,
            oxm: entry.oxm.as_slice().into(),
        },
    };
    let timeless = entry.idle_timeout == 0 && entry.hard_timeout == 0;
    let mac = parse_instructions(&entry.instructions).filter(|_| timeless);
    let value = match (&key, mac) {
        (Key::Flow { .. }, Some(set_eth_dst)) => Value::Flow(Flow {
            cookie: entry.cookie,
            set_eth_dst,
            output: None,
        }),
        _ => Value::Stray { text: text(entry) },
    };
    (key, Found::owned(value))
}

/// The message that adds or overwrites a flow; `None` for what is not one.
pub fn add(key: &Key, value: &Value) -> Option<FlowMod> {
    let (
        Key::Flow {
            priority,
            in_port,
            ether_type,
            ..
        },
        Value::Flow(flow),
    ) = (key, value)
    else {
        return None;
    };
    Some(FlowMod {
        command: FlowCommand::Add,
        table: TABLE,
        priority: *priority,
        cookie: flow.cookie,
        oxm: put_match(*in_port, *ether_type),
        instructions: put_instructions(flow.set_eth_dst),
    })
}

/// The message that removes a flow with our cookie; `None` for what is not one.
pub fn remove(key: &Key) -> Option<FlowMod> {
    let (table, priority, oxm) = match key {
        Key::Flow {
            priority,
            in_port,
            ether_type,
            ..
        } => (TABLE, *priority, put_match(*in_port, *ether_type)),
        Key::StrayFlow {
            table,
            priority,
            oxm,
            ..
        } => (*table, *priority, oxm.to_vec()),
        _ => return None,
    };
    Some(FlowMod {
        command: FlowCommand::DeleteStrict,
        table,
        priority,
        cookie: FLOW_COOKIE,
        oxm,
        instructions: Vec::new(),
    })
}

fn put_match(in_port: u32, ether_type: EtherType) -> Vec<u8> {
    let mut oxm = Vec::with_capacity(14);
    oxm.put_u32(OXM_IN_PORT);
    oxm.put_u32(in_port);
    oxm.put_u32(OXM_ETH_TYPE);
    oxm.put_u16(match ether_type {
        EtherType::Ipv4 => 0x0800,
        EtherType::Ipv6 => 0x86dd,
    });
    oxm
}

/// Exactly our two fields, in either order.
fn parse_match(mut oxm: &[u8]) -> Option<(u32, EtherType)> {
    let (mut in_port, mut ether_type) = (None, None);
    while !oxm.is_empty() {
        match oxm.try_get_u32().ok()? {
            OXM_IN_PORT if in_port.is_none() => in_port = Some(oxm.try_get_u32().ok()?),
            OXM_ETH_TYPE if ether_type.is_none() => {
                ether_type = Some(match oxm.try_get_u16().ok()? {
                    0x0800 => EtherType::Ipv4,
                    0x86dd => EtherType::Ipv6,
                    _ => return None,
                });
            }
            _ => return None,
        }
    }
    in_port.zip(ether_type)
}

/// Apply: set eth_dst, output NORMAL. ovs-ofctl's `mod_dl_dst` reads the same.
fn put_instructions(mac: MacAddr) -> Vec<u8> {
    let mut out = Vec::with_capacity(40);
    out.put_u16(INSTRUCTION_APPLY_ACTIONS);
    out.put_u16(40);
    out.put_bytes(0, 4);
    out.put_u16(ACTION_SET_FIELD);
    out.put_u16(16);
    out.put_u32(OXM_ETH_DST);
    out.put_slice(&mac.0);
    out.put_bytes(0, 2);
    out.put_u16(ACTION_OUTPUT);
    out.put_u16(16);
    out.put_u32(PORT_NORMAL);
    out.put_u16(0);
    out.put_bytes(0, 6);
    out
}

/// The MAC of instructions that do what ours do. `max_len` of OUTPUT has a meaning for the
/// controller port only.
fn parse_instructions(mut bytes: &[u8]) -> Option<MacAddr> {
    let mut number = || bytes.try_get_u16().ok();
    (number()? == INSTRUCTION_APPLY_ACTIONS && number()? == 40).then_some(())?;
    bytes = bytes.get(4..)?;
    let (kind, length) = (bytes.try_get_u16().ok()?, bytes.try_get_u16().ok()?);
    let field = bytes.try_get_u32().ok()?;
    ((kind, length, field) == (ACTION_SET_FIELD, 16, OXM_ETH_DST)).then_some(())?;
    let mac = MacAddr(bytes.get(..6)?.try_into().ok()?);
    bytes = bytes.get(8..)?;
    let (kind, length) = (bytes.try_get_u16().ok()?, bytes.try_get_u16().ok()?);
    let port = bytes.try_get_u32().ok()?;
    ((kind, length, port) == (ACTION_OUTPUT, 16, PORT_NORMAL) && bytes.len() == 8).then_some(mac)
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(flow: &FlowMod) -> FlowEntry {
        FlowEntry {
            table: flow.table,
            priority: flow.priority,
            cookie: flow.cookie,
            idle_timeout: 0,
            hard_timeout: 0,
            oxm: flow.oxm.clone(),
            instructions: flow.instructions.clone(),
        }
    }

    fn key(priority: u16, in_port: u32, ether_type: EtherType) -> Key {
        Key::Flow {
            bridge: "br-ex".into(),
            priority,
            in_port,
            ether_type,
            source: None,
        }
    }

    fn value(mac: [u8; 6]) -> Value {
        Value::Flow(Flow {
            cookie: FLOW_COOKIE,
            set_eth_dst: MacAddr(mac),
            output: None,
        })
    }

    proptest! {
        #[test]
        fn a_flow_reads_as_it_was_written(
            priority: u16, in_port: u32, v6: bool, mac: [u8; 6],
        ) {
            let ether_type = if v6 { EtherType::Ipv6 } else { EtherType::Ipv4 };
            let (key, value) = (key(priority, in_port, ether_type), value(mac));
            let added = add(&key, &value).unwrap();
            let read = object(&"br-ex".into(), &entry(&added));
            prop_assert_eq!(read, (key.clone(), Found::owned(value)));
            prop_assert_eq!(remove(&key).unwrap().oxm, added.oxm);
        }

        #[test]
        fn any_flow_is_an_object_that_can_be_removed(
            table: u8,
            priority: u16,
            oxm in proptest::collection::vec(any::<u8>(), 0..40),
            instructions in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let flow = FlowEntry {
                table, priority, cookie: FLOW_COOKIE,
                idle_timeout: 0, hard_timeout: 0, oxm: oxm.clone(), instructions,
            };
            let (key, found) = object(&"br-ex".into(), &flow);
            prop_assert!(found.owned);
            let removed = remove(&key).unwrap();
            prop_assert_eq!((removed.table, removed.priority), (table, priority));
            prop_assert_eq!(removed.cookie, FLOW_COOKIE);
        }
    }

    #[test]
    fn a_flow_with_our_match_and_other_actions_has_our_key() {
        let key = key(900, 1, EtherType::Ipv4);
        let mut flow = entry(&add(&key, &value([2; 6])).unwrap());
        flow.instructions.truncate(8);
        let (found, what) = object(&"br-ex".into(), &flow);
        assert_eq!(found, key);
        assert!(matches!(what.value, Value::Stray { .. }));
    }

    #[test]
    fn a_flow_that_expires_is_not_as_wished() {
        let key = key(900, 1, EtherType::Ipv4);
        let mut flow = entry(&add(&key, &value([2; 6])).unwrap());
        flow.idle_timeout = 60;
        assert!(matches!(
            object(&"br-ex".into(), &flow).1.value,
            Value::Stray { .. }
        ));
    }

    #[test]
    fn d33_a_flow_of_another_shape_is_a_stray() {
        let flow = FlowEntry {
            table: 3,
            priority: 1000,
            cookie: FLOW_COOKIE,
            idle_timeout: 0,
            hard_timeout: 0,
            oxm: Vec::new(),
            instructions: Vec::new(),
        };
        let (key, _) = object(&"br-ex".into(), &flow);
        assert!(matches!(key, Key::StrayFlow { table: 3, .. }));
    }
}
