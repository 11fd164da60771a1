//! A node for the kernel tests: a network namespace of the test's own thread, the kernel in it and
//! a reconciler, joined as the agent joins them.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::disallowed_methods,
    reason = "each test uses a part of it; iproute2 is the judge"
)]

pub mod tenants;

use std::future::Future;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use ovn_bgp_agent::kernel::{Kernel, Observation};
use ovn_bgp_agent::mac::MacAddr;
use ovn_bgp_agent::reconcile::object::{Key, Link, LinkKind, Route, Value};
use ovn_bgp_agent::reconcile::ownership::Scope;
use ovn_bgp_agent::reconcile::{Advert, Domain, Found, Holder, Reconciler, Step};

pub const BRIDGE: &str = "br-ex";
pub const TABLE: u32 = 189;
/// No test waits longer for anything.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Runs a test in a network namespace that goes with its thread. False, with the reason printed,
/// where that is not allowed.
pub fn in_namespace<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) -> bool {
    let thread = std::thread::spawn(move || {
        if let Err(error) = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET) {
            interop::requirement::skip(&format!("no network namespace of one's own: {error}"));
            return false;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test());
        true
    });
    match thread.join() {
        Ok(ran) => ran,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Runs `ip`; panics with what it says when it fails.
pub fn ip(arguments: &str) -> String {
    let (ok, text) = try_ip(arguments);
    assert!(ok, "ip {arguments}: {text}");
    text
}

pub fn try_ip(arguments: &str) -> (bool, String) {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

/// A stand-in for a provider bridge.
pub fn make_bridge(name: &str) {
    ip(&format!("link add {name} type veth peer name p-{name}"));
    ip(&format!("link set p-{name} up"));
    ip("link set lo up");
}

pub fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub fn host(text: &str) -> IpNet {
    IpNet::from(text.parse::<IpAddr>().unwrap())
}

pub fn mac(last: u8) -> MacAddr {
    MacAddr([0xfa, 0x16, 0x3e, 0, 0, last])
}

pub fn link(name: &str, kind: LinkKind) -> (Key, Value) {
    let key = Key::Link { name: name.into() };
    (
        key,
        Value::Link(Link {
            kind,
            up: true,
            mac: None,
            mtu: None,
        }),
    )
}

pub fn route(prefix: IpNet, dev: &str, via: Option<IpAddr>) -> (Key, Value) {
    let key = Key::Route {
        table: TABLE,
        prefix,
    };
    let dev = dev.into();
    (key, Value::Route(Route::new(dev, via)))
}

pub fn rule(to: IpNet) -> (Key, Value) {
    let key = Key::Rule {
        priority: 32000,
        to,
        table: TABLE,
    };
    (key, Value::Rule {})
}

pub fn neighbour(address: &IpNet, dev: &str, mac: MacAddr) -> (Key, Value) {
    let key = Key::Neighbour {
        dev: dev.into(),
        address: address.addr(),
    };
    (key, Value::Neighbour { mac })
}

pub fn proxy(address: &str, dev: &str) -> (Key, Value) {
    let key = Key::Proxy {
        dev: dev.into(),
        address: address.parse().unwrap(),
    };
    (key, Value::Proxy {})
}

pub fn sysctls(dev: &str) -> Vec<(Key, Value)> {
    ["ipv4/conf/DEV/proxy_arp", "ipv6/conf/DEV/proxy_ndp"]
        .iter()
        .map(|path| {
            let path = format!("net/{}", path.replace("DEV", dev)).into();
            (Key::Sysctl { path }, Value::Sysctl { value: "1".into() })
        })
        .collect()
}

/// What a mapped bridge needs, exposures or not (b020, b026).
pub fn base(dev: &str) -> Vec<(Key, Value)> {
    let mut objects = vec![
        (
            Key::TableName { name: dev.into() },
            Value::TableName { id: TABLE },
        ),
        link(dev, LinkKind::Foreign),
    ];
    objects.extend(sysctls(dev));
    for address in ["169.254.1.1/32", "fd53:d91e:400:7f17::1:1/128"] {
        let key = Key::Address {
            dev: dev.into(),
            address: net(address),
        };
        objects.push((key, Value::Address {}));
    }
    objects.push(route(net("0.0.0.0/0"), dev, None));
    objects.push(route(net("::/0"), dev, None));
    objects
}

/// What one exposed address needs: rule, route, neighbour.
pub fn exposure(address: IpNet, dev: &str, last: u8) -> Vec<(Key, Value)> {
    vec![
        route(address, dev, None),
        neighbour(&address, dev, mac(last)),
        rule(address),
    ]
}

pub struct Node {
    pub kernel: Kernel,
    pub reconciler: Reconciler,
    /// Steps taken since the start, adverts included.
    pub taken: Vec<Step>,
    pub reported: Vec<String>,
    _directory: tempfile::TempDir,
}

impl Node {
    /// A node that maps [`BRIDGE`], with nothing desired yet.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::with_rt_tables(directory.path().join("rt_tables"), directory)
    }

    fn with_rt_tables(path: PathBuf, directory: tempfile::TempDir) -> Self {
        let mut kernel = Kernel::open(path).unwrap();
        kernel.set_scope(scope());
        Self {
            kernel,
            reconciler: Reconciler::new(),
            taken: Vec::new(),
            reported: Vec::new(),
            _directory: directory,
        }
    }

    /// A new process in the place of this one: it knows nothing but the node.
    pub fn restarted(self) -> Self {
        let path = self._directory.path().join("rt_tables");
        Self::with_rt_tables(path, self._directory)
    }

    /// Desires the wiring of an address, and its advert.
    pub fn expose(&mut self, address: IpNet, objects: Vec<(Key, Value)>) {
        let requires: Arc<[Key]> = objects.iter().map(|(key, _)| key.clone()).collect();
        self.reconciler.hold(Holder::from(address), objects);
        let advert = Advert {
            requires,
            ..Advert::default()
        };
        self.reconciler.set_advert(address, Some(advert));
    }

    pub fn unexpose(&mut self, address: IpNet) {
        self.reconciler.hold(Holder::from(address), vec![]);
        self.reconciler.set_advert(address, None);
    }

    /// Waits for one piece of news and takes it in.
    pub async fn observe(&mut self) {
        let news = tokio::time::timeout(DEADLINE, self.kernel.observe());
        match news.await.expect("no news in time").unwrap() {
            Observation::Dump(all) => self.reconciler.observe_all(&Domain::Kernel, all),
            Observation::Same => self.reconciler.observe_same(&Domain::Kernel),
            Observation::Changes(changes) => {
                for (key, found) in changes {
                    self.reconciler.observe(key, found);
                }
            }
        }
    }

    /// Takes steps until there are none. Panics where that takes more rounds than can be.
    pub async fn act(&mut self) {
        for _ in 0..20 {
            let plan = self.reconciler.next_steps();
            let blocked = plan.blocked.iter();
            self.reported
                .extend(blocked.map(|b| format!("{:?}: {}", b.key, b.reason)));
            if plan.steps.is_empty() {
                return;
            }
            self.take(plan.steps).await;
        }
        panic!("never settles; last: {:#?}", self.taken.last());
    }

    async fn take(&mut self, steps: Vec<Step>) {
        let adverts = |s: &Step| s.key().is_none();
        if steps.iter().all(adverts) {
            steps.iter().for_each(|s| self.reconciler.succeeded(s));
        } else {
            let answers = self.kernel.apply(&steps).await;
            assert_eq!(answers.len(), steps.len());
            for (step, answer) in steps.iter().zip(answers) {
                match answer {
                    Ok(()) => self.reconciler.succeeded(step),
                    Err(error) => {
                        let blocked = self.reconciler.failed(step, &error.to_string());
                        self.reported.extend(blocked.map(|b| b.reason.to_string()));
                    }
                }
            }
        }
        self.taken.extend(steps);
    }

    /// Dumps and acts.
    pub async fn settle(&mut self) {
        self.kernel.refresh();
        self.observe().await;
        self.act().await;
    }

    /// Reacts to news until `done`; returns how long that took.
    pub async fn until(&mut self, mut done: impl FnMut(&Self) -> bool) -> Duration {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < DEADLINE, "not in time");
            self.observe().await;
            self.act().await;
        }
        start.elapsed()
    }

    /// Takes in whatever the kernel still announces about what was done.
    pub async fn drain(&mut self) {
        let quiet = Duration::from_millis(50);
        while let Ok(news) = tokio::time::timeout(quiet, self.kernel.observe()).await {
            match news.unwrap() {
                Observation::Dump(all) => self.reconciler.observe_all(&Domain::Kernel, all),
                Observation::Same => self.reconciler.observe_same(&Domain::Kernel),
                Observation::Changes(changes) => {
                    for (key, found) in changes {
                        self.reconciler.observe(key, found);
                    }
                }
            }
            self.act().await;
        }
    }

    pub fn found(&self, key: &Key) -> Option<&Found> {
        self.reconciler.observed(key)
    }
}

pub fn scope() -> Scope {
    let mut sysctls_of_all = Vec::new();
    for dev in [BRIDGE, "br-ex.100"] {
        sysctls_of_all.extend(sysctls(dev).into_iter().filter_map(|(key, _)| match key {
            Key::Sysctl { path } => Some(path),
            _ => None,
        }));
    }
    Scope {
        bridges: [(BRIDGE.into(), TABLE)].into(),
        proxied: vec![net("2001:db8:100::/64")],
        sysctls: sysctls_of_all,
        interfaces: vec![],
        leak: None,
        tenants: None,
    }
}
