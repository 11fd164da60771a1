//! Pure: the messages of OpenFlow 1.3 and 1.4 that are needed. Section numbers are those of the OpenFlow
//! Switch Specification 1.4.0; 1.3 differs where it is said.

use bytes::{Buf, BufMut};

/// Wire version of OpenFlow 1.3 (ONF TS-006).
pub const VERSION_13: u8 = 0x04;
/// Wire version of OpenFlow 1.4 (ONF TS-012).
pub const VERSION_14: u8 = 0x05;

/// §7.1.1: version, type, length, xid.
pub const HEADER: usize = 8;

/// §7.2.1: "any" port and group, where a filter is not wanted.
const ANY: u32 = 0xffff_ffff;
/// §7.2.1: the switch's own forwarding.
pub(super) const PORT_NORMAL: u32 = 0xffff_fffa;
/// §7.3.4.1: all tables.
const TABLE_ALL: u8 = 0xff;
/// §7.3.4.1: no packet is buffered.
const NO_BUFFER: u32 = 0xffff_ffff;
/// §7.3.5: more parts follow.
const MULTIPART_MORE: u16 = 1;

/// §7.1.1, `enum ofp_type`.
pub mod kind {
    pub const HELLO: u8 = 0;
    pub const ERROR: u8 = 1;
    pub const ECHO_REQUEST: u8 = 2;
    pub const ECHO_REPLY: u8 = 3;
    pub const FLOW_MOD: u8 = 14;
    pub const MULTIPART_REQUEST: u8 = 18;
    pub const MULTIPART_REPLY: u8 = 19;
    pub const BARRIER_REQUEST: u8 = 20;
    pub const BARRIER_REPLY: u8 = 21;
    pub const BUNDLE_CONTROL: u8 = 33;
    pub const BUNDLE_ADD: u8 = 34;
}

/// §7.3.5, `enum ofp_multipart_type`.
const MULTIPART_FLOW: u16 = 1;
const MULTIPART_FLOW_MONITOR: u16 = 16;

/// §7.3.4.1, `enum ofp_flow_mod_command`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FlowCommand {
    Add = 0,
    DeleteStrict = 4,
}

/// §7.3.9.2, `enum ofp_bundle_ctrl_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum BundleControl {
    Open = 0,
    Commit = 4,
    Discard = 6,
}

/// §7.3.9.2: all or nothing, in order.
const BUNDLE_ATOMIC_ORDERED: u16 = 3;

/// The bytes are not what the specification says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("{0} ends early")]
    Short(&'static str),
    #[error("{0} has an impossible length")]
    Length(&'static str),
    #[error("version {0:#04x} is neither OpenFlow 1.3 nor 1.4")]
    Version(u8),
}

/// A message without its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub version: u8,
    pub kind: u8,
    pub xid: u32,
    pub body: Vec<u8>,
}

/// One flow as the switch tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowEntry {
    pub table: u8,
    pub priority: u16,
    pub cookie: u64,
    /// Seconds, 0 for none.
    pub idle_timeout: u16,
    /// Seconds, 0 for none.
    pub hard_timeout: u16,
    /// The OXM fields of the match.
    pub oxm: Vec<u8>,
    pub instructions: Vec<u8>,
}

/// A flow to add or to delete strictly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowMod {
    pub command: FlowCommand,
    pub table: u8,
    pub priority: u16,
    pub cookie: u64,
    /// To delete: the bits of the cookie that have to be as given. 0 to add.
    pub cookie_mask: u64,
    pub oxm: Vec<u8>,
    /// Empty to delete.
    pub instructions: Vec<u8>,
}

/// What a flow monitor says (§7.3.5.17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowUpdate {
    /// Somebody else's change, or a pause in telling them: only a dump tells what is there.
    Changed,
    /// The effect of this connection's own request.
    Own,
}

/// Splits the first whole message off `buffer`; `None` when it is not all there yet.
pub fn split(buffer: &mut bytes::BytesMut) -> Result<Option<Message>, DecodeError> {
    let Some(header) = buffer.get(..HEADER) else {
        return Ok(None);
    };
    let mut header = header;
    let (version, kind) = (header.get_u8(), header.get_u8());
    let (length, xid) = (usize::from(header.get_u16()), header.get_u32());
    if length < HEADER {
        return Err(DecodeError::Length("message"));
    }
    if buffer.len() < length {
        return Ok(None);
    }
    let mut whole = buffer.split_to(length);
    whole.advance(HEADER);
    Ok(Some(Message {
        version,
        kind,
        xid,
        body: whole.to_vec(),
    }))
}

/// Appends a message.
pub fn put(out: &mut impl BufMut, message: &Message) {
    let length = HEADER.saturating_add(message.body.len());
    out.put_u8(message.version);
    out.put_u8(message.kind);
    // The bodies made here are far below the limit; a longer one would be refused by the switch.
    out.put_u16(u16::try_from(length).unwrap_or(u16::MAX));
    out.put_u32(message.xid);
    out.put_slice(&message.body);
}

/// §7.5.1: HELLO with the bitmap of versions 1.3 and 1.4.
pub fn hello() -> Vec<u8> {
    let mut body = Vec::with_capacity(8);
    body.put_u16(1); // OFPHET_VERSIONBITMAP
    body.put_u16(8);
    body.put_u32(1 << VERSION_13 | 1 << VERSION_14);
    body
}

/// The version to speak with a peer that said HELLO: the highest both know.
pub fn negotiate(hello: &Message) -> Result<u8, DecodeError> {
    let theirs = version_bitmap(&hello.body).unwrap_or_else(|| {
        // Without a bitmap a peer speaks every version up to the one in its header.
        1u32.checked_shl(u32::from(hello.version) + 1)
            .unwrap_or_default()
            .wrapping_sub(1)
    });
    [VERSION_14, VERSION_13]
        .into_iter()
        .find(|version| theirs & (1 << version) != 0)
        .ok_or(DecodeError::Version(hello.version))
}

fn version_bitmap(mut body: &[u8]) -> Option<u32> {
    loop {
        let mut header = body.get(..4)?;
        let (kind, length) = (header.get_u16(), usize::from(header.get_u16()));
        let mut value = body.get(4..length)?;
        if kind == 1 && value.len() >= 4 {
            return Some(value.get_u32());
        }
        body = body.get(length.max(4).next_multiple_of(8)..)?;
    }
}

/// §7.3.5.2: all flows whose cookie is this in the bits of the mask.
pub fn flow_stats_request(cookie: u64, mask: u64) -> Vec<u8> {
    let mut body = multipart(MULTIPART_FLOW);
    body.put_u8(TABLE_ALL);
    body.put_bytes(0, 3);
    body.put_u32(ANY);
    body.put_u32(ANY);
    body.put_bytes(0, 4);
    body.put_u64(cookie);
    body.put_u64(mask);
    put_match(&mut body, &[]);
    body
}

/// §7.3.5.17 (1.4): tell additions, removals and modifications of all flows, shortly where they
/// are this connection's own.
pub fn flow_monitor_request() -> Vec<u8> {
    const ADD_REMOVED_MODIFY: u16 = 0b1110;
    let mut body = multipart(MULTIPART_FLOW_MONITOR);
    body.put_u32(1); // monitor_id
    body.put_u32(ANY);
    body.put_u32(ANY);
    body.put_u16(ADD_REMOVED_MODIFY);
    body.put_u8(TABLE_ALL);
    body.put_u8(0); // OFPFMC_ADD
    put_match(&mut body, &[]);
    body
}

fn multipart(kind: u16) -> Vec<u8> {
    let mut body = Vec::with_capacity(64);
    body.put_u16(kind);
    body.put_u16(0);
    body.put_bytes(0, 4);
    body
}

/// A part of the answer to [`flow_stats_request`]: its flows, and whether more follow. `None` for
/// the answer to something else.
pub fn flow_stats_reply(body: &[u8]) -> Result<Option<(Vec<FlowEntry>, bool)>, DecodeError> {
    let (kind, flags, mut entries) = multipart_reply(body)?;
    if kind != MULTIPART_FLOW {
        return Ok(None);
    }
    let mut flows = Vec::new();
    while !entries.is_empty() {
        let length = peek_u16(entries).ok_or(DecodeError::Short("flow"))?;
        let entry = entries.get(..length).filter(|e| !e.is_empty());
        flows.push(flow_entry(entry.ok_or(DecodeError::Length("flow"))?)?);
        entries = entries.get(length..).unwrap_or_default();
    }
    Ok(Some((flows, flags & MULTIPART_MORE != 0)))
}

/// What a flow monitor says; `None` for the answer to something else.
pub fn flow_updates(body: &[u8]) -> Result<Option<Vec<FlowUpdate>>, DecodeError> {
    /// `OFPFME_INITIAL`: not asked for. `OFPFME_ABBREV`: our own.
    const QUIET: [u16; 2] = [0, 4];
    let (kind, _, mut updates) = multipart_reply(body)?;
    if kind != MULTIPART_FLOW_MONITOR {
        return Ok(None);
    }
    let mut told = Vec::new();
    while !updates.is_empty() {
        let length = peek_u16(updates).ok_or(DecodeError::Short("flow update"))?;
        let update = updates.get(..length).filter(|u| u.len() >= 8);
        let mut event = update
            .and_then(|u| u.get(2..4))
            .ok_or(DecodeError::Length("flow update"))?;
        told.push(if QUIET.contains(&event.get_u16()) {
            FlowUpdate::Own
        } else {
            FlowUpdate::Changed
        });
        updates = updates.get(length..).unwrap_or_default();
    }
    Ok(Some(told))
}

fn multipart_reply(mut body: &[u8]) -> Result<(u16, u16, &[u8]), DecodeError> {
    if body.len() < 8 {
        return Err(DecodeError::Short("multipart reply"));
    }
    let (kind, flags) = (body.get_u16(), body.get_u16());
    body.advance(4);
    Ok((kind, flags, body))
}

fn peek_u16(mut bytes: &[u8]) -> Option<usize> {
    bytes.try_get_u16().ok().map(usize::from)
}

/// §7.3.5.2, `struct ofp_flow_stats`. In 1.3 `importance` is padding.
fn flow_entry(mut entry: &[u8]) -> Result<FlowEntry, DecodeError> {
    const FIXED: usize = 48;
    if entry.len() < FIXED {
        return Err(DecodeError::Short("flow"));
    }
    entry.advance(2);
    let table = entry.get_u8();
    entry.advance(9); // padding, duration
    let priority = entry.get_u16();
    let (idle_timeout, hard_timeout) = (entry.get_u16(), entry.get_u16());
    entry.advance(6); // flags, importance, padding
    let cookie = entry.get_u64();
    entry.advance(16); // counters
    let (oxm, instructions) = take_match(entry)?;
    Ok(FlowEntry {
        table,
        priority,
        cookie,
        idle_timeout,
        hard_timeout,
        oxm: oxm.to_vec(),
        instructions: instructions.to_vec(),
    })
}

/// §7.3.4.1.
pub fn flow_mod(flow: &FlowMod) -> Vec<u8> {
    let mut body = Vec::with_capacity(112);
    body.put_u64(flow.cookie);
    body.put_u64(flow.cookie_mask);
    body.put_u8(flow.table);
    body.put_u8(flow.command as u8);
    body.put_u16(0);
    body.put_u16(0);
    body.put_u16(flow.priority);
    body.put_u32(NO_BUFFER);
    body.put_u32(ANY);
    body.put_u32(ANY);
    body.put_u16(0); // flags
    body.put_u16(0); // importance; padding in 1.3
    put_match(&mut body, &flow.oxm);
    body.put_slice(&flow.instructions);
    body
}

/// §7.3.9.2.
pub fn bundle_control(bundle: u32, control: BundleControl) -> Vec<u8> {
    let mut body = Vec::with_capacity(8);
    body.put_u32(bundle);
    body.put_u16(control as u16);
    body.put_u16(BUNDLE_ATOMIC_ORDERED);
    body
}

/// §7.3.9.6: a message to go with the bundle. Both carry the same xid.
pub fn bundle_add(bundle: u32, message: &Message) -> Vec<u8> {
    let mut body = Vec::with_capacity(HEADER + HEADER + message.body.len());
    body.put_u32(bundle);
    body.put_u16(0);
    body.put_u16(BUNDLE_ATOMIC_ORDERED);
    put(&mut body, message);
    body
}

/// §7.5.4: type and code of an error.
pub fn error(body: &[u8]) -> Result<(u16, u16), DecodeError> {
    let mut body = body.get(..4).ok_or(DecodeError::Short("error"))?;
    Ok((body.get_u16(), body.get_u16()))
}

/// §7.2.3.1: type OXM, length without the padding, fields, padding to a multiple of eight.
fn put_match(out: &mut Vec<u8>, oxm: &[u8]) {
    let length = 4 + oxm.len();
    out.put_u16(1);
    out.put_u16(u16::try_from(length).unwrap_or(u16::MAX));
    out.put_slice(oxm);
    out.put_bytes(0, length.next_multiple_of(8) - length);
}

/// The OXM fields, and what follows the match.
fn take_match(bytes: &[u8]) -> Result<(&[u8], &[u8]), DecodeError> {
    let length = bytes.get(2..).and_then(peek_u16);
    let length = length.ok_or(DecodeError::Short("match"))?;
    let oxm = bytes.get(4..length).ok_or(DecodeError::Length("match"))?;
    let rest = bytes.get(length.next_multiple_of(8)..);
    Ok((oxm, rest.ok_or(DecodeError::Length("match"))?))
}

#[cfg(test)]
mod tests;
