//! Whether databases answer, and whether they are new enough.

use super::Findings;
use crate::check::facts::{Database, Denial, NodeFacts, Reach, Server};
use crate::check::{Code, Severity};
use crate::config::{Config, Driver};

pub(super) fn judge(facts: &NodeFacts, config: &Config, found: &mut Findings) {
    let away = "start Open vSwitch, or set ovsdb_connection (often unix:/run/openvswitch/db.sock)";
    database(&facts.vswitch, Severity::Error, away, found);
    for database in &facts.ovn {
        // The Northbound driver does without the Southbound.
        let optional =
            config.agent.driver == Driver::Northbound && database.name == "OVN_Southbound";
        let severity = if optional {
            Severity::Warning
        } else {
            Severity::Error
        };
        if database.servers.is_empty() {
            remote_missing(facts, database, severity, found);
            continue;
        }
        let away = format!("start it, or correct [ovn] {}", database.option);
        self::database(database, severity, &away, found);
        for server in database
            .servers
            .iter()
            .filter(|server| server.reach == Reach::Answers)
        {
            too_old(database, server, config.agent.driver, found);
        }
    }
    if !facts.cloud.is_read && facts.ovn.iter().any(Database::answers) {
        let place = "rows of OVN";
        let problem = "could not be read, so what they say was not judged";
        found.info(
            Code::NotSeen,
            place,
            problem,
            "see the databases' findings; run check again",
        );
    }
    for problem in &facts.cloud.unreadable {
        let remedy = "correct the column; all else is exposed";
        found.warning(Code::RowUnreadable, "row", problem.clone(), remedy);
    }
}

fn remote_missing(
    facts: &NodeFacts,
    database: &Database,
    severity: Severity,
    found: &mut Findings,
) {
    // Without Open_vSwitch nobody knows whether it has one.
    if !facts.vswitch.answers() {
        return;
    }
    let id = match database.name.as_str() {
        "OVN_Northbound" => "ovn-nb-remote",
        _ => "ovn-remote",
    };
    let costs = match severity {
        Severity::Error => "",
        _ => "; without it gateways and migrating ports are followed a northd pass later",
    };
    let problem = format!(
        "is missing, and [ovn] {} is not set{costs}",
        database.option
    );
    let remedy = format!("set [ovn] {}", database.option);
    let place = format!("Open_vSwitch external_ids:{id}");
    found.push(severity, Code::RemoteMissing, &place, problem, remedy);
}

fn database(database: &Database, severity: Severity, away: &str, found: &mut Findings) {
    let others_answer = database.answers();
    for server in &database.servers {
        let place = format!("{} {}", database.name, server.remote);
        match &server.reach {
            Reach::Answers | Reach::Untried => {}
            Reach::Away(why) if others_answer => found.warning(
                Code::DatabaseMemberAway,
                &place,
                format!("does not answer, others of the list do: {why}"),
                format!("start it, or remove it from {}", database.option),
            ),
            Reach::Away(why) => found.push(severity, Code::DatabaseAway, &place, why.clone(), away.to_owned()),
            Reach::Denied(denial) => {
                found.error(Code::DatabaseDenied, &place, denied(denial), let_in(denial));
            }
            Reach::Tls(why) => found.error(
                Code::DatabaseTls,
                &place,
                format!("tls: {why}"),
                "check ovn_nb_… and ovn_sb_private_key, …_certificate, …_ca_cert in [ovn]: the same CA must have signed both sides",
            ),
            Reach::Refused(why) => found.error(
                Code::DatabaseRefused,
                &place,
                why.clone(),
                format!("correct {}: 6641 is the Northbound's usual port, 6642 the Southbound's", database.option),
            ),
        }
    }
}

/// Who keeps us out, in words.
pub(super) fn denied(denial: &Denial) -> String {
    let what = if denial.is_socket {
        "socket"
    } else {
        "directory"
    };
    format!(
        "permission denied by the {what} {}, which is {}:{} with mode {:04o}",
        denial.path.display(),
        denial.user.label(),
        denial.group.label(),
        denial.mode
    )
}

/// What lets us in.
pub(super) fn let_in(denial: &Denial) -> String {
    let group = denial.group.label();
    if denial.group_may() {
        format!(
            "join group {group}: usermod -aG {group} <user>, or SupplementaryGroups={group} in the unit; or run as root"
        )
    } else {
        let bit = if denial.is_socket { "w" } else { "x" };
        format!(
            "run as {}, or root; or let its group in (chmod g+{bit} {}) and join it: usermod -aG {group} <user>",
            denial.user.label(),
            denial.path.display()
        )
    }
}

/// Columns that old servers lack, and what that costs. Others are read where they are, and not missed.
const COSTS: &[(&str, &str)] = &[
    (
        "Logical_Router_Port.status",
        "nothing says where gateways are: they are withheld, with all that is behind them (it came with OVN 23.09)",
    ),
    (
        "NAT.gateway_port",
        "a floating IP of a router with several gateways is looked for on the one of its network",
    ),
    ("Port_Binding.up", "a port that is bound counts as up"),
    ("Load_Balancer", "load balancers are not exposed"),
];

/// All that `ovn_native` goes by.
const ADVERTISED: &str = "Advertised_Route";

fn too_old(database: &Database, server: &Server, driver: Driver, found: &mut Findings) {
    let place = format!("{} {}", database.name, server.remote);
    let lacks = |column: &str| {
        let table = column.split('.').next().unwrap_or_default();
        server.missing.contains(column) || server.missing.contains(table)
    };
    for (column, cost) in COSTS.iter().filter(|(column, _)| lacks(column)) {
        found.warning(
            Code::OvnTooOld,
            &place,
            format!("has no {column}: {cost}"),
            "upgrade OVN",
        );
    }
    if driver == Driver::Native && lacks(ADVERTISED) {
        let problem = format!(
            "has no {ADVERTISED}, which came with OVN 25.03: ovn_native advertises nothing"
        );
        let remedy = "upgrade OVN, or choose another driver";
        found.error(Code::OvnTooOld, &place, problem, remedy);
    }
    if !server.has_conditions {
        let problem = "sends every row to every node: it knows no conditions";
        let remedy =
            "nothing is wrong; an ovsdb-server of OVS 2.12 or newer saves memory and traffic";
        found.info(Code::ConditionsMissing, &place, problem, remedy);
    }
}
