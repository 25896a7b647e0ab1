//! Guards against a field whose past ends, or cannot be found, where it got another name.

use super::{done, fixture};

#[test]
fn the_history_of_a_field_goes_back_under_its_former_names() {
    let dir = tempfile::tempdir().unwrap();
    fixture::renamed(dir.path());
    let history = |field: &str| {
        let args = ["history", "team/lee", "--field", field, "--data", "."];
        done(dir.path(), &args)
    };
    let told = history("/about");
    let expected = "\
ENTRY  TIME (UTC)           BY      MESSAGE
1:4    2026-03-02 09:04:04  bob
       About: “, often” added after “Sings well”
1:3    2026-03-02 09:03:03  system  (migrated to a new schema)
       About has a new name (was Bio)
1:2    2026-03-02 09:02:02  bob
       Bio: “ well” added after “Sings”
1:1    2026-03-02 09:01:01  alice
       Bio: “Sings.” added at the beginning
";
    assert_eq!(told, expected);
    let entries = |told: &str| told.lines().filter(|line| line.starts_with("1:")).count();
    assert_eq!(entries(&history("/talents")), 2);
    assert_eq!(entries(&history("/bio")), 3);
}

#[test]
fn a_field_is_found_at_a_time_before_it_had_its_name() {
    let dir = tempfile::tempdir().unwrap();
    fixture::renamed(dir.path());
    let show = |words: &[&str]| done(dir.path(), &[words, &["--data", "."]].concat());
    let history = ["history", "team/lee", "--until", "1:2", "--field"];
    let blame = ["blame", "team/lee", "--at", "1:1"];
    let under = |words: &[&str], name: &str| show(&[words, &[name]].concat());
    let told = under(&history, "/about");
    assert!(told.contains("1:2 ") && told.contains("1:1 "), "{told}");
    assert_eq!(told, under(&history, "/bio"));
    let told = under(&blame, "/about");
    assert!(told.contains("/bio   \"Sings.\"  alice"), "{told}");
    let told = show(&[&blame[..], &["/about", "--json"]].concat());
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (&told["pointer"], &told["value"]),
        (&"/bio".into(), &"Sings.".into())
    );
    // What lies in a list that has another name since.
    let talents = show(&["blame", "team/lee", "/talents", "--json"]);
    let talent: serde_json::Value = serde_json::from_str(talents.lines().next().unwrap()).unwrap();
    let label = format!("{}/label", talent["pointer"].as_str().unwrap());
    let told = under(&blame, &label);
    assert!(
        told.contains("\"Alto\"") && told.contains("/skills/"),
        "{told}"
    );
}
