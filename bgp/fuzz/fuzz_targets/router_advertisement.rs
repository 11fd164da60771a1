//! Neighbour discovery packets, one by one and as a history on one link.
#![no_main]

use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use bgp::discovery::{Arrival, Discovery, DiscoveryConfig, DiscoveryOutput, Link, Packet};
use libfuzzer_sys::fuzz_target;

const LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xa);

fuzz_target!(|input: &[u8]| {
    let now = Instant::now();
    let config = DiscoveryConfig {
        router_lifetime: 0,
        seed: 1,
    };
    let mut discovery = Discovery::new(config);
    let link_address = Some([2, 0, 0, 0, 0, 1]);
    discovery.set_link(
        Link::Ready {
            index: 1,
            local: LOCAL,
            link_address,
        },
        now,
    );
    let mut at = now;
    // Each packet: seconds since the one before, source, hop limit, length, octets.
    let mut rest = input;
    while let [seconds, host, hop_limit, length, after @ ..] = rest {
        let (octets, next) = after.split_at(after.len().min(usize::from(*length)));
        rest = next;
        at += Duration::from_secs(u64::from(*seconds));
        discovery.handle_timeout(at);
        let arrival = Arrival {
            source: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(*host)),
            hop_limit: if *hop_limit < 200 { 255 } else { *hop_limit },
            octets,
        };
        let decoded = Packet::decode(&arrival);
        if let Ok(packet) = &decoded {
            let again = Arrival {
                octets: &packet.encode(),
                ..arrival
            };
            assert_eq!(Packet::decode(&again).as_ref(), Ok(packet));
        }
        let handled = discovery.handle_arrival(&arrival, at);
        assert!(arrival.source == LOCAL || handled.is_ok() == decoded.is_ok());
        drain(&mut discovery);
    }
});

/// Outputs end, and what is sent can be read.
fn drain(discovery: &mut Discovery) {
    for _ in 0..8 {
        match discovery.poll_output() {
            DiscoveryOutput::Timeout(_) => return,
            DiscoveryOutput::Peer(_) => {}
            DiscoveryOutput::Send { octets, .. } => {
                let arrival = Arrival {
                    source: LOCAL,
                    hop_limit: 255,
                    octets: &octets,
                };
                assert!(Packet::decode(&arrival).is_ok());
            }
        }
    }
    panic!("more than a few outputs for one input");
}
