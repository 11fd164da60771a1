//! The leaf's router, with what a fabric has: it teaches the node a default route and forwards to what the node
//! announces. Graceful restart is as its own defaults have it where it only helps.

use std::fmt::Write as _;
use std::path::PathBuf;

use interop::bird::Bird;
use interop::frr::Frr;
use interop::router::Kind;
use interop::{PATIENCE, Place, wait_until};

use crate::lab::{Lab, NODE, ours, theirs};

pub(crate) struct Leaf {
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
        let (config, router) = match kind {
            Kind::Frr8 | Kind::Frr10 => {
                let config = frr(wish);
                let router = Router::Frr(Frr::start(&place, &dir, &config).unwrap());
                (config, router)
            }
            Kind::Bird2 | Kind::Bird3 => {
                let config = bird(wish);
                let router = Router::Bird(Some(Bird::start(&place, &dir, &config).unwrap()));
                (config, router)
            }
            _ => panic!("{kind} has no way into the kernel"),
        };
        Self {
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
            shown.contains(NODE) && !shown.to_ascii_lowercase().contains("stale")
        });
        assert!(fresh.is_ok(), "{}", self.shown());
    }

    /// The node's route as the router shows it.
    fn shown(&self) -> String {
        let shown = match &self.router {
            Router::Frr(frr) => frr.vtysh(&format!("show bgp ipv4 unicast {NODE}/32 json")),
            Router::Bird(Some(bird)) => bird.show(&format!("show route for {NODE}/32 all")),
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

fn frr(wish: Wish) -> String {
    let mut text = String::new();
    if wish.bfd {
        text.push_str(
            "bfd\n profile quick\n  receive-interval 100\n  transmit-interval 100\n exit\nexit\n",
        );
    }
    let router_id = theirs(1);
    let _ = write!(
        text,
        "router bgp 65000\n bgp router-id {router_id}\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n"
    );
    if wish.restarts {
        text.push_str(" bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n");
    }
    let mut family = String::new();
    for n in 1..=wish.uplinks {
        let ours = ours(n);
        let _ = write!(
            text,
            " neighbor {ours} remote-as 65001\n neighbor {ours} timers connect 1\n"
        );
        if wish.bfd {
            let _ = write!(
                text,
                " neighbor {ours} bfd\n neighbor {ours} bfd profile quick\n"
            );
        }
        let _ = write!(
            family,
            "  neighbor {ours} activate\n  neighbor {ours} default-originate\n"
        );
    }
    let _ = write!(
        text,
        " address-family ipv4 unicast\n  maximum-paths 2\n{family} exit-address-family\n"
    );
    text
}

fn bird(wish: Wish) -> String {
    let mut text = format!(
        "router id {};\ngraceful restart wait 20;\nprotocol device {{ }}\n\
         protocol static origin {{ ipv4; route 0.0.0.0/0 blackhole; }}\n\
         protocol kernel {{ merge paths yes; graceful restart yes; ipv4 {{ export where source = RTS_BGP; }}; }}\n",
        theirs(1)
    );
    if wish.bfd {
        text.push_str(
            "protocol bfd { interface \"*\" { min rx interval 100 ms; min tx interval 100 ms; multiplier 3; }; }\n",
        );
    }
    for n in 1..=wish.uplinks {
        let (theirs, ours) = (theirs(n), ours(n));
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
             ipv4 {{ import all; export where source = RTS_STATIC; }};\n}}\n"
        );
    }
    text
}
