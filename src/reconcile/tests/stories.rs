//! What the [`Reconciler`] does, one story at a time.

use super::*;

fn rule_for(text: &str) -> (Key, Value) {
    let key = Key::Rule {
        priority: 32000,
        to: host(text),
        table: 1,
    };
    (key, Value::Rule {})
}

#[test]
fn an_object_lives_while_somebody_holds_it() {
    let mut reconciler = Reconciler::new();
    let mut state = Observed::default();
    let (one, two) = (Holder::from(host(HOSTS[0])), Holder::from(host(HOSTS[1])));
    let shared = rule_for("10.9.9.9");
    reconciler.hold(one, vec![shared.clone()]);
    reconciler.hold(two, vec![shared.clone()]);
    assert_eq!(run(&mut reconciler, &mut state).len(), 1);
    reconciler.hold(one, vec![]);
    assert_eq!(run(&mut reconciler, &mut state), vec![]);
    reconciler.hold(two, vec![]);
    assert_eq!(
        run(&mut reconciler, &mut state),
        vec![Step::Remove {
            key: shared.0,
            value: shared.1
        }]
    );
}

#[test]
fn a_missing_bridge_is_reported_once_and_its_wiring_made_when_it_appears() {
    let mut reconciler = Reconciler::new();
    let route = Key::Route {
        table: 1,
        prefix: host(HOSTS[0]),
    };
    let value = Value::Route(Route::new("br-ex".into(), None));
    let prefix = host(HOSTS[0]);
    reconciler.hold(Holder::Base, vec![(link_key("br-ex"), link_wish("br-ex"))]);
    reconciler.hold(Holder::from(prefix), vec![(route.clone(), value)]);
    let requires = Arc::from([link_key("br-ex"), route]);
    reconciler.set_advert(prefix, Some(requiring(requires)));
    let plan = reconciler.next_steps();
    assert_eq!((plan.steps.len(), plan.blocked.len()), (0, 2));
    reconciler.full();
    assert_eq!(reconciler.next_steps(), Plan::default(), "told already");

    let found = Found::foreign(Value::Link(Link {
        kind: LinkKind::Foreign,
        up: false,
        mac: None,
        mtu: None,
    }));
    reconciler.observe(link_key("br-ex"), Some(found.clone()));
    let mut state = Observed::default();
    state.objects.insert(link_key("br-ex"), found);
    let steps = run(&mut reconciler, &mut state);
    assert!(
        matches!(
            steps.as_slice(),
            [
                Step::Replace { .. },
                Step::Add { .. },
                Step::Advertise { .. }
            ]
        ),
        "{steps:#?}"
    );
    assert_eq!(reconciler.blocked().count(), 0);
}

#[test]
fn a_failed_step_holds_back_its_advert_until_retried() {
    let mut reconciler = Reconciler::new();
    let prefix = host(HOSTS[0]);
    let (key, value) = rule_for(HOSTS[0]);
    reconciler.hold(Holder::from(prefix), vec![(key.clone(), value)]);
    let requires = Arc::from([key]);
    reconciler.set_advert(prefix, Some(requiring(requires)));
    let plan = reconciler.next_steps();
    assert!(reconciler.failed(&plan.steps[0], "no memory").is_some());
    assert!(reconciler.failed(&plan.steps[0], "no memory").is_none());
    assert_eq!(reconciler.next_steps(), Plan::default());
    reconciler.retry();
    let mut state = Observed::default();
    assert_eq!(run(&mut reconciler, &mut state).len(), 2);
    assert!(reconciler.is_advertised(&prefix.into()));
}

#[test]
fn an_advert_stays_while_its_wiring_is_repaired() {
    let mut reconciler = Reconciler::new();
    let prefix = host(HOSTS[0]);
    let (key, value) = rule_for(HOSTS[0]);
    reconciler.hold(Holder::from(prefix), vec![(key.clone(), value)]);
    let requires = Arc::from([key.clone()]);
    reconciler.set_advert(prefix, Some(requiring(requires)));
    let mut state = Observed::default();
    run(&mut reconciler, &mut state);
    reconciler.observe(key, None);
    assert!(matches!(
        run(&mut reconciler, &mut state).as_slice(),
        [Step::Add { .. }]
    ));
    assert!(reconciler.is_advertised(&prefix.into()));
}

#[test]
fn a_failed_withdrawal_is_retried_only_when_asked() {
    let mut reconciler = Reconciler::new();
    let prefix = host(HOSTS[0]);
    let requires = Arc::from([]);
    reconciler.set_advert(prefix, Some(requiring(requires)));
    run(&mut reconciler, &mut Observed::default());
    reconciler.set_advert(prefix, None);
    let plan = reconciler.next_steps();
    assert_eq!(
        plan.steps,
        vec![Step::Withdraw {
            destination: prefix.into()
        }]
    );
    reconciler.failed(&plan.steps[0], "vtysh is away");
    assert_eq!(reconciler.next_steps(), Plan::default());
    reconciler.retry();
    assert_eq!(
        reconciler.next_steps().steps,
        vec![Step::Withdraw {
            destination: prefix.into()
        }]
    );
}

fn requiring(requires: Arc<[Key]>) -> Advert {
    Advert {
        requires,
        ..Advert::default()
    }
}

#[test]
fn what_is_said_of_a_prefix_changes_without_a_withdrawal() {
    let mut reconciler = Reconciler::new();
    let prefix = host(HOSTS[0]);
    let mut state = Observed::default();
    reconciler.set_advert(prefix, Some(Advert::default()));
    run(&mut reconciler, &mut state);
    let announcement = announced(1);
    let advert = Advert {
        announcement: announcement.clone(),
        ..Advert::default()
    };
    reconciler.set_advert(prefix, Some(advert));
    assert_eq!(
        run(&mut reconciler, &mut state),
        [Step::Advertise {
            destination: prefix.into(),
            announcement
        }]
    );
    reconciler.full();
    assert_eq!(run(&mut reconciler, &mut state), []);
}
