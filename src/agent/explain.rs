//! Why an address is, or is not, advertised: the same facts the loop acts on, step by step.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bgp::evpn::Vni;

use super::core::Core;
use crate::control;
use crate::control::{Explanation, Step, Verdict};
use crate::exposure::{Decision, Exposure, Layer, Withheld};
use crate::reconcile::{BlockReason, Key};

/// What the speaker knows of a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Whom it was told to.
    pub speaker: control::speaker::Told,
    /// Who else originates it, in words.
    pub also_from: Vec<String>,
}

/// Explains `ip`. `told` is `None` where no speaker runs (`explain` without the agent).
pub(super) fn explain(core: &Core, ip: IpAddr, told: Option<&Told>) -> Explanation {
    let mut steps = vec![node(core)];
    let decision = core.decision().unwrap_or_default();
    let exposures: Vec<_> = decision
        .exposures
        .iter()
        .filter(|e| e.prefix.contains(&ip))
        .collect();
    steps.extend(decided(&decision, ip));
    if exposures.is_empty() {
        let verdict = match decision.withheld.iter().find(|w| w.prefix.contains(&ip)) {
            Some(withheld) => format!("{ip} is withheld: {}", withheld.reason),
            None => format!("{ip} is not exposed: no row of OVN that concerns this node has it"),
        };
        let no_row = decision.withheld.iter().all(|w| !w.prefix.contains(&ip));
        return Explanation {
            ip,
            verdict,
            steps,
            no_row,
        };
    }
    // Tenants may have the same address.
    let mut by_table: BTreeMap<Option<Vni>, &Exposure> = BTreeMap::new();
    for exposure in exposures {
        by_table.entry(exposure.vni).or_insert(exposure);
    }
    let mut verdicts = Vec::new();
    for (vni, exposure) in by_table {
        let (wired, wiring) = wired(core, exposure);
        steps.extend(wiring);
        let (verdict, step) = advertised(core, exposure, wired, told);
        steps.push(step);
        verdicts.push(match vni {
            Some(vni) => format!("{ip} of VNI {vni} {verdict}"),
            None => format!("{ip} {verdict}"),
        });
    }
    steps.extend(told.and_then(also_from));
    Explanation {
        ip,
        verdict: verdicts.join("; "),
        steps,
        no_row: false,
    }
}

/// The agent's answer, after all rows of OVN could not be read beside it.
pub(super) fn unread(mut answer: Explanation, error: &impl std::fmt::Display) -> Explanation {
    let detail = format!("what OVN has for other nodes cannot be read: {error}");
    let unread = step("rows of other nodes", Verdict::Unknown, detail);
    answer.steps.push(unread);
    answer
}

fn step(step: &str, verdict: Verdict, detail: String) -> Step {
    Step {
        step: step.to_owned(),
        verdict,
        detail,
    }
}

/// Two origins are legal, and mostly a mistake: nothing is done about it.
fn also_from(told: &Told) -> Option<Step> {
    let others = told.also_from.join("; ");
    let detail = format!("the fabric also has it from {others}: anycast, or exposed twice");
    (!others.is_empty()).then(|| step("other origins", Verdict::Unknown, detail))
}

fn node(core: &Core) -> Step {
    match core.node() {
        Some(node) => {
            let mappings: Vec<_> = node
                .mappings
                .entries()
                .iter()
                .map(|m| format!("{}:{}", m.physical_network, m.bridge))
                .collect();
            let detail = format!(
                "host {}, chassis {}, ovn-bridge-mappings {}",
                node.hostname,
                node.chassis,
                mappings.join(",")
            );
            step("this node", Verdict::Ok, detail)
        }
        None => step(
            "this node",
            Verdict::Unknown,
            "Open_vSwitch has not told who this node is".to_owned(),
        ),
    }
}

fn decided(decision: &Decision, ip: IpAddr) -> Vec<Step> {
    let exposed = decision
        .exposures
        .iter()
        .filter(|e| e.prefix.contains(&ip))
        .flat_map(|e| std::iter::once(exposed(e)).chain(ruled(e)));
    let withheld = decision
        .withheld
        .iter()
        .filter(|w| w.prefix.contains(&ip))
        .map(withheld);
    let mut steps: Vec<_> = exposed.chain(withheld).collect();
    if steps.is_empty() {
        let detail = "no row of OVN's database that this node follows has this address".to_owned();
        steps.push(step("row in OVN", Verdict::No, detail));
    }
    steps
}

fn exposed(exposure: &Exposure) -> Step {
    let Exposure {
        prefix,
        port,
        network,
        attachment,
        reason,
        vni,
        layer,
        ..
    } = exposure;
    let way = attachment.as_ref().map_or_else(String::new, |attachment| {
        let vlan = attachment.vlan;
        let vlan = vlan.map_or_else(String::new, |vlan| format!(" vlan {vlan}"));
        format!(
            "; enters OVN through {}{vlan} ({network})",
            attachment.bridge
        )
    });
    let table = vni.map_or_else(String::new, |vni| match layer {
        Layer::Routed => format!("; in VNI {vni}, routed (table {vni})"),
        Layer::Bridged => format!("; in VNI {vni}, stretched"),
    });
    let detail = format!("{prefix} of {port}: {reason}{way}{table}");
    step("decision", Verdict::Ok, detail)
}

/// What policies say of its route.
fn ruled(exposure: &Exposure) -> Option<Step> {
    let policy = exposure.attributes.policy()?;
    Some(step("policy", Verdict::Ok, policy))
}

fn withheld(withheld: &Withheld) -> Step {
    let Withheld {
        prefix,
        port,
        code,
        reason,
        ..
    } = withheld;
    let code = serde_json::to_value(code)
        .ok()
        .and_then(|c| c.as_str().map(str::to_owned))
        .unwrap_or_default();
    step(
        "decision",
        Verdict::No,
        format!("{prefix} of {port}: {reason} [{code}]"),
    )
}

/// Whether everything the advert requires is in place, and a step for each object.
pub(super) fn wired(core: &Core, exposure: &Exposure) -> (bool, Vec<Step>) {
    let mut steps = Vec::new();
    if let Some(pending) = core.wiring().pending_for(exposure.destination()) {
        steps.push(step("wiring", Verdict::No, pending.to_string()));
    }
    let wish = core.wiring().wish(exposure.destination());
    let requires = wish.advert.map(|advert| advert.requires);
    let mut complete = steps.is_empty();
    for key in requires.iter().flat_map(|keys| keys.iter()) {
        let settled = core.reconciler().is_settled(key);
        complete &= settled;
        steps.push(object(core, key, settled));
    }
    (complete, steps)
}

fn object(core: &Core, key: &Key, settled: bool) -> Step {
    let name = format!("wiring: {key}");
    if settled {
        return step(&name, Verdict::Ok, "present".to_owned());
    }
    let blocked = core
        .reconciler()
        .blocked()
        .find(|(blocked, _)| *blocked == key);
    let why = blocked.map(|(_, reason): (_, &BlockReason)| reason.to_string());
    step(
        &name,
        Verdict::No,
        why.unwrap_or_else(|| "missing".to_owned()),
    )
}

fn advertised(
    core: &Core,
    exposure: &Exposure,
    wired: bool,
    told: Option<&Told>,
) -> (String, Step) {
    let name = "advertised";
    let Some(told) = told else {
        let verdict = if wired {
            "is exposed here and wired"
        } else {
            "is exposed here, and not wired"
        };
        return (
            verdict.to_owned(),
            step(
                name,
                Verdict::Unknown,
                "the agent does not run here; ask it for its neighbours".to_owned(),
            ),
        );
    };
    let to = match exposure.vni {
        None => told.speaker.to.as_slice(),
        Some(vni) => told
            .speaker
            .tenants
            .get(&vni)
            .map_or(&[][..], Vec::as_slice),
    };
    if !to.is_empty() {
        let to = to.join(", ");
        return (
            format!("is advertised to {to}"),
            step(name, Verdict::Ok, format!("sent to {to}")),
        );
    }
    if !core.reconciler().is_advertised(&exposure.destination()) {
        return (
            "is exposed here and waits for its wiring".to_owned(),
            step(name, Verdict::No, "waits for its wiring".to_owned()),
        );
    }
    let established = told.speaker.established.as_slice();
    let detail = if established.is_empty() {
        "no neighbour is Established (see `show neighbors`)".to_owned()
    } else {
        format!(
            "filtered out towards {} (only host prefixes, and only negotiated families, leave)",
            established.join(", ")
        )
    };
    (
        "is exposed here and wired, but no neighbour has it".to_owned(),
        step(name, Verdict::No, detail),
    )
}
