//! GoBGP: routes by its command line. A block is one `gobgp mrt inject`, a single route one `gobgp global rib`.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Dut, Order, Setup};
use crate::bench::stage::Stage;
use crate::bench::tester::{ASN, DUT, DUT_ASN, address};
use crate::bench::wire::Family;
use crate::{Daemon, Generation, PATIENCE, Place};

/// A running gobgpd.
pub(super) struct Gobgp {
    place: Place,
    dir: PathBuf,
    daemon: Daemon,
}

pub(super) fn prepare(dir: &Path, setup: &Setup) -> Result<()> {
    let mut text = format!("[global.config]\n as = {DUT_ASN}\n router-id = \"{DUT}\"\n");
    for n in 0..setup.peers {
        let peer = address(n);
        write!(
            text,
            "[[neighbors]]\n [neighbors.config]\n  peer-as = {ASN}\n  neighbor-address = \"{peer}\"\n [neighbors.transport.config]\n  passive-mode = true\n"
        )?;
        for family in ["ipv4-unicast", "ipv6-unicast"] {
            write!(
                text,
                " [[neighbors.afi-safis]]\n  [neighbors.afi-safis.config]\n   afi-safi-name = \"{family}\"\n"
            )?;
        }
    }
    for (family, routes) in setup.blocks.iter().filter(|(_, routes)| routes.len() > 1) {
        std::fs::write(dump(dir, *family, routes), mrt(*family, routes.clone()))?;
    }
    Ok(std::fs::write(dir.join("gobgpd.toml"), text)?)
}

fn dump(dir: &Path, family: Family, routes: &Range<u32>) -> PathBuf {
    dir.join(format!("{family:?}-{}-{}.mrt", routes.start, routes.end))
}

/// A TABLE_DUMP_V2 (RFC 6396 §4.3) with these routes. `mrt inject` drops the tail of a dump, so the last
/// route is repeated.
fn mrt(family: Family, routes: Range<u32>) -> Vec<u8> {
    let record = |subtype: u16, body: &[u8]| {
        let mut out = vec![0, 0, 0, 0, 0, 13];
        out.extend(subtype.to_be_bytes());
        out.extend(u32::try_from(body.len()).unwrap_or(0).to_be_bytes());
        out.extend(body);
        out
    };
    // PEER_INDEX_TABLE: one peer, IPv4 address, four-octet AS.
    let mut table = vec![10, 9, 0, 9, 0, 0, 0, 1, 2, 10, 9, 0, 9, 10, 9, 0, 9];
    table.extend(ASN.to_be_bytes());
    let mut out = record(1, &table);
    let last = routes.end.saturating_sub(1);
    let padding = std::iter::repeat_n(last, 6000);
    for (sequence, i) in routes.chain(padding).enumerate() {
        let mut body = u32::try_from(sequence).unwrap_or(0).to_be_bytes().to_vec();
        let prefix = family.prefix(i);
        body.push(prefix.prefix_len());
        let (attributes, subtype) = match prefix.addr() {
            IpAddr::V4(a) => {
                body.extend(a.octets());
                (vec![0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 3, 4, 10, 9, 0, 1], 2)
            }
            IpAddr::V6(a) => {
                body.extend(a.octets());
                let mut attributes = vec![0x40, 1, 1, 0, 0x40, 2, 0, 0x80, 14, 17, 16];
                attributes.extend([0x20, 1, 0x0d, 0xb8, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
                (attributes, 4)
            }
        };
        // One entry: peer 0, at time 0.
        body.extend([0, 1, 0, 0, 0, 0, 0, 0]);
        body.extend(u16::try_from(attributes.len()).unwrap_or(0).to_be_bytes());
        body.extend(attributes);
        out.extend(record(subtype, &body));
    }
    out
}

impl Gobgp {
    pub(super) fn launch(stage: &Stage, generation: Generation) -> Result<Self> {
        let dir = stage.dir.path();
        let place = Place::inside(&stage.dut).with(generation);
        let file = dir.join("gobgpd.toml").display().to_string();
        let mut command = place.command("gobgpd")?;
        command.args([
            "-f",
            &file,
            "-t",
            "toml",
            "--api-hosts",
            "127.0.0.1:50051",
            "--pprof-disable",
            "-l",
            "error",
        ]);
        let mut daemon = Daemon::spawn("gobgpd", dir, &mut command)?;
        daemon.wait_ready(PATIENCE, || place.run("gobgp", &["global"]).is_ok())?;
        Ok(Self {
            place,
            dir: dir.to_owned(),
            daemon,
        })
    }

    fn run(&self, line: &str) -> Result<String> {
        self.place
            .run("gobgp", &line.split_whitespace().collect::<Vec<_>>())
    }
}

fn family_word(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}

impl Dut for Gobgp {
    fn words(&self, order: &Order) -> Result<String> {
        let (Order::Announce(family, routes) | Order::Withdraw(family, routes)) = order;
        let (prefix, word) = (family.prefix(routes.start), family_word(*family));
        Ok(match order {
            Order::Announce(..) if routes.len() == 1 => {
                format!("global rib add {prefix} -a {word}")
            }
            Order::Announce(..) => {
                let file = dump(&self.dir, *family, routes);
                format!("mrt inject global {}", file.display())
            }
            Order::Withdraw(..) if routes.len() == 1 => {
                format!("global rib del {prefix} -a {word}")
            }
            Order::Withdraw(..) => format!("global rib del all -a {word}"),
        })
    }

    fn tell(&mut self, words: &str) -> Result<()> {
        self.run(words).map(drop)
    }

    fn learned(&mut self) -> Result<usize> {
        let text = self.run("global rib summary")?;
        // "Destination: 50000, Path: 50000"
        let number = text
            .split("Destination: ")
            .nth(1)
            .and_then(|t| t.split(',').next());
        number.and_then(|n| n.trim().parse().ok()).context(text)
    }

    fn pids(&self) -> Vec<u32> {
        vec![self.daemon.pid()]
    }

    fn kill(self: Box<Self>) {
        self.daemon.kill();
    }
}
