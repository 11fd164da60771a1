//! What happens when one of the two goes away: graceful restart, BFD, graceful shutdown.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::collector::{Collector, Event};
use interop::netns::{Namespace, connect};
use interop::router::{GRACEFUL_SHUTDOWN, Kind, Remote, Session};
use interop::wait_until;
use ipnet::IpNet;

use crate::lab::{Lab, OURS_V4, OURS_V6, PATIENCE, THEIRS_V4, THEIRS_V6, Way};
use crate::routes::learned;
use crate::sessions::established;
use crate::speaker::NEIGHBOR;

/// We are killed and come back without one of three routes: the router keeps the other two at every moment, and
/// drops the third at our End-of-RIB. A collector behind the router saw nothing withdrawn but that one.
pub(crate) fn restarting_speaker(kind: Kind) -> Result<()> {
    const LEAVES: &str = "198.51.100.8/32";
    let kept = format!("originate = {OURS_V4}, {OURS_V6}");
    let lab = Lab::new(kind)?;
    let behind = Behind::new(&lab)?;
    let router = lab.router(Way::V4, |setup| setup.sessions.push(Behind::session()))?;
    let mut speaker = lab.speaker(Way::V4, |conf| conf.bgp(&format!("{kept}, {LEAVES}")))?;
    established(&*router, &speaker, Way::V4)?;
    let has = |prefix: &str| router.paths(prefix).is_ok_and(|paths| !paths.is_empty());
    wait_until(PATIENCE, "every route", || {
        [OURS_V4, OURS_V6, LEAVES].into_iter().all(has) && behind.has(&[OURS_V4, OURS_V6, LEAVES])
    })
    .with_context(|| router.report())?;
    behind.collector.forget();
    speaker.kill();
    wait_until(PATIENCE, "the router's notice", || {
        !router.is_established(&Way::V4.seen_from_router(0))
    })?;
    ensure!(has(OURS_V4) && has(OURS_V6), "dropped\n{}", router.report());
    speaker.restart(|conf| conf.bgp(&kept))?;
    wait_until(PATIENCE, "the End-of-RIB", || {
        !has(LEAVES) && !behind.has(&[LEAVES])
    })
    .with_context(|| router.report())?;
    ensure!(has(OURS_V4) && has(OURS_V6), "lost\n{}", router.report());
    established(&*router, &speaker, Way::V4)?;
    let withdrawn = behind.withdrawn();
    ensure!(withdrawn == [LEAVES.parse()?], "withdrawn: {withdrawn:?}");
    Ok(())
}

/// A collector on a third node, which the router tells what it learns: it misses no moment.
struct Behind {
    collector: Collector,
    _node: Namespace,
}

impl Behind {
    const ASN: u32 = 65020;
    const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 1);
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 2);

    fn new(lab: &Lab) -> Result<Self> {
        let node = Namespace::new("behind")?;
        connect((&node, "eth0"), (&lab.theirs, "behind"))?;
        node.address("eth0", &format!("{}/24", Self::ADDRESS))?;
        lab.theirs
            .address("behind", &format!("{}/24", Self::ROUTER))?;
        // its IPv6 routes need an address of the router's as next hop
        lab.theirs.address("behind", "fd00:7::1/64")?;
        let listener = node.inside(|| TcpListener::bind((Self::ADDRESS, 179)))??;
        Ok(Self {
            collector: Collector::start(listener, Self::ASN, Self::ADDRESS, false)?,
            _node: node,
        })
    }

    /// The router's side.
    fn session() -> Session {
        let remote = Remote::Address {
            remote: Self::ADDRESS.into(),
            local: Self::ROUTER.into(),
        };
        Session::new(remote, Self::ASN)
    }

    fn has(&self, prefixes: &[&str]) -> bool {
        let mut prefixes = prefixes.iter().filter_map(|prefix| prefix.parse().ok());
        self.collector
            .with(|table| prefixes.all(|prefix: IpNet| table.routes.contains_key(&prefix)))
    }

    fn withdrawn(&self) -> Vec<IpNet> {
        self.collector.with(|table| {
            let events = table.history.iter();
            let withdrawn = events.filter_map(|(_, event)| match event {
                Event::Withdrawn(prefix) => Some(*prefix),
                _ => None,
            });
            withdrawn.collect()
        })
    }
}

/// The router is killed and comes back without one of its two routes: we keep the other at every moment, and drop
/// that one at its End-of-RIB.
pub(crate) fn restart_helper(kind: Kind) -> Result<()> {
    let lab = Lab::new(kind)?;
    let mut router = lab.router(Way::V4, |setup| setup.graceful_restart = true)?;
    let speaker = lab.speaker(Way::V4, |_| {})?;
    established(&*router, &speaker, Way::V4)?;
    let has = |prefix: &str| speaker.learned(prefix).is_ok_and(|paths| paths.len() == 1);
    wait_until(PATIENCE, "both routes", || has(THEIRS_V4) && has(THEIRS_V6))?;
    router.kill();
    wait_until(PATIENCE, "our notice", || !speaker.is_established(NEIGHBOR))?;
    ensure!(
        has(THEIRS_V4) && has(THEIRS_V6),
        "dropped\n{}",
        speaker.report()
    );
    // not there to be withdrawn: it is gone when the router comes back
    let _ = router.withdraw(THEIRS_V6);
    router.restart()?;
    let mut lost = false;
    let swept = wait_until(PATIENCE, "the router's End-of-RIB", || {
        lost |= !has(THEIRS_V4);
        lost || !has(THEIRS_V6)
    });
    swept.with_context(|| speaker.report())?;
    ensure!(
        !lost,
        "a route was lost\n{}\n{}",
        speaker.report(),
        router.report()
    );
    established(&*router, &speaker, Way::V4)?;
    ensure!(has(THEIRS_V4), "{}", speaker.report());
    Ok(())
}

/// A router that stands still is lost within a second, long before its hold time.
pub(crate) fn bfd(kind: Kind) -> Result<()> {
    let lab = Lab::new(kind)?;
    let mut router = lab.router(Way::V4, |setup| setup.sessions[0].bfd = true)?;
    let speaker = lab.speaker(Way::V4, |conf| conf.neighbor("bfd = fast"))?;
    established(&*router, &speaker, Way::V4)?;
    let remote = Way::V4.seen_from_router(0);
    wait_until(PATIENCE, "BFD's session", || {
        router.bfd_is_up(&remote).unwrap_or(false)
    })
    .with_context(|| format!("{}\n{}", speaker.report(), router.report()))?;
    router.freeze()?;
    let start = std::time::Instant::now();
    let reason = speaker.wait_reset()?;
    let took = start.elapsed();
    ensure!(reason.contains("BFD"), "{reason}");
    // 3 × 100 ms, and generously more for two busy cores
    ensure!(took < Duration::from_secs(3), "{took:?}");
    Ok(())
}

/// While we drain, our routes say so.
pub(crate) fn graceful_shutdown_sent(kind: Kind) -> Result<()> {
    let lab = Lab::new(kind)?;
    let router = lab.router(Way::V4, |_| {})?;
    let speaker = lab.speaker(Way::V4, |_| {})?;
    speaker.originate(&[OURS_V4])?;
    established(&*router, &speaker, Way::V4)?;
    let marked = |wanted: bool| {
        let paths = router.paths(OURS_V4).unwrap_or_default();
        paths.len() == 1 && paths[0].communities.contains(GRACEFUL_SHUTDOWN) == wanted
    };
    wait_until(PATIENCE, "our route", || marked(false))?;
    speaker.run(&["drain"])?;
    wait_until(PATIENCE, "the community", || marked(true)).with_context(|| router.report())?;
    speaker.run(&["undrain"])?;
    wait_until(PATIENCE, "the community's end", || marked(false))
}

/// While the router drains, its routes are our last choice.
pub(crate) fn graceful_shutdown_received(kind: Kind) -> Result<()> {
    let lab = Lab::new(kind)?;
    let mut router = lab.router(Way::V4, |_| {})?;
    let speaker = lab.speaker(Way::V4, |_| {})?;
    established(&*router, &speaker, Way::V4)?;
    learned(&speaker, THEIRS_V4, |path| path.local_preference != Some(0))?;
    router.drain()?;
    learned(&speaker, THEIRS_V4, |path| {
        path.local_preference == Some(0) && !path.communities.is_empty()
    })
}
