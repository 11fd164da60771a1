//! Sixty-four sessions at once on the loopback. The figure is printed by
//! `cargo test --release --test peering many_sessions -- --nocapture`.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use bgp::{Event, PeerConfig, RemoteAs, State};
use ovn_bgp_agent::peering::{Neighbour, Peering, Settings};

const SESSIONS: u8 = 64;

/// The address of one end of a session: the far ends are in 127.0.1.0/24, ours in 127.0.2.0/24.
fn address(end: u8, session: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, end, session).into()
}

/// `end` has a session with every address of `other`.
fn speaker(end: u8, other: u8, port: u16, passive: bool) -> (Settings, Vec<Neighbour>) {
    let mut settings = Settings::new(65000 + u32::from(end), [192, 0, 2, end].into());
    settings.listen.clear();
    if passive {
        settings.listen.push((Ipv4Addr::UNSPECIFIED, port).into());
    }
    let neighbours = (1..=SESSIONS).map(|session| {
        let remote = address(other, session);
        let mut peer = PeerConfig::new(format!("peer{session}"), remote, RemoteAs::External);
        peer.passive = passive;
        let mut neighbour = Neighbour::new(peer);
        neighbour.port = port;
        neighbour.local_address = Some(address(end, session));
        neighbour
    });
    (settings, neighbours.collect())
}

fn free_port() -> u16 {
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    probe.local_addr().unwrap().port()
}

#[tokio::test]
async fn sixty_four_sessions_come_up_together() {
    let port = free_port();
    let (settings, neighbours) = speaker(1, 2, port, true);
    let far = Peering::spawn(settings, neighbours).unwrap();
    while far.status().await.unwrap().neighbors.is_empty() {}
    let start = Instant::now();
    let (settings, neighbours) = speaker(2, 1, port, false);
    let near = Peering::spawn(settings, neighbours).unwrap();
    let mut notices = near.watch();
    let all_up = async {
        // Sessions may be up before the watch began: ask first.
        let status = near.status().await.unwrap();
        let up = status.neighbors.iter();
        let mut up = up.filter(|n| n.state == State::Established.name()).count();
        while up < usize::from(SESSIONS) {
            if let Event::StateChanged { to, .. } = notices.recv().await.unwrap().event
                && to == State::Established
            {
                let status = near.status().await.unwrap();
                let neighbors = status.neighbors.iter();
                up = neighbors
                    .filter(|n| n.state == State::Established.name())
                    .count();
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), all_up)
        .await
        .expect("64 sessions within 10 s");
    println!("{SESSIONS} sessions up in {:?}", start.elapsed());
}
