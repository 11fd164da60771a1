//! How much is said: again, at once, more than one path, too much.

use anyhow::{Context, Result, ensure};
use interop::bird::Bird;
use interop::netns::connect;
use interop::process::wait_for;
use interop::router::{Kind, Network, Remote, Session};
use interop::{Namespace, Place, wait_until};

use crate::lab::{Lab, OUR_AS, OURS_V4, PATIENCE, THEIR_AS, THEIRS_V4, Way};
use crate::sessions::established;
use crate::speaker::{NEIGHBOR, Speaker};

/// The router asks for everything and gets it; we ask for everything and get it.
pub(crate) fn route_refresh(kind: Kind) -> Result<()> {
    let lab = Lab::new(kind)?;
    let mut router = lab.router(Way::V4, |_| {})?;
    let speaker = lab.speaker(Way::V4, |_| {})?;
    speaker.originate(&[OURS_V4])?;
    established(&*router, &speaker, Way::V4)?;
    wait_until(PATIENCE, "routes on both sides", || {
        router.paths(OURS_V4).is_ok_and(|paths| paths.len() == 1)
            && speaker
                .learned(THEIRS_V4)
                .is_ok_and(|paths| paths.len() == 1)
    })?;
    // GoBGP keeps what it was told and looks at that: it answers, but has no command that asks
    if !matches!(kind, Kind::Gobgp310 | Kind::Gobgp336) {
        let before = messages(&speaker, "updatesSent")?;
        router.refresh(&Way::V4.seen_from_router(0))?;
        again(&speaker, "routeRefreshRecv", ("updatesSent", before))?;
    }
    let before = messages(&speaker, "updatesRecv")?;
    speaker.run(&["reset", NEIGHBOR, "--soft"])?;
    again(&speaker, "routeRefreshSent", ("updatesRecv", before))?;
    ensure!(router.paths(OURS_V4)?.len() == 1, "{}", router.report());
    ensure!(
        speaker.learned(THEIRS_V4)?.len() == 1,
        "{}",
        speaker.report()
    );
    ensure!(speaker.is_established(NEIGHBOR), "{}", speaker.report());
    Ok(())
}

/// Waits for a refresh, and for more UPDATEs than before it.
fn again(speaker: &Speaker<'_>, refreshes: &str, (updates, before): (&str, u64)) -> Result<()> {
    wait_until(PATIENCE, "the answer to the refresh", || {
        messages(speaker, refreshes).is_ok_and(|count| count > 0)
            && messages(speaker, updates).is_ok_and(|count| count > before)
    })
    .with_context(|| speaker.report())
}

fn messages(speaker: &Speaker<'_>, kind: &str) -> Result<u64> {
    let neighbor = speaker.neighbor(NEIGHBOR)?;
    let count = neighbor["messageStats"][kind].as_u64();
    count.with_context(|| format!("no {kind} in {neighbor}"))
}

/// A route with so many communities that its UPDATE has more than 4096 octets.
pub(crate) fn extended_messages(kind: Kind) -> Result<()> {
    const COMMUNITIES: u32 = 500;
    let lab = Lab::new(kind)?;
    let router = lab.router(Way::V4, |setup| setup.sessions[0].extended_messages = true)?;
    let speaker = lab.speaker(Way::V4, |_| {})?;
    established(&*router, &speaker, Way::V4)?;
    let large: Vec<String> = (0..COMMUNITIES)
        .map(|n| format!("{OUR_AS}:1:{n}"))
        .collect();
    speaker.originate(&[OURS_V4, "--large-community", &large.join(",")])?;
    // BIRD does not print so many
    let large = &large[..20];
    let mut last = Vec::new();
    let arrived = wait_until(PATIENCE, "a route of 6000 octets", || {
        last = router.paths(OURS_V4).unwrap_or_default();
        last.len() == 1 && large.iter().all(|c| last[0].large_communities.contains(c))
    });
    arrived.with_context(|| format!("{last:?}\n{}\n{}", speaker.report(), router.report()))
}

/// Both paths that the router has from two neighbours of its own arrive here.
pub(crate) fn add_path(kind: Kind) -> Result<()> {
    const PREFIX: &str = "203.0.113.0/24";
    let lab = Lab::new(kind)?;
    let feeder = Feeder::new(&lab)?;
    let router = lab.router(Way::V4, |setup| {
        setup.sessions[0].add_path = true;
        setup.networks.clear();
        if kind == Kind::Exabgp {
            // no table, no transit: it originates both itself
            for community in Feeder::COMMUNITIES {
                setup.networks.push(Network {
                    communities: vec![community.to_owned()],
                    ..Network::new(PREFIX)
                });
            }
        } else {
            setup.sessions.extend(Feeder::sessions());
        }
    })?;
    let _bird = feeder.start(&lab, PREFIX)?;
    let speaker = lab.speaker(Way::V4, |_| {})?;
    established(&*router, &speaker, Way::V4)?;
    let mut last = Vec::new();
    let arrived = wait_until(PATIENCE, "two paths", || {
        last = speaker.received(PREFIX).unwrap_or_default();
        let mut communities: Vec<_> = last.iter().flat_map(|p| p.communities.clone()).collect();
        communities.sort();
        communities == Feeder::COMMUNITIES
    });
    arrived.with_context(|| format!("{last:?}\n{}\n{}", speaker.report(), router.report()))
}

/// Two neighbours of the router, of one AS each, that teach one prefix: BIRD on a third node. It tells connections
/// apart by the router's address, so each has its own subnet.
struct Feeder {
    node: Namespace,
}

impl Feeder {
    const ASES: [u32; 2] = [65011, 65012];
    const COMMUNITIES: [&str; 2] = ["65011:1", "65012:1"];

    fn new(lab: &Lab) -> Result<Self> {
        let node = Namespace::new("feeder")?;
        connect((&node, "eth0"), (&lab.theirs, "feeder"))?;
        for subnet in 0..2 {
            node.address("eth0", &format!("10.8.{subnet}.2/24"))?;
            lab.theirs
                .address("feeder", &format!("10.8.{subnet}.1/24"))?;
        }
        Ok(Self { node })
    }

    /// The router's side.
    fn sessions() -> impl Iterator<Item = Session> {
        (0..2).zip(Self::ASES).map(|(subnet, asn)| {
            let remote = Remote::Address {
                remote: [10, 8, subnet, 2].into(),
                local: [10, 8, subnet, 1].into(),
            };
            Session::new(remote, asn)
        })
    }

    fn start(&self, lab: &Lab, prefix: &str) -> Result<Bird> {
        let mut config = format!(
            "router id 10.8.0.2;\nprotocol device {{ }}\nprotocol static {{ ipv4; route {prefix} blackhole; }}\n"
        );
        for (subnet, (asn, community)) in Self::ASES.into_iter().zip(Self::COMMUNITIES).enumerate()
        {
            config += &format!(
                "protocol bgp as{asn} {{ local 10.8.{subnet}.2 as {asn}; neighbor 10.8.{subnet}.1 as {THEIR_AS}; connect retry time 1; connect delay time 0; error wait time 1,2;\n\
                 ipv4 {{ import none; export filter {{ bgp_community.add(({})); accept; }}; }}; }}\n",
                community.replace(':', ",")
            );
        }
        Bird::start(
            &Place::inside(&self.node),
            &lab.dir.path().join("feeder"),
            &config,
        )
    }
}

/// More than it may teach ends the session with a Cease that says so (RFC 4486).
pub(crate) fn max_prefixes(kind: Kind) -> Result<()> {
    let lab = Lab::new(kind)?;
    let mut router = lab.router(Way::V4, |_| {})?;
    let speaker = lab.speaker(Way::V4, |conf| {
        conf.neighbor("max_prefixes = 2");
        conf.neighbor("max_prefixes_restart = 0");
    })?;
    established(&*router, &speaker, Way::V4)?;
    wait_for(PATIENCE, "the router's route", || {
        speaker
            .learned(THEIRS_V4)
            .ok()
            .filter(|paths| paths.len() == 1)
    })?;
    ensure!(speaker.is_established(NEIGHBOR), "two are not too many");
    router.announce(&Network::new("203.0.113.0/24"))?;
    let reason = speaker.wait_reset().with_context(|| speaker.report())?;
    ensure!(reason.to_ascii_lowercase().contains("prefix"), "{reason}");
    wait_until(PATIENCE, "the router's end of the session", || {
        !router.is_established(&Way::V4.seen_from_router(0))
    })?;
    ensure!(
        speaker.learned(THEIRS_V4)?.is_empty(),
        "{}",
        speaker.report()
    );
    Ok(())
}
