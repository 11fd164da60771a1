//! Router advertisements for people.

use super::super::table::{self, or_dash};
use crate::control::RouterAdvertisementList;

/// One line per device, then what other routers of its link say otherwise.
pub(super) fn text(list: &RouterAdvertisementList) -> String {
    if list.devices.is_empty() {
        return "no device advertises a router\n".to_owned();
    }
    let mut rows = table::table(&[
        "device",
        "state",
        "sent",
        "solicited",
        "invalid",
        "last invalid",
    ]);
    let mut problems = String::new();
    for device in &list.devices {
        rows.add_row([
            device.device.clone(),
            device.state.clone(),
            device.advertisements_sent.to_string(),
            device.solicitations_received.to_string(),
            device.invalid.to_string(),
            or_dash(device.last_invalid.as_ref()),
        ]);
        for other in &device.inconsistent {
            problems.push_str(&format!(
                "problem: {}: another router says otherwise: {other}\n",
                device.device
            ));
        }
    }
    table::text(&rows) + &problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router_advertisement::AdvertisingSnapshot;

    #[test]
    fn a_device_is_a_line_and_a_contradiction_is_a_problem() {
        let device = AdvertisingSnapshot {
            device: "vrfb4113ba2-78".to_owned(),
            state: "advertises fe80::200:3e9:0 as router".to_owned(),
            advertising: true,
            advertisements_sent: 3,
            solicitations_received: 1,
            invalid: 0,
            last_invalid: None,
            inconsistent: vec!["fe80::1: the MTU is 1500, and 1400 here".to_owned()],
        };
        let devices = vec![device];
        let shown = text(&RouterAdvertisementList { devices });
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[1].contains("vrfb4113ba2-78") && lines[1].contains("fe80::200:3e9:0"));
        let problem = "problem: vrfb4113ba2-78: another router says otherwise: fe80::1: the MTU is 1500, and 1400 here";
        assert_eq!(lines.last(), Some(&problem));
        let none = RouterAdvertisementList::default();
        assert_eq!(text(&none), "no device advertises a router\n");
    }
}
