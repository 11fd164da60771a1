use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use serde::de::DeserializeSeed;

use super::*;

fn atom(kind: AtomKind) -> BoxedStrategy<Atom> {
    match kind {
        AtomKind::Integer => any::<i64>().prop_map(Atom::Integer).boxed(),
        // serde_json reads other reals to within their last bit.
        AtomKind::Real => any::<i32>()
            .prop_map(|n| Atom::Real(f64::from(n) / 8.0))
            .boxed(),
        AtomKind::Boolean => any::<bool>().prop_map(Atom::Boolean).boxed(),
        AtomKind::String => ".{0,8}".prop_map(Atom::from).boxed(),
        AtomKind::Uuid => any::<u128>()
            .prop_map(|bits| Atom::Uuid(Uuid::from_u128(bits)))
            .boxed(),
    }
}

fn kind() -> impl Strategy<Value = AtomKind> {
    use AtomKind::{Boolean, Integer, Real, String, Uuid};
    prop::sample::select(vec![Integer, Real, Boolean, String, Uuid])
}

fn typed() -> impl Strategy<Value = (DatumSeed, Datum)> {
    (kind(), prop::option::of(kind())).prop_flat_map(|(key, value)| {
        let datum = match value {
            None => btree_set(atom(key), 0..5).prop_map(Datum::set).boxed(),
            Some(value) => btree_map(atom(key), atom(value), 0..5)
                .prop_map(Datum::map)
                .boxed(),
        };
        datum.prop_map(move |datum| (DatumSeed { key, value }, datum))
    })
}

/// Two sets, or two maps, that are likely to share members.
fn two() -> impl Strategy<Value = (Datum, Datum)> {
    let set = || btree_set(0_i64..6, 0..5).prop_map(Datum::set);
    let map = || btree_map(0_i64..6, 0_i64..3, 0..5).prop_map(Datum::map);
    prop_oneof![(set(), set()), (map(), map())]
}

fn decode(seed: DatumSeed, json: &str) -> Result<Datum, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(json);
    let datum = seed.deserialize(&mut json)?;
    json.end().map(|()| datum)
}

proptest! {
    #[test]
    fn what_is_written_is_read_back((seed, datum) in typed()) {
        let json = serde_json::to_string(&datum).unwrap();
        prop_assert_eq!(decode(seed, &json).unwrap(), datum);
    }

    #[test]
    fn applying_the_difference_gives_the_new_value((a, b) in two()) {
        prop_assert_eq!(a.apply(&a.diff(&b)), b);
    }

    #[test]
    fn equal_values_differ_in_nothing((a, _) in two()) {
        prop_assert!(a.diff(&a).is_empty());
    }

    #[test]
    fn hostile_text_never_panics((seed, _) in typed(), text in "[\\[\\]{}\",a-z0-9.eE+-]{0,60}") {
        let _ = decode(seed, &text);
        let _ = serde_json::from_str::<Datum>(&text);
    }

    #[test]
    fn members_may_come_in_any_order_and_twice(mut members in vec(0_i64..10, 0..8)) {
        let set = Datum::set(members.clone());
        members.reverse();
        members.extend(members.clone());
        prop_assert_eq!(Datum::set(members), set);
    }
}

#[test]
fn nesting_is_refused_at_the_first_level_too_many() {
    let deep = "[".repeat(100_000);
    assert!(serde_json::from_str::<Datum>(&deep).is_err());
    let set = r#"["set",[["set",[1]]]]"#;
    assert!(serde_json::from_str::<Datum>(set).is_err());
}

#[test]
fn a_value_of_another_type_is_refused() {
    let strings = DatumSeed {
        key: AtomKind::String,
        value: None,
    };
    let map = DatumSeed {
        key: AtomKind::String,
        value: Some(AtomKind::Integer),
    };
    for (seed, json) in [
        (strings, "1"),
        (strings, r#"["map",[]]"#),
        (strings, r#"["set",["a",1]]"#),
        (strings, r#"["set",["a"],1]"#),
        (strings, r#"["set"]"#),
        (strings, "null"),
        (map, r#""a""#),
        (map, r#"["set",[]]"#),
        (map, r#"["map",[["a"]]]"#),
        (map, r#"["map",[["a","b"]]]"#),
    ] {
        assert!(decode(seed, json).is_err(), "{json}");
    }
    let error = decode(strings, "1").unwrap_err().to_string();
    assert!(error.starts_with("expected string, got 1"), "{error}");
}

#[test]
fn a_whole_real_travels_as_an_integer() {
    let real = DatumSeed {
        key: AtomKind::Real,
        value: None,
    };
    assert_eq!(decode(real, "3").unwrap(), Datum::Atom(Atom::Real(3.0)));
}

#[test]
fn maps_are_searched_by_key() {
    let map = Datum::map([("b", "2"), ("a", "1"), ("c", "3"), ("a", "9")]);
    assert_eq!(
        (map.value_str("a"), map.value_str("c"), map.value_str("d")),
        (Some("9"), Some("3"), None)
    );
    assert_eq!(map.value(&Atom::from("b")), Some(&Atom::from("2")));
    assert_eq!(map.to_string(), r#"{"a": "9", "b": "2", "c": "3"}"#);
}

#[test]
fn a_set_of_one_is_the_bare_atom() {
    assert_eq!(Datum::set(["a"]), Datum::from("a"));
    assert_eq!(
        serde_json::from_str::<Datum>(r#"["set",["a"]]"#).unwrap(),
        Datum::from("a")
    );
    assert_eq!(Datum::empty().single(), None);
}
