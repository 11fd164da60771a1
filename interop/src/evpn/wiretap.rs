//! What passes the underlay inside VXLAN: address resolution, which neighbour suppression keeps at home, and all else.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use socket2::{Domain, Protocol, Socket, Type};

use crate::Namespace;

/// What a frame inside VXLAN is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Frame {
    /// An ARP packet.
    Arp,
    /// An ICMPv6 neighbour solicitation (RFC 4861 §4.3).
    Solicitation,
    /// Anything else.
    Other,
}

type Counts = Arc<Mutex<BTreeMap<(u32, Frame), usize>>>;

/// Counts frames by VNI, from its start on. A frame that is forwarded counts on the way in and on the way out.
#[derive(Debug)]
pub struct Wiretap {
    ended: Arc<AtomicBool>,
    counts: Counts,
    thread: Option<JoinHandle<()>>,
}

impl Wiretap {
    /// On every interface of a namespace.
    pub fn start(namespace: &Namespace) -> Result<Self> {
        // ETH_P_ALL, in network order: packet(7)
        let all = Protocol::from(i32::from(0x0003_u16.to_be()));
        let opened = namespace.inside(|| Socket::new(Domain::PACKET, Type::RAW, Some(all)))?;
        let mut socket = opened?;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        let (ended, counts) = (Arc::new(AtomicBool::new(false)), Counts::default());
        let (flag, into) = (ended.clone(), counts.clone());
        let thread = std::thread::spawn(move || {
            let mut frame = vec![0; 65536];
            while !flag.load(Ordering::Relaxed) {
                let Ok(length) = socket.read(&mut frame) else {
                    continue;
                };
                if let Some(key) = frame.get(..length).and_then(inside_vxlan) {
                    let mut counts = into.lock().unwrap_or_else(PoisonError::into_inner);
                    *counts.entry(key).or_default() += 1;
                }
            }
        });
        Ok(Self {
            ended,
            counts,
            thread: Some(thread),
        })
    }

    /// How many of these frames have passed in a VNI.
    pub fn count(&self, vni: u32, frame: Frame) -> usize {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&(vni, frame)).copied().unwrap_or(0)
    }
}

impl Drop for Wiretap {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// VNI and kind of what an Ethernet frame carries in VXLAN over IPv4 without options (RFC 7348 §5).
fn inside_vxlan(frame: &[u8]) -> Option<(u32, Frame)> {
    let (ether_type, packet) = ethernet(frame)?;
    let (header, datagram) = packet.split_at_checked(20)?;
    if ether_type != 0x0800 || header[0] != 0x45 || header[9] != 17 {
        return None;
    }
    let (udp, vxlan) = datagram.split_at_checked(8)?;
    if udp[2..4] != 4789_u16.to_be_bytes() {
        return None;
    }
    let (header, inner) = vxlan.split_at_checked(8)?;
    let vni = u32::from_be_bytes([0, header[4], header[5], header[6]]);
    let (ether_type, packet) = ethernet(inner)?;
    let frame = match ether_type {
        0x0806 => Frame::Arp,
        0x86dd if packet.get(6) == Some(&58) && packet.get(40) == Some(&135) => Frame::Solicitation,
        _ => Frame::Other,
    };
    Some((vni, frame))
}

fn ethernet(frame: &[u8]) -> Option<(u16, &[u8])> {
    let (header, packet) = frame.split_at_checked(14)?;
    Some((u16::from_be_bytes([header[12], header[13]]), packet))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arp_inside_vxlan_is_told_from_all_else() {
        let mut frame = [0; 14 + 20 + 8 + 8 + 14 + 28];
        frame[12..14].copy_from_slice(&[8, 0]);
        (frame[14], frame[14 + 9]) = (0x45, 17);
        frame[36..38].copy_from_slice(&4789_u16.to_be_bytes());
        frame[46..49].copy_from_slice(&[0, 3, 0xe9]);
        frame[62..64].copy_from_slice(&[8, 6]);
        assert_eq!(inside_vxlan(&frame), Some((1001, Frame::Arp)));
        frame[62..64].copy_from_slice(&[8, 0]);
        assert_eq!(inside_vxlan(&frame), Some((1001, Frame::Other)));
        frame[37] += 1;
        assert_eq!(inside_vxlan(&frame), None);
        assert_eq!(inside_vxlan(&frame[..40]), None);
    }
}
