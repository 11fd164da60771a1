//! The list in docs/conformance.md names tests that exist.

use std::fs;
use std::path::Path;

fn sources(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_bug_of_the_list_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    sources(&root.join("src"), &mut code);
    sources(&root.join("tests"), &mut code);
    let document = fs::read_to_string(root.join("../docs/conformance.md")).unwrap();
    let (_, list) = document.split_once("| Nr |").unwrap();
    let rows: Vec<&str> = list.lines().skip(2).collect();
    assert_eq!(rows.len(), 35);
    for row in rows {
        let tests: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty() || row.contains("none: "), "{row}");
        for test in tests {
            assert!(code.contains(&format!("fn {test}(")), "no test {test}");
        }
    }
}
