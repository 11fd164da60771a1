use super::*;

fn parse(arguments: &[&str]) -> Cli {
    let all = std::iter::once("ovn-bgp-agent").chain(arguments.iter().copied());
    Cli::from_arguments(all).unwrap()
}

#[test]
fn no_subcommand_runs() {
    assert_eq!(parse(&[]).chosen(), &Command::Run);
    assert_eq!(parse(&["run"]).chosen(), &Command::Run);
    assert_eq!(
        Cli::from_arguments(["bgp-agent"]).unwrap().chosen(),
        &Command::Run
    );
}

#[test]
fn sources_keep_the_order_of_the_command_line() {
    let expected = [
        Source::File("a".into()),
        Source::Dir("b".into()),
        Source::File("c".into()),
    ];
    let typed = ["--config-file", "a", "--config-dir=b", "--config-file", "c"];
    assert_eq!(parse(&typed).sources, expected);
    assert_eq!(
        parse(&[&typed[..], &["plan", "--json"]].concat()).sources,
        expected
    );
    assert_eq!(parse(&[&["check"], &typed[..]].concat()).sources, expected);
}

#[test]
fn oslo_log_flags_are_options_of_default() {
    let set = |arguments: &[&str]| parse(arguments).options.overrides();
    let entry = |o: &str, v: &str, f: &str| (o.to_owned(), v.to_owned(), f.to_owned());
    assert_eq!(set(&["-d"]), [entry("debug", "true", "--debug")]);
    assert_eq!(
        set(&["--debug", "--nodebug"]),
        [entry("debug", "false", "--nodebug")]
    );
    assert_eq!(
        set(&["--logfile", "x", "--nouse-json"]),
        [
            entry("use_json", "false", "--nouse-json"),
            entry("log_file", "x", "--log-file")
        ]
    );
}

#[test]
fn subcommands_take_their_arguments() {
    let show = show::Args {
        what: show::What::Neighbors { name: None },
        json: true,
    };
    assert_eq!(
        parse(&["show", "neighbors", "--json"]).chosen(),
        &Command::Show(show)
    );
    let explain = explain::Args {
        ip: "2001:db8::1".parse().unwrap(),
        json: false,
    };
    assert_eq!(
        parse(&["explain", "2001:db8::1"]).chosen(),
        &Command::Explain(explain)
    );
    assert!(Cli::from_arguments(["x", "explain", "host"]).is_err());
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}
