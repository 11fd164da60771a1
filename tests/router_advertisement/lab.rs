//! The agent's side of a network in one namespace, a host in another, a veth pair between them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use interop::netns::{Namespace, connect};
use interop::wait_until;
use nix::unistd::gettid;
use ovn_bgp_agent::router_advertisement::{
    Advertisement, AdvertisingSnapshot, Assignment, RouterAdvertisements,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

pub(crate) const DEVICE: &str = "vrf1a2b3c4d-5e";
pub(crate) const SOURCE: &str = "fe80::200:3e9:0";

const PATIENCE: Duration = Duration::from_secs(20);

/// Of the clock that the kernel counts CPU time with (USER_HZ).
const TICK: Duration = Duration::from_millis(10);

type Order = Box<dyn FnOnce(&mut RouterAdvertisements) + Send>;

pub(crate) fn advertisement(prefixes: &[(&str, Assignment)], servers: &[&str]) -> Advertisement {
    Advertisement {
        source: Some(SOURCE.parse().unwrap()),
        prefixes: prefixes
            .iter()
            .map(|(p, a)| (p.parse().unwrap(), *a))
            .collect(),
        dns_servers: servers
            .iter()
            .map(|server| server.parse().unwrap())
            .collect(),
    }
}

pub(crate) struct Lab {
    /// To the thread that advertises; it ends with this.
    orders: UnboundedSender<Order>,
    thread: i32,
    pub(crate) node: Namespace,
    pub(crate) host: Namespace,
    dir: tempfile::TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let lab = Self::without_device();
        lab.plug();
        lab
    }

    pub(crate) fn without_device() -> Self {
        let node = Namespace::new("ra-node").unwrap();
        let host = Namespace::new("ra-host").unwrap();
        for key in [
            "net.ipv6.conf.all.forwarding",
            "net.ipv6.conf.default.forwarding",
        ] {
            node.sysctl(key, "1").unwrap();
        }
        let (orders, mut received) = unbounded_channel::<Order>();
        let (told, thread) = channel();
        let advertise = move || {
            std::thread::spawn(move || {
                told.send(gettid().as_raw()).unwrap();
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                runtime.unwrap().block_on(async {
                    let mut advertisements = RouterAdvertisements::default();
                    while let Some(order) = received.recv().await {
                        order(&mut advertisements);
                    }
                });
            });
        };
        node.inside(advertise).unwrap();
        Self {
            orders,
            thread: thread.recv().unwrap(),
            node,
            host,
            dir: interop::scratch().unwrap(),
        }
    }

    /// The device, and the host's end of it.
    pub(crate) fn plug(&self) {
        connect((&self.node, DEVICE), (&self.host, "eth0")).unwrap();
        let address = format!("address add {SOURCE}/64 dev {DEVICE} nodad");
        self.node.ip(&address).unwrap();
    }

    pub(crate) fn unplug(&self) {
        self.node.ip(&format!("link del {DEVICE}")).unwrap();
    }

    /// A device that nobody names, and its other end, both in the node's namespace.
    pub(crate) fn another_device(&self) -> (&'static str, &'static str) {
        let (other, far) = ("other0", "far0");
        let pair = format!("link add {other} type veth peer name {far}");
        self.node.ip(&pair).unwrap();
        for end in [other, far] {
            self.node.ip(&format!("link set {end} up")).unwrap();
        }
        (other, far)
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut RouterAdvertisements) -> T + Send + 'static,
    ) -> T {
        let (reply, answer) = channel();
        let order: Order = Box::new(move |advertisements| {
            let _ = reply.send(question(advertisements));
        });
        assert!(
            self.orders.send(order).is_ok(),
            "the thread lives as long as this"
        );
        answer.recv_timeout(PATIENCE).unwrap()
    }

    pub(crate) fn advertise(&self, advertisement: Advertisement) {
        let wanted = BTreeMap::from([(DEVICE.into(), advertisement)]);
        self.ask(|advertisements| advertisements.set(wanted));
    }

    /// No device is named any more.
    pub(crate) fn silence(&self) {
        self.ask(|advertisements| advertisements.set(BTreeMap::new()));
    }

    /// Nothing of the network is on this node any more; `there` says whether it is elsewhere. Returns when hosts have been
    /// told what is to be told.
    pub(crate) fn leave(&self, there: bool) {
        self.wait_for(move |advertisements| advertisements.follow(BTreeMap::new(), move |_| there));
    }

    /// The network is no more. Returns when hosts have been told.
    pub(crate) fn cease(&self) {
        self.wait_for(|advertisements| advertisements.cease(DEVICE));
    }

    fn wait_for<F: Future<Output = ()> + Send + 'static>(
        &self,
        begin: impl FnOnce(&mut RouterAdvertisements) -> F + Send + 'static,
    ) {
        let (told, ended) = channel();
        self.ask(move |advertisements| {
            let ceased = begin(advertisements);
            tokio::spawn(async move {
                ceased.await;
                let _ = told.send(());
            });
        });
        ended.recv_timeout(PATIENCE).unwrap();
    }

    pub(crate) fn snapshots(&self) -> Vec<AdvertisingSnapshot> {
        self.ask(|advertisements| advertisements.snapshot())
    }

    pub(crate) fn snapshot(&self) -> AdvertisingSnapshot {
        self.snapshots().remove(0)
    }

    pub(crate) fn host_routes(&self, to: &str) -> String {
        self.host.ip(&format!("-6 route show {to}")).unwrap()
    }

    pub(crate) fn host_addresses(&self) -> String {
        self.host
            .ip("-6 address show dev eth0 scope global")
            .unwrap()
    }

    /// The host's view of what is advertised.
    pub(crate) fn capture(&self) -> Capture {
        self.capture_on(&self.host, "eth0")
    }

    pub(crate) fn capture_on(&self, namespace: &Namespace, interface: &str) -> Capture {
        Capture::start(
            namespace,
            interface,
            self.dir.path().join(format!("{interface}.pcap")),
        )
    }

    /// CPU time of the thread that advertises.
    pub(crate) fn busy(&self) -> Duration {
        let path = format!("/proc/self/task/{}/stat", self.thread);
        let stat = std::fs::read_to_string(path).unwrap();
        // After the name, which ends with the last bracket: utime and stime are the 12th and 13th.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let fields = fields.split_whitespace().skip(11).take(2);
        let ticks: u32 = fields.map(|field| field.parse::<u32>().unwrap()).sum();
        TICK * ticks
    }

    /// The host solicits as often as it can. Answers how often that was.
    pub(crate) fn flood(&self, time: Duration) -> usize {
        let send = || {
            let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).unwrap();
            socket.set_multicast_hops_v6(255).unwrap();
            let index = nix::net::if_::if_nametoindex("eth0").unwrap();
            let routers = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
            let to = SocketAddrV6::new(routers, 0, 0, index).into();
            let end = Instant::now() + time;
            let mut sent = 0;
            while Instant::now() < end {
                sent += usize::from(socket.send_to(&[133, 0, 0, 0, 0, 0, 0, 0], &to).is_ok());
            }
            sent
        };
        self.host.inside(send).unwrap()
    }
}

/// Advertisements on a link, as tcpdump finds them.
pub(crate) struct Capture {
    tcpdump: Child,
    file: PathBuf,
    /// What it says when it ends still has where to go.
    _said: Lines<BufReader<ChildStderr>>,
}

impl Capture {
    fn start(namespace: &Namespace, interface: &str, file: PathBuf) -> Self {
        let mut command = namespace.command("tcpdump");
        command
            .args([
                "-i",
                interface,
                "-U",
                "--immediate-mode",
                "-Z",
                "root",
                "-w",
            ])
            .arg(&file);
        command
            .arg("icmp6 and ip6[40] == 134")
            .stderr(Stdio::piped());
        let mut tcpdump = command.spawn().unwrap();
        let mut said = BufReader::new(tcpdump.stderr.take().unwrap()).lines();
        assert!(said.any(|line| line.is_ok_and(|line| line.contains("listening on"))));
        Self {
            tcpdump,
            file,
            _said: said,
        }
    }

    /// What tshark finds in the first one.
    pub(crate) fn fields(&self, names: &[&str]) -> Vec<String> {
        let mut found = String::new();
        wait_until(PATIENCE, "an advertisement", || {
            found = self.tshark(names);
            !found.is_empty()
        })
        .unwrap();
        let first = found.lines().next().unwrap();
        first.split('\t').map(str::to_owned).collect()
    }

    /// Ends, and answers how many there were.
    pub(crate) fn end(mut self) -> usize {
        self.tcpdump.kill().unwrap();
        self.tcpdump.wait().unwrap();
        self.tshark(&["frame.number"]).lines().count()
    }

    fn tshark(&self, fields: &[&str]) -> String {
        let mut command = Command::new("tshark");
        command.arg("-r").arg(&self.file);
        command.args(["-T", "fields", "-E", "aggregator=,"]);
        command.args(fields.iter().flat_map(|field| ["-e", field]));
        let output = command.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.tcpdump.kill();
        let _ = self.tcpdump.wait();
    }
}
