//! The daemons that have tenants' tables: ours, and FRR with namespaces for VRFs.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::super::dut::Kind;
use super::super::evpn_wire;
use super::super::stage::{Stage, on_dut_core};
use super::super::tester::{ASN, DUT, DUT_ASN, address};
use super::{BRIDGED, EACH, FIRST, TABLES};
use crate::frr::Frr;
use crate::process::wait_until;
use crate::{Daemon, Generation, Namespace, PATIENCE, Place};

/// A running daemon with [`TABLES`] routed tables and a bridged one.
pub(super) trait Dut: Send {
    /// Originate these numbered prefixes in every table, or take them back.
    fn tell(&mut self, prefixes: Range<u32>, there: bool) -> Result<()>;
    /// The same of one prefix more, in the first table.
    fn tell_one(&mut self, there: bool) -> Result<()>;
    /// How many prefixes peers taught are in the routed tables.
    fn learned(&mut self) -> Result<usize>;
    /// How many hosts of the bridged table are behind a VTEP.
    fn hosts_behind(&mut self, vtep: Ipv4Addr) -> Result<usize>;
    /// Every process that it is made of.
    fn pids(&self) -> Vec<u32>;
    /// In which namespace the kernel has the first routed table, if it has.
    fn kernel(&self) -> Option<&Namespace> {
        None
    }
}

/// Starts the daemon on its core; `None`: it has no tables.
pub(super) fn start(kind: Kind, stage: &Stage, agent: &Path) -> Result<Option<Box<dyn Dut>>> {
    match kind {
        Kind::Ours => {
            let ours = on_dut_core(|| Ours::start(stage, agent))?;
            Ok(Some(Box::new(ours)))
        }
        Kind::Frr(generation) => Ok(Some(Box::new(FrrTables::start(stage, generation)?))),
        _ => Ok(None),
    }
}

fn vnis() -> Range<u32> {
    FIRST..FIRST + TABLES
}

struct Ours {
    daemon: Daemon,
    socket: PathBuf,
    control: BufReader<UnixStream>,
}

impl Ours {
    fn start(stage: &Stage, agent: &Path) -> Result<Self> {
        let dir = stage.dir.path();
        let socket = dir.join("control.sock");
        let mut text = format!(
            "[DEFAULT]\ncontrol_socket = {}\n[bgp]\nas = {DUT_ASN}\nrouter_id = {DUT}\nlisten = {DUT}\nhold_time = 180\nfib_import = none\n\
             [bgp_neighbor {}]\nremote_as = {ASN}\npassive = true\nfamilies = l2vpn-evpn\n[evpn_vni {BRIDGED}]\nkind = l2\n",
            socket.display(),
            address(0),
        );
        for vni in vnis() {
            writeln!(text, "[evpn_vni {vni}]")?;
        }
        let config = dir.join("bgp-agent.conf");
        std::fs::write(&config, text)?;
        let mut command = Place::inside(&stage.dut).command(&agent.display().to_string())?;
        command.args(["speaker", "--config-file", &config.display().to_string()]);
        let daemon = Daemon::spawn("ovn-bgp-agent", dir, &mut command)?;
        wait_until(PATIENCE, "the speaker's control socket", || {
            UnixStream::connect(&socket).is_ok()
        })?;
        let control = BufReader::new(UnixStream::connect(&socket)?);
        Ok(Self {
            daemon,
            socket,
            control,
        })
    }

    fn ask(&mut self, query: &Value) -> Result<Value> {
        let stream = self.control.get_mut();
        stream.write_all(format!("{query}\n").as_bytes())?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Value> {
        let mut answer = String::new();
        ensure!(
            self.control.read_line(&mut answer)? > 0,
            "the speaker hung up"
        );
        let answer: Value = serde_json::from_str(&answer)?;
        ensure!(answer["reply"] != "error", "{answer}");
        Ok(answer)
    }

    fn tables(&mut self, query: &Value) -> Result<Vec<Value>> {
        let mut tables = Vec::new();
        let mut part = self.ask(query)?;
        loop {
            let more = part["body"]["more"] == true;
            let of_part = part["body"]["tables"].as_array_mut();
            tables.append(of_part.context("no tables")?);
            if !more {
                return Ok(tables);
            }
            part = self.answer()?;
        }
    }

    fn order(&mut self, vni: u32, prefixes: Range<u32>, there: bool) -> Result<()> {
        let query = if there { "originate" } else { "withdraw" };
        let prefixes = prefixes.map(|i| format!("{}/32", evpn_wire::address(i)));
        let prefixes: Vec<_> = prefixes.collect();
        self.ask(&json!({"query": query, "vni": vni, "prefixes": prefixes}))
            .map(drop)
    }
}

impl Dut for Ours {
    fn tell(&mut self, prefixes: Range<u32>, there: bool) -> Result<()> {
        vnis().try_for_each(|vni| self.order(vni, prefixes.clone(), there))
    }

    fn tell_one(&mut self, there: bool) -> Result<()> {
        self.order(FIRST, EACH..EACH + 1, there)
    }

    fn learned(&mut self) -> Result<usize> {
        // Cheap to say, and all are in their tables when they are counted here.
        let neighbors = self.ask(&json!({"query": "neighbors"}))?;
        let neighbors = neighbors["body"].as_object().context("no neighbors")?;
        let received = neighbors.values().filter_map(|n| n["pfxRcd"].as_u64());
        if received.sum::<u64>() < u64::from(TABLES * EACH) {
            return Ok(0);
        }
        let tables = self.tables(&json!({"query": "evpn"}))?;
        let prefixes = tables
            .iter()
            .filter_map(|table| table["prefixes"].as_array());
        Ok(prefixes.map(Vec::len).sum())
    }

    fn hosts_behind(&mut self, vtep: Ipv4Addr) -> Result<usize> {
        // Who has been silent for a minute has lost his connection.
        self.control = BufReader::new(UnixStream::connect(&self.socket)?);
        let tables = self.tables(&json!({"query": "evpn", "vni": BRIDGED}))?;
        let macs = tables.iter().filter_map(|table| table["macs"].as_array());
        let behind = |mac: &&Value| mac["vtep"] == vtep.to_string();
        Ok(macs.flatten().filter(behind).count())
    }

    fn pids(&self) -> Vec<u32> {
        vec![self.daemon.pid()]
    }
}

struct FrrTables {
    frr: Frr,
    /// `ip -batch` in each VRF.
    feeders: Vec<(Child, ChildStdin)>,
    /// They end with it.
    vrfs: Vec<Namespace>,
}

impl FrrTables {
    fn start(stage: &Stage, generation: Generation) -> Result<Self> {
        let mut vrfs = Vec::new();
        for vni in vnis() {
            let vrf = Namespace::new(&format!("v{vni}"))?;
            let dut = &stage.dut;
            dut.ip(&format!(
                "link add vxlan{vni} type vxlan id {vni} local {DUT} dstport 4789 nolearning"
            ))?;
            dut.ip(&format!("link set vxlan{vni} netns {}", vrf.name()))?;
            for line in [
                format!("link add br{vni} type bridge"),
                format!("link set br{vni} up"),
                format!("link set vxlan{vni} master br{vni} up"),
                format!("addr add 10.99.0.1/24 dev br{vni}"),
            ] {
                vrf.ip(&line)?;
            }
            vrfs.push(vrf);
        }
        let bridged = [
            format!(
                "link add vxlan{BRIDGED} type vxlan id {BRIDGED} local {DUT} dstport 4789 nolearning"
            ),
            format!("link add br{BRIDGED} type bridge"),
            format!("link set br{BRIDGED} up"),
            format!("link set vxlan{BRIDGED} master br{BRIDGED} up"),
        ];
        for line in bridged {
            stage.dut.ip(&line)?;
        }
        let names: Vec<String> = vnis().map(|vni| format!("v{vni}")).collect();
        let named: Vec<_> = names.iter().map(String::as_str).zip(&vrfs).collect();
        let place = Place::inside(&stage.dut).with(generation);
        let dir = stage.dir.path().join("frr");
        let frr = on_dut_core(|| Frr::start_with_namespaces(&place, &dir, &config(), &named))?;
        let feeders: Result<_> = vrfs.iter().map(feeder).collect();
        Ok(Self {
            frr,
            feeders: feeders?,
            vrfs,
        })
    }
}

fn feeder(vrf: &Namespace) -> Result<(Child, ChildStdin)> {
    let mut command = vrf.command("ip");
    let mut child = command
        .args(["-force", "-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let lines = child.stdin.take().context("no pipe to ip")?;
    Ok((child, lines))
}

fn config() -> String {
    let peer = address(0);
    let mut text = String::new();
    for vni in vnis() {
        let _ = writeln!(text, "vrf v{vni}\n vni {vni}\nexit-vrf");
    }
    let _ = writeln!(
        text,
        "router bgp {DUT_ASN}\n bgp router-id {DUT}\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n bgp graceful-restart\n \
         neighbor {peer} remote-as {ASN}\n neighbor {peer} passive\n neighbor {peer} advertisement-interval 0\n \
         address-family l2vpn evpn\n  neighbor {peer} activate\n  advertise-all-vni\n exit-address-family\nexit"
    );
    for vni in vnis() {
        let _ = writeln!(
            text,
            "router bgp {DUT_ASN} vrf v{vni}\n bgp router-id {DUT}\n address-family ipv4 unicast\n  redistribute kernel\n exit-address-family\n \
             address-family l2vpn evpn\n  advertise ipv4 unicast\n exit-address-family\nexit"
        );
    }
    text
}

impl Dut for FrrTables {
    fn tell(&mut self, prefixes: Range<u32>, there: bool) -> Result<()> {
        let word = if there { "add" } else { "del" };
        for (vni, (_, lines)) in vnis().zip(&mut self.feeders) {
            let mut text = String::new();
            for i in prefixes.clone() {
                let prefix = evpn_wire::address(i);
                writeln!(text, "route {word} {prefix}/32 dev br{vni}")?;
            }
            lines.write_all(text.as_bytes())?;
            lines.flush()?;
        }
        Ok(())
    }

    fn tell_one(&mut self, there: bool) -> Result<()> {
        let word = if there { "add" } else { "del" };
        let prefix = evpn_wire::address(EACH);
        let (_, lines) = self.feeders.first_mut().context("no tables")?;
        let line = format!("route {word} {prefix}/32 dev br{FIRST}\n");
        lines.write_all(line.as_bytes())?;
        Ok(lines.flush()?)
    }

    fn learned(&mut self) -> Result<usize> {
        let mut sum = 0;
        // The last table is filled last: before that the others are not asked.
        for vni in vnis().rev() {
            let line = format!("show bgp vrf v{vni} ipv4 unicast statistics");
            let counted = self.frr.json(&line)?;
            let of_table = counted["ipv4Unicast"][0]["totalPrefixes"].as_u64();
            let of_table = usize::try_from(of_table.unwrap_or(0))?;
            if of_table < EACH as usize {
                return Ok(sum);
            }
            sum += of_table;
        }
        Ok(sum)
    }

    fn hosts_behind(&mut self, vtep: Ipv4Addr) -> Result<usize> {
        let shown = self.frr.json(&format!("show evpn mac vni {BRIDGED}"))?;
        let macs = shown["macs"].as_object().into_iter().flatten();
        let behind = |mac: &(&String, &Value)| mac.1["remoteVtep"] == vtep.to_string();
        Ok(macs.filter(behind).count())
    }

    fn kernel(&self) -> Option<&Namespace> {
        self.vrfs.first()
    }

    fn pids(&self) -> Vec<u32> {
        self.frr.pids()
    }
}

impl Drop for FrrTables {
    fn drop(&mut self) {
        for (child, _) in &mut self.feeders {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
