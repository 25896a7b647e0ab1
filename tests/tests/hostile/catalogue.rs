//! Guards against a catalogue that is not what its builder says, or that shrinks.

use std::collections::BTreeSet;
use std::fs;

use indelible_tests::hostile::{self, CHANGE_FILES, Case};

use super::builder;

#[test]
fn files_hold_what_the_builder_makes() {
    let bless = std::env::var_os("INDELIBLE_BLESS").is_some();
    let made = builder::files();
    assert!(made.iter().map(|(name, _)| *name).eq(CHANGE_FILES));
    for (name, cases) in made {
        let path = hostile::file(name);
        if bless {
            let text = serde_json::to_string_pretty(&cases).unwrap() + "\n";
            fs::write(&path, text).unwrap();
        }
        let file: Vec<Case> = serde_json::from_value(hostile::read(&path)).unwrap();
        for (made, read) in cases.iter().zip(&file) {
            assert!(made == read, "{name}: the case {} differs", made.name);
        }
        assert_eq!(cases.len(), file.len(), "{name}");
    }
}

#[test]
fn cases_are_many_and_named_once() {
    let cases = hostile::cases();
    let names: BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
    assert_eq!(names.len(), cases.len());
    assert!(cases.len() >= 300, "{}", cases.len());
}
