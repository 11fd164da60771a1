//! `plan`: what would be exposed and changed. The JSON is a stable contract.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::table::{or_dash, table, text};
use crate::exposure::{Code, Decision, Exposure, Kind, Shown, Withheld};
use crate::reconcile::object::{Key, Value};

/// Arguments of `plan`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What the agent would do now.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Host name of the chassis.
    pub chassis_name: String,
    /// `external_ids:system-id` of the local Open_vSwitch.
    pub chassis_id: String,
    pub driver: String,
    pub exposing_method: String,
    pub decision: Decision,
    /// In the order in which they would be made.
    pub changes: Vec<Change>,
}

/// One change of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub op: Op,
    pub key: Key,
    /// What the object becomes, or, with [`Op::Remove`], what it was.
    pub value: Value,
}

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    Add,
    Replace,
    Remove,
}

/// The plan as JSON, with exposures and withheld sorted by prefix and changes in the order in
/// which they would be made.
pub fn render_json(plan: &Plan) -> Result<String, serde_json::Error> {
    let mut document = Document {
        chassis: Chassis {
            name: &plan.chassis_name,
            id: &plan.chassis_id,
        },
        driver: &plan.driver,
        exposing_method: &plan.exposing_method,
        exposures: plan.decision.exposures.iter().map(|e| exposed(e)).collect(),
        withheld: plan.decision.withheld.iter().map(withheld).collect(),
        changes: plan.changes.iter().map(changed).collect::<Result<_, _>>()?,
    };
    document.exposures.sort_by_key(|e| e.prefix);
    document.withheld.sort_by_key(|w| w.prefix);
    serde_json::to_string_pretty(&document)
}

/// The plan as tables.
pub fn render_text(plan: &Plan) -> String {
    let mut exposures = table(&["prefix", "kind", "port", "bridge", "vlan", "reason"]);
    for e in &plan.decision.exposures {
        exposures.add_row([
            e.prefix.to_string(),
            word(&e.kind),
            e.port.to_string(),
            or_dash(e.bridge()),
            or_dash(e.vlan()),
            match e.attributes.policy() {
                Some(policy) => format!("{}; {policy}", e.reason),
                None => e.reason.to_string(),
            },
        ]);
    }
    let mut held = table(&["prefix", "kind", "port", "code", "reason"]);
    for w in &plan.decision.withheld {
        let code = word(&w.code);
        held.add_row([
            w.prefix.to_string(),
            word(&w.kind),
            w.port.to_string(),
            code,
            w.reason.clone(),
        ]);
    }
    let mut changes = table(&["op", "object", "spec"]);
    for change in &plan.changes {
        let (object, spec) = object_and_spec(change).unwrap_or_default();
        changes.add_row([word(&change.op), object, Json::Object(spec).to_string()]);
    }
    format!(
        "chassis {} ({}), driver {}, exposing method {}\n\n\
         {} exposed\n{}\n{} withheld\n{}\n{} changes\n{}",
        plan.chassis_name,
        plan.chassis_id,
        plan.driver,
        plan.exposing_method,
        plan.decision.exposures.len(),
        text(&exposures),
        plan.decision.withheld.len(),
        text(&held),
        plan.changes.len(),
        text(&changes),
    )
}

#[derive(Serialize)]
struct Document<'a> {
    chassis: Chassis<'a>,
    driver: &'a str,
    exposing_method: &'a str,
    exposures: Vec<ExposureJson<'a>>,
    withheld: Vec<WithheldJson<'a>>,
    changes: Vec<ChangeJson>,
}

#[derive(Serialize)]
struct Chassis<'a> {
    name: &'a str,
    id: &'a str,
}

#[derive(Serialize)]
struct ExposureJson<'a> {
    prefix: IpNet,
    kind: Kind,
    port: &'a str,
    network: &'a str,
    bridge: Option<&'a str>,
    vlan: Option<u16>,
    vni: Option<u32>,
    via: Option<IpAddr>,
    reason: String,
    /// There only where a policy says something.
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Shown>,
    /// Which policies say something, there only where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a str>,
}

#[derive(Serialize)]
struct WithheldJson<'a> {
    prefix: IpNet,
    kind: Kind,
    port: &'a str,
    code: Code,
    reason: &'a str,
}

#[derive(Serialize)]
struct ChangeJson {
    op: Op,
    object: String,
    spec: Map<String, Json>,
}

fn exposed(e: &Exposure) -> ExposureJson<'_> {
    ExposureJson {
        prefix: e.prefix,
        kind: e.kind,
        port: &e.port,
        network: &e.network,
        bridge: e.bridge().map(|b| &**b),
        vlan: e.vlan(),
        vni: e.vni,
        via: e.via,
        reason: e.reason.to_string(),
        attributes: e.attributes.shown(),
        policy: e.attributes.rule.as_deref(),
    }
}

fn withheld(w: &Withheld) -> WithheldJson<'_> {
    WithheldJson {
        prefix: w.prefix,
        kind: w.kind,
        port: &w.port,
        code: w.code,
        reason: &w.reason,
    }
}

fn changed(change: &Change) -> Result<ChangeJson, serde_json::Error> {
    let (object, spec) = object_and_spec(change)?;
    Ok(ChangeJson {
        op: change.op,
        object,
        spec,
    })
}

/// The object's kind, and the fields of its key and its value in one.
fn object_and_spec(change: &Change) -> Result<(String, Map<String, Json>), serde_json::Error> {
    let mut spec = Map::new();
    for part in [
        serde_json::to_value(&change.key)?,
        serde_json::to_value(&change.value)?,
    ] {
        if let Json::Object(fields) = part {
            spec.extend(fields);
        }
    }
    let object = match spec.remove("object") {
        Some(Json::String(object)) => object,
        _ => String::new(),
    };
    Ok((object, spec))
}

/// The word that serde gives a unit variant.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Json::String(word)) => word,
        _ => String::new(),
    }
}
