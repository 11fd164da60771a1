//! Databases that do not answer, or are old.

use super::*;

#[test]
fn each_way_not_to_reach_open_vswitch_is_told_and_the_rest_is_judged() {
    let with = |reach: Reach| finding(move |facts| facts.vswitch.servers[0].reach = reach);
    tells(
        &with(Reach::Away("nothing listens there".into())),
        &["database-away", "nothing listens"],
    );
    tells(&with(Reach::Refused("x".into())), &["database-refused"]);
    tells(
        &with(Reach::Tls("bad key".into())),
        &["database-tls", "bad key"],
    );
    let mut facts = healthy();
    facts.vswitch.servers[0].reach = Reach::Away("gone".into());
    facts.machine.capabilities.clear();
    let codes: BTreeSet<_> = node_findings(&facts, &config())
        .into_iter()
        .map(|f| f.code)
        .collect();
    assert_eq!(codes, [Code::CapabilityMissing, Code::DatabaseAway].into());
}

#[test]
fn a_socket_that_keeps_us_out_names_the_group_to_join() {
    let denial = |is_socket, mode| Denial {
        path: "/run/openvswitch/db.sock".into(),
        is_socket,
        user: Owner {
            id: 5,
            name: Some("ovs".into()),
        },
        group: Owner {
            id: 978,
            name: Some("hugetlbfs".into()),
        },
        mode,
    };
    let with = |denial: Denial| {
        finding(move |facts| facts.vswitch.servers[0].reach = Reach::Denied(denial))
    };
    let found = with(denial(true, 0o770));
    tells(
        &found,
        &[
            "database-denied",
            "ovs:hugetlbfs with mode 0770",
            "usermod -aG hugetlbfs",
        ],
    );
    let found = with(denial(false, 0o700));
    tells(&found, &["directory", "run as ovs", "chmod g+x"]);
}

#[test]
fn a_database_that_is_away_is_an_error_and_a_member_of_several_a_warning() {
    let found = finding(|facts| facts.ovn[0].servers[0].reach = Reach::Away("refused".into()));
    tells(
        &found,
        &["database-away", "OVN_Northbound", NB, "ovn_nb_connection"],
    );
    let found = finding(|facts| {
        facts.ovn[0].servers.push(Server {
            reach: Reach::Away("refused".into()),
            ..server("tcp:192.0.2.2:6641")
        });
    });
    tells(&found, &["database-member-away", "192.0.2.2"]);
}

#[test]
fn the_northbound_driver_lives_without_southbound() {
    let mut facts = healthy();
    facts.ovn[1].servers[0].reach = Reach::Away("refused".into());
    assert_eq!(
        node_findings(&facts, &config())[0].severity,
        Severity::Warning
    );
    facts.ovn[1].servers.clear();
    tells(
        &of(&facts, &config()),
        &["remote-missing", "ovn-remote", "northd pass"],
    );
    facts.ovn[0].servers.clear();
    let found = node_findings(&facts, &config());
    assert_eq!(found[0].severity, Severity::Error);
    assert_eq!(found[0].place, "Open_vSwitch external_ids:ovn-nb-remote");
}

#[test]
fn columns_that_are_not_there_cost_what_is_said() {
    let lacks = |column: &str| {
        let column = column.to_owned();
        finding(move |facts| ignore(facts.ovn[0].servers[0].missing.insert(column)))
    };
    tells(
        &lacks("Logical_Router_Port.status"),
        &["ovn-too-old", "23.09"],
    );
    tells(
        &lacks("NAT.gateway_port"),
        &["ovn-too-old", "several gateways"],
    );
    nothing_with(&config(), |facts| {
        facts.ovn[1].servers[0]
            .missing
            .insert("Load_Balancer.datapaths".into());
    });
    let found = finding(|facts| facts.ovn[0].servers[0].has_conditions = false);
    tells(&found, &["conditions-missing"]);
}

#[test]
fn rows_that_cannot_be_read_are_told() {
    let found = finding(|facts| {
        facts
            .cloud
            .unreadable
            .push("NAT x: column external_ip: y".into())
    });
    tells(&found, &["row-unreadable", "external_ip"]);
}

#[test]
fn rows_that_could_not_be_read_at_all_are_told() {
    tells(
        &finding(|facts| facts.cloud.is_read = false),
        &["not-seen", "rows of OVN"],
    );
}

#[test]
fn ovn_native_needs_an_ovn_that_routes_and_no_other_driver_does() {
    let mut facts = healthy();
    let lacking = &mut facts.ovn[1].servers[0];
    lacking.missing.insert("Advertised_Route".to_owned());
    let errors = |driver: Driver| {
        let mut config = config();
        config.agent.driver = driver;
        let found = node_findings(&facts, &config).into_iter();
        let found = found.filter(|finding| finding.code == Code::OvnTooOld);
        found.collect::<Vec<_>>()
    };
    let found = errors(Driver::Native);
    assert_eq!(found[0].severity, Severity::Error);
    tells(&found[0].problem, &["Advertised_Route", "OVN 25.03"]);
    assert_eq!(errors(Driver::Southbound).len(), 0);
}
