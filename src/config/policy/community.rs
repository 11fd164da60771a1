//! Extended communities as operators write them.

use std::net::Ipv4Addr;

use bgp::wire::ExtendedCommunity;

/// `rt:65000:1`, `soo:192.0.2.1:1` (RFC 4360 §4, RFC 5668), or the eight octets.
pub(super) fn extended(text: &str) -> Option<ExtendedCommunity> {
    let (subtype, rest) = match text.split_once(':') {
        Some(("rt", rest)) => (0x02, rest),
        Some(("soo", rest)) => (0x03, rest),
        Some(_) => return None,
        None => {
            let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
            let octets = digits.then(|| u64::from_str_radix(text, 16).ok())?;
            return octets.map(|octets| ExtendedCommunity(octets.to_be_bytes()));
        }
    };
    let (administrator, number) = rest.rsplit_once(':')?;
    let (kind, administrator) = match administrator.parse::<Ipv4Addr>() {
        Ok(address) => (0x01, address.to_bits()),
        Err(_) => {
            let asn: u32 = administrator.parse().ok()?;
            (if asn > 0xffff { 0x02 } else { 0x00 }, asn)
        }
    };
    let mut octets = [kind, subtype, 0, 0, 0, 0, 0, 0];
    if kind == 0x00 {
        octets[2..4].copy_from_slice(&u16::try_from(administrator).ok()?.to_be_bytes());
        octets[4..].copy_from_slice(&number.parse::<u32>().ok()?.to_be_bytes());
    } else {
        octets[2..6].copy_from_slice(&administrator.to_be_bytes());
        octets[6..].copy_from_slice(&number.parse::<u16>().ok()?.to_be_bytes());
    }
    Some(ExtendedCommunity(octets))
}
