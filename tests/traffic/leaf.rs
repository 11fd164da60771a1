//! The leaf's router, with what a fabric has: it teaches the node a default route and forwards to what the node
//! announces. Graceful restart is as its own defaults have it where it only helps.

use std::fmt::Write as _;
use std::path::PathBuf;

use interop::bird::Bird;
use interop::frr::Frr;
use interop::router::Kind;
use interop::{PATIENCE, Place, wait_until};

use crate::lab::{Family, Lab};

pub(crate) struct Leaf {
    family: Family,
    place: Place,
    dir: PathBuf,
    config: String,
    router: Router,
}

enum Router {
    Frr(Frr),
    Bird(Option<Bird>),
}

/// What a leaf does beside its sessions.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wish {
    /// How many uplinks it has.
    pub(crate) uplinks: usize,
    /// BFD, 3 × 100 ms.
    pub(crate) bfd: bool,
    /// It helps a node whose BFD ends with its speaker: `bfd graceful` of BIRD, which then also keeps the routes of a
    /// path that failed. FRR helps unasked, and keeps none.
    pub(crate) patient: bool,
    /// It keeps forwarding while its own daemon restarts.
    pub(crate) restarts: bool,
}

impl Leaf {
    pub(crate) fn start(kind: Kind, lab: &Lab, wish: Wish) -> Self {
        let place = Place::inside(&lab.leaf).with(kind.generation());
        let dir = lab.path("leaf");
        let family = lab.family;
        let (config, router) = match kind {
            Kind::Frr8 | Kind::Frr10 => {
                let config = frr(family, wish);
                let router = Router::Frr(Frr::start(&place, &dir, &config).unwrap());
                (config, router)
            }
            Kind::Bird2 | Kind::Bird3 => {
                let config = bird(family, wish);
                let router = Router::Bird(Some(Bird::start(&place, &dir, &config).unwrap()));
                (config, router)
            }
            _ => panic!("{kind} has no way into the kernel"),
        };
        Self {
            family,
            place,
            dir,
            config,
            router,
        }
    }

    /// Waits until none of what it has from the node is what an earlier session left.
    pub(crate) fn wait_fresh(&self) {
        let fresh = wait_until(PATIENCE, "the leaf has the node's route of now", || {
            let shown = self.shown();
            shown.contains(self.family.node()) && !shown.to_ascii_lowercase().contains("stale")
        });
        assert!(fresh.is_ok(), "{}", self.shown());
    }

    /// The node's route as the router shows it.
    fn shown(&self) -> String {
        let (family, prefix) = (self.family.word(), self.family.prefix());
        let shown = match &self.router {
            Router::Frr(frr) => frr.vtysh(&format!("show bgp {family} unicast {prefix} json")),
            Router::Bird(Some(bird)) => bird.show(&format!("show route for {prefix} all")),
            Router::Bird(None) => return "killed".to_owned(),
        };
        shown.unwrap_or_else(|error| format!("{error:#}"))
    }

    /// Ends its BGP daemon at once (SIGKILL) and starts it again.
    pub(crate) fn crash_and_return(&mut self, between: impl FnOnce()) {
        match &mut self.router {
            Router::Frr(frr) => {
                frr.kill("bgpd");
                between();
                frr.revive("bgpd").unwrap();
            }
            Router::Bird(bird) => {
                bird.take().expect("it runs").kill();
                between();
                *bird = Some(Bird::restart(&self.place, &self.dir, &self.config).unwrap());
            }
        }
    }
}

/// FRR's BFD with the intervals of [`crate::lab::QUICK_BFD`].
pub(crate) const FRR_QUICK_BFD: &str =
    "bfd\n profile quick\n  receive-interval 100\n  transmit-interval 100\n exit\nexit\n";

fn frr(family: Family, wish: Wish) -> String {
    let mut text = String::new();
    if wish.bfd {
        text.push_str(FRR_QUICK_BFD);
    }
    text.push_str(
        "router bgp 65000\n bgp router-id 10.1.0.254\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n",
    );
    if wish.restarts {
        text.push_str(" bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n");
    }
    let mut routes = String::new();
    for n in 1..=wish.uplinks {
        let ours = family.ours(n);
        text += &frr_neighbor(&ours, 65001, wish.bfd);
        let _ = write!(
            routes,
            "  neighbor {ours} activate\n  neighbor {ours} default-originate\n"
        );
    }
    let _ = write!(
        text,
        " address-family {} unicast\n  maximum-paths 2\n{routes} exit-address-family\n",
        family.word()
    );
    text
}

/// A neighbour that FRR connects to at once, with [`FRR_QUICK_BFD`] or without.
pub(crate) fn frr_neighbor(address: &str, asn: u32, bfd: bool) -> String {
    let mut text =
        format!(" neighbor {address} remote-as {asn}\n neighbor {address} timers connect 1\n");
    if bfd {
        let _ = write!(
            text,
            " neighbor {address} bfd\n neighbor {address} bfd profile quick\n"
        );
    }
    text
}

fn bird(family: Family, wish: Wish) -> String {
    let (channel, default) = (family.word(), family.pick("0.0.0.0/0", "::/0"));
    let mut text = format!(
        "router id 10.1.0.254;\ngraceful restart wait 20;\nprotocol device {{ }}\n\
         protocol static origin {{ {channel}; route {default} blackhole; }}\n\
         protocol kernel {{ merge paths yes; graceful restart yes; {channel} {{ export where source = RTS_BGP; }}; }}\n"
    );
    if wish.bfd {
        text.push_str(
            "protocol bfd { interface \"*\" { min rx interval 100 ms; min tx interval 100 ms; multiplier 3; }; }\n",
        );
    }
    for n in 1..=wish.uplinks {
        let (theirs, ours) = (family.theirs(n), family.ours(n));
        let restarts = if wish.restarts { "on" } else { "aware" };
        let bfd = match (wish.bfd, wish.patient) {
            (false, _) => "",
            (true, false) => " bfd on;\n",
            (true, true) => " bfd graceful;\n",
        };
        let _ = write!(
            text,
            "protocol bgp node{n} {{\n local {theirs} as 65000;\n neighbor {ours} as 65001;\n \
             connect retry time 1; connect delay time 0; error wait time 1,2;\n graceful restart {restarts};\n{bfd} \
             {channel} {{ import all; export where source = RTS_STATIC; }};\n}}\n"
        );
    }
    text
}
