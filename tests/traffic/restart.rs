//! The speaker restarts, and a leaf's daemon restarts, while packets pass both ways.

use interop::gobgp::Gobgp;
use interop::netns::Namespace;
use interop::router::Kind;
use interop::{Daemon, Need, Place, eventually, require};

use crate::lab::{Family, Lab, QUICK_BFD};
use crate::leaf::{Leaf, Wish};
use crate::node::Node;

/// How a speaker is replaced by the next one.
#[derive(Clone, Copy, Debug)]
enum Way {
    Stopped,
    Killed,
    Upgraded,
}

const WAYS: [Way; 3] = [Way::Stopped, Way::Killed, Way::Upgraded];

impl Node {
    fn replace(&mut self, way: Way) {
        match way {
            Way::Stopped => self.stop(),
            Way::Killed => self.kill(),
            Way::Upgraded => {
                self.install();
                self.stop();
            }
        }
    }
}

const ONE_UPLINK: Wish = Wish {
    uplinks: 1,
    bfd: false,
    patient: false,
    restarts: false,
};

/// Nothing is lost in either direction, neither while there is no speaker nor when the next one takes over.
fn the_speaker_restarts(kind: Kind, family: Family, wish: Wish) {
    let mut lab = Lab::new(family, 1);
    let leaf = Leaf::start(kind, &lab, wish);
    lab.configure(if wish.bfd { QUICK_BFD } else { "" });
    lab.node.start();
    leaf.wait_fresh();
    eventually((1, 1), || lab.ways());
    if wish.bfd {
        eventually(true, || lab.bfd_is_quick());
    }
    for way in WAYS {
        let pings = [lab.ping_in(), lab.ping_out()];
        lab.node.replace(way);
        pings.iter().for_each(|ping| ping.wait_answers(30));
        lab.node.start();
        leaf.wait_fresh();
        if wish.bfd {
            eventually(true, || lab.bfd_is_quick());
        }
        let losses = pings.map(crate::ping::Ping::finish);
        for loss in &losses {
            let bfd = if wish.bfd { " with BFD" } else { "" };
            println!("{kind} helps{bfd}, {way:?}: {loss}");
        }
        assert!(
            losses.iter().all(|loss| loss.lost == 0),
            "{}",
            lab.node.log()
        );
    }
}

#[test]
fn no_packet_is_lost_while_frr_8_helps() {
    require!(Need::Root, Need::Program("ping"), Kind::Frr8.need());
    the_speaker_restarts(Kind::Frr8, Family::V4, ONE_UPLINK);
}

#[test]
fn no_packet_is_lost_while_frr_10_helps() {
    require!(Need::Root, Need::Program("ping"), Kind::Frr10.need());
    the_speaker_restarts(Kind::Frr10, Family::V4, ONE_UPLINK);
}

#[test]
fn no_packet_is_lost_while_bird_2_helps() {
    require!(Need::Root, Need::Program("ping"), Kind::Bird2.need());
    the_speaker_restarts(Kind::Bird2, Family::V4, ONE_UPLINK);
}

#[test]
fn no_packet_is_lost_while_bird_3_helps() {
    require!(Need::Root, Need::Program("ping"), Kind::Bird3.need());
    the_speaker_restarts(Kind::Bird3, Family::V4, ONE_UPLINK);
}

#[test]
fn no_ipv6_packet_is_lost_while_frr_8_helps() {
    require!(Need::Root, Need::Program("ping"), Kind::Frr8.need());
    the_speaker_restarts(Kind::Frr8, Family::V6, ONE_UPLINK);
}

#[test]
fn no_ipv6_packet_is_lost_while_frr_10_helps() {
    require!(Need::Root, Need::Program("ping"), Kind::Frr10.need());
    the_speaker_restarts(Kind::Frr10, Family::V6, ONE_UPLINK);
}

#[test]
fn no_ipv6_packet_is_lost_while_bird_3_helps() {
    require!(Need::Root, Need::Program("ping"), Kind::Bird3.need());
    the_speaker_restarts(Kind::Bird3, Family::V6, ONE_UPLINK);
}

/// Our BFD ends with the speaker; that must not be taken for a path that failed.
const WATCHED: Wish = Wish {
    bfd: true,
    patient: true,
    ..ONE_UPLINK
};

#[test]
fn bfd_does_not_end_the_help_of_frr_8() {
    require!(Need::Root, Need::Program("ping"), Kind::Frr8.need());
    the_speaker_restarts(Kind::Frr8, Family::V4, WATCHED);
}

#[test]
fn bfd_does_not_end_the_help_of_frr_10() {
    require!(Need::Root, Need::Program("ping"), Kind::Frr10.need());
    the_speaker_restarts(Kind::Frr10, Family::V4, WATCHED);
}

#[test]
fn bfd_does_not_end_the_help_of_bird_2() {
    require!(Need::Root, Need::Program("ping"), Kind::Bird2.need());
    the_speaker_restarts(Kind::Bird2, Family::V4, WATCHED);
}

#[test]
fn bfd_does_not_end_the_help_of_bird_3() {
    require!(Need::Root, Need::Program("ping"), Kind::Bird3.need());
    the_speaker_restarts(Kind::Bird3, Family::V4, WATCHED);
}

/// GoBGP installs nothing: its table must keep the node's route, and the node its default.
fn the_speaker_restarts_beside_gobgp(kind: Kind) {
    let mut lab = Lab::new(Family::V4, 1);
    let place = Place::inside(&lab.leaf).with(kind.generation());
    let (ours, theirs) = (Family::V4.ours(1), Family::V4.theirs(1));
    let restart = "[neighbors.graceful-restart.config]\nenabled = true\nrestart-time = 60\n";
    let config = format!(
        "[global.config]\nas = 65000\nrouter-id = \"{theirs}\"\n[[neighbors]]\n[neighbors.config]\n\
         neighbor-address = \"{ours}\"\npeer-as = 65001\n[neighbors.timers.config]\nconnect-retry = 1\n{restart}\
         [[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"ipv4-unicast\"\n\
         [neighbors.afi-safis.mp-graceful-restart.config]\nenabled = true\n"
    );
    let prefix = lab.family.prefix();
    let gobgp = Gobgp::start(&place, &lab.path("leaf"), &config).unwrap();
    gobgp.run("global rib -a ipv4 add 0.0.0.0/0").unwrap();
    lab.leaf
        .ip(&format!("route add {prefix} via {ours}"))
        .unwrap();
    lab.configure("");
    lab.node.start();
    eventually(1, || lab.ways().0);
    eventually(1, || gobgp.next_hops(&prefix).unwrap().len());

    let mut watch = place.command("gobgp").unwrap();
    watch.args(["monitor", "global", "rib", "-a", "ipv4"]);
    let watch = Daemon::spawn("watch", lab.dir.path(), &mut watch).unwrap();
    let told = |what: &str| watch.log_text().matches(what).count();
    // That it watches is known when it tells of something.
    let mut marks = (1..255).map(|n| format!("203.0.113.{n}/32"));
    eventually(true, || {
        let mark = marks.next().expect("one of so many is told");
        gobgp
            .run(&format!("global rib -a ipv4 add {mark}"))
            .unwrap();
        told("203.0.113.") > 0
    });
    for way in WAYS {
        let ping = lab.ping_out();
        lab.node.replace(way);
        ping.wait_answers(30);
        assert_eq!(gobgp.next_hops(&prefix).unwrap(), [ours.as_str()]);
        lab.node.start();
        gobgp.wait_established(&ours).unwrap();
        eventually(Some(false), || {
            let shown = gobgp.json(&format!("global rib {prefix} -a ipv4"));
            Some(shown.ok()?.to_string().contains("\"stale\":true"))
        });
        let loss = ping.finish();
        let gone = watch
            .log_text()
            .lines()
            .filter(|line| line.contains("[DELROUTE]") && line.contains(&prefix))
            .count();
        println!("{kind} helps, {way:?}: {gone} withdrawals in its table; {loss}");
        assert_eq!((loss.lost, gone), (0, 0), "{}", watch.log_text());
    }
    let host = lab.family.host(1).parse().unwrap();
    assert!(lab.node.namespace.pings(host, None));
}

#[test]
fn gobgp_3_10_keeps_the_route() {
    require!(Need::Root, Need::Program("ping"), Kind::Gobgp310.need());
    the_speaker_restarts_beside_gobgp(Kind::Gobgp310);
}

#[test]
fn gobgp_3_36_keeps_the_route() {
    require!(Need::Root, Need::Program("ping"), Kind::Gobgp336.need());
    the_speaker_restarts_beside_gobgp(Kind::Gobgp336);
}

/// So few packets fit between BIRD's deleting and adding a route, where the machine is busy too.
const REWRITTEN: usize = 5;

/// What happens to a namespace's routes, with times.
fn watch_routes(lab: &Lab, namespace: &Namespace) -> Daemon {
    let mut watch = Place::inside(namespace).command("ip").unwrap();
    watch.args(["-ts", "-4", "monitor", "route"]);
    Daemon::spawn(namespace.name(), lab.dir.path(), &mut watch).unwrap()
}

/// The leaf's kernel forwards without its daemon; ours must keep the default route it taught.
fn the_leaf_restarts(kind: Kind) {
    let mut lab = Lab::new(Family::V4, 1);
    let wish = Wish {
        restarts: true,
        ..ONE_UPLINK
    };
    let mut leaf = Leaf::start(kind, &lab, wish);
    lab.configure("");
    lab.node.start();
    leaf.wait_fresh();
    eventually((1, 1), || lab.ways());
    let watches = [&lab.node.namespace, &lab.leaf].map(|namespace| watch_routes(&lab, namespace));
    let pings = [lab.ping_in(), lab.ping_out()];
    leaf.crash_and_return(|| {
        eventually(false, || {
            lab.node.neighbors()["uplink1"]["bgpState"] == "Established"
        });
        pings.iter().for_each(|ping| ping.wait_answers(30));
        assert_eq!(lab.ways(), (1, 1));
    });
    lab.node.wait_established();
    leaf.wait_fresh();
    let losses = pings.map(crate::ping::Ping::finish);
    for loss in &losses {
        println!("{kind} restarts, we help: {loss}");
    }
    let [at_node, at_leaf] = watches.map(|watch| watch.log_text());
    assert!(!at_node.contains("Deleted default"), "{at_node}");
    // BIRD may write its kernel's route again when its restart is over: it deletes and adds, and that is its own gap.
    let rewritten = matches!(kind, Kind::Bird2 | Kind::Bird3) && at_leaf.contains("Deleted");
    let allowed = if rewritten { REWRITTEN } else { 0 };
    let lost = losses.iter().any(|loss| loss.lost > allowed);
    assert!(!lost, "at the leaf:\n{at_leaf}\nat the node:\n{at_node}");
}

#[test]
fn no_packet_is_lost_while_we_help_frr_8() {
    require!(Need::Root, Need::Program("ping"), Kind::Frr8.need());
    the_leaf_restarts(Kind::Frr8);
}

#[test]
fn no_packet_is_lost_while_we_help_frr_10() {
    require!(Need::Root, Need::Program("ping"), Kind::Frr10.need());
    the_leaf_restarts(Kind::Frr10);
}

#[test]
fn no_packet_is_lost_while_we_help_bird_2() {
    require!(Need::Root, Need::Program("ping"), Kind::Bird2.need());
    the_leaf_restarts(Kind::Bird2);
}

#[test]
fn no_packet_is_lost_while_we_help_bird_3() {
    require!(Need::Root, Need::Program("ping"), Kind::Bird3.need());
    the_leaf_restarts(Kind::Bird3);
}
