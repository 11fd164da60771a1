use std::time::{Duration, Instant};

use interop::bird::Bird;
use interop::{Generation, Need, eventually, require};
use ovn_bgp_agent::bfd::{Diagnostic, SessionConfig, SessionKey, State};

use crate::lab::{
    Lab, OURS_FAR, OURS_LINK, OURS_V4, OURS_V6, THEIRS_FAR, THEIRS_LINK, THEIRS_V4, THEIRS_V6,
    assert_within, every, single_hop,
};

const BIRD: Need = Need::Program("bird");

const TIMES: &str = "min rx interval 100 ms; min tx interval 100 ms; multiplier 3;";

fn config(neighbor: &str) -> String {
    format!(
        "router id 10.9.0.2;\nprotocol device {{ }}\nprotocol bfd bfd1 {{\n interface \"eth0\" {{ {TIMES} }};\n \
         multihop {{ {TIMES} }};\n neighbor {neighbor};\n}}\n"
    )
}

fn start(lab: &Lab, generation: Generation, config: &str) -> Bird {
    Bird::start(&lab.place(generation), &lab.path(), config).unwrap()
}

fn is_up(bird: &Bird) -> bool {
    let sessions = bird.show("show bfd sessions").unwrap_or_default();
    sessions.split_whitespace().any(|word| word == "Up")
}

fn comes_up(generation: Generation) {
    let kinds = [
        (OURS_V4.to_owned(), single_hop(THEIRS_V4)),
        (OURS_V6.to_owned(), single_hop(THEIRS_V6)),
        (
            format!("{OURS_LINK} dev \"eth0\" local {THEIRS_LINK}"),
            single_hop(THEIRS_LINK).on("eth0"),
        ),
        (
            format!("{OURS_FAR} local {THEIRS_FAR} multihop"),
            SessionKey::multihop(THEIRS_FAR.parse().unwrap()).from(OURS_FAR.parse().unwrap()),
        ),
    ];
    for (neighbor, key) in kinds {
        let lab = Lab::new();
        let ours = lab.start();
        // BIRD leaves the TTL of multihop packets at the system's.
        let minimum_ttl = 64;
        ours.add(
            &key,
            SessionConfig {
                minimum_ttl,
                ..every(100)
            },
        );
        let bird = start(&lab, generation, &config(&neighbor));
        ours.wait_up();
        eventually(true, || is_up(&bird));
        eventually((100, 300), || {
            let session = ours.session();
            (session.negotiated_transmit_interval, session.detection_time)
        });
        assert_eq!(ours.session().session_down, 0, "{key}");
    }
}

#[test]
fn every_kind_of_session_comes_up_with_bird_2() {
    require!(Need::Root, BIRD);
    comes_up(Generation::Bookworm);
}

#[test]
fn every_kind_of_session_comes_up_with_bird_3() {
    require!(Need::Root, Need::Trixie);
    comes_up(Generation::Trixie);
}

/// One failure after the other with one pair of daemons: silence, an interval, the operator.
fn follows(generation: Generation) {
    let lab = Lab::new();
    let mut ours = lab.start();
    let key = single_hop(THEIRS_V4);
    ours.add(&key, every(100));
    let bird = start(&lab, generation, &config(OURS_V4));
    ours.wait_up();
    eventually(300, || ours.session().detection_time);
    lab.cut();
    let cut = Instant::now();
    let change = ours.next_change(|change| change.from == State::Up);
    assert!(change.is_path_failure());
    assert_within(&change, cut, Duration::from_millis(300));
    eventually(false, || is_up(&bird));
    lab.mend();
    ours.wait_up();
    eventually(true, || is_up(&bird));

    let downs = ours.session().session_down;
    for millis in [400, 50] {
        ours.bfd.update(key.clone(), every(millis)).unwrap();
        let agreed = u32::try_from(millis.max(100)).unwrap();
        eventually(agreed, || ours.session().negotiated_transmit_interval);
        eventually(3 * agreed, || ours.session().detection_time);
    }
    assert_eq!(ours.session().session_down, downs);
    assert!(is_up(&bird));

    // Disabled, BIRD says nothing any more.
    bird.control("disable bfd1").unwrap();
    let change = ours.next_change(|change| change.from == State::Up);
    assert_eq!(change.diagnostic, Diagnostic::DETECTION_TIME_EXPIRED);
    bird.control("enable bfd1").unwrap();
    ours.wait_up();
    eventually(true, || is_up(&bird));
    ours.bfd.admin_down(key, true).unwrap();
    eventually(false, || is_up(&bird));
}

#[test]
fn bird_2_and_we_follow_each_other() {
    require!(Need::Root, BIRD);
    follows(Generation::Bookworm);
}

#[test]
fn bird_3_and_we_follow_each_other() {
    require!(Need::Root, Need::Trixie);
    follows(Generation::Trixie);
}
