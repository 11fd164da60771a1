//! What happens when one of the two goes away: graceful restart, BFD, graceful shutdown.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::router::{GRACEFUL_SHUTDOWN, Kind};
use interop::wait_until;

use crate::lab::{Lab, OURS_V4, OURS_V6, PATIENCE, THEIRS_V4, THEIRS_V6, Way};
use crate::routes::learned;
use crate::sessions::established;
use crate::speaker::NEIGHBOR;

/// We are killed and come back without one of three routes: the router keeps the other two at every moment, and
/// drops the third at our End-of-RIB.
pub(crate) fn restarting_speaker(kind: Kind) -> Result<()> {
    const LEAVES: &str = "198.51.100.8/32";
    let kept = format!("originate = {OURS_V4}, {OURS_V6}");
    let lab = Lab::new(kind)?;
    let router = lab.router(Way::V4, |_| {})?;
    let mut speaker = lab.speaker(Way::V4, |conf| conf.bgp(&format!("{kept}, {LEAVES}")))?;
    established(&*router, &speaker, Way::V4)?;
    let has = |prefix: &str| router.paths(prefix).is_ok_and(|paths| !paths.is_empty());
    wait_until(PATIENCE, "every route", || {
        [OURS_V4, OURS_V6, LEAVES].into_iter().all(has)
    })?;
    let mut lost = false;
    let mut look = || {
        lost |= ![OURS_V4, OURS_V6].into_iter().all(has);
        lost
    };
    speaker.kill();
    let noticed = wait_until(PATIENCE, "the router's notice", || {
        look() || !router.is_established(&Way::V4.seen_from_router(0))
    });
    noticed.context(router.report())?;
    speaker.restart(|conf| conf.bgp(&kept))?;
    let swept = wait_until(PATIENCE, "the End-of-RIB", || look() || !has(LEAVES));
    swept.context(router.report())?;
    ensure!(!look(), "a route was lost\n{}", router.report());
    established(&*router, &speaker, Way::V4)
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
