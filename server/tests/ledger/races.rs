//! Guards against values that did not stand and of which the commands say nothing.

use super::{done, fixture};

#[test]
fn a_lost_value_is_found_in_history_and_under_its_field() {
    let dir = tempfile::tempdir().unwrap();
    fixture::race(dir.path());
    let history = |more: &[&str]| {
        let words = [&["history", "team/kim", "--data", "."], more].concat();
        done(dir.path(), &words)
    };
    let expected = "\
ENTRY  TIME (UTC)           BY   MESSAGE
1:3    2026-03-02 09:03:03  bob  \n       \
       Name: wrote “Kim B.” beside “Kim A.” by alice, which stands
";
    let trimmed = |text: String| -> String {
        let lines = text.lines().map(|line| format!("{}\n", line.trim_end()));
        lines.collect()
    };
    let expected = trimmed(expected.to_owned());
    for more in [&["--by", "bob"][..], &["--by", "bob", "--field", "/name"]] {
        assert_eq!(trimmed(history(more)), expected);
    }
    let nothing = history(&["--by", "bob", "--field", "/bio"]);
    assert_eq!(nothing, "bob has changed nothing at /bio\n");
    let told = history(&["--field", "/name", "--json"]);
    let told: serde_json::Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
    assert_eq!(told["effects"], serde_json::json!([]));
    let conflict = &told["conflicts"][0];
    assert_eq!(conflict["pointer"], "/name");
    assert_eq!(conflict["outcome"], "lost");
    assert_eq!(conflict["wrote"], "Kim B.");
    assert_eq!(conflict["other"], "Kim A.");
    assert_eq!(conflict["by"], "alice");
}

#[test]
fn a_lost_value_is_told_under_the_new_name_and_after_the_next_write() {
    let races = |settled| {
        let dir = tempfile::tempdir().unwrap();
        fixture::renamed_race(dir.path(), settled);
        let words = ["blame", "team/kim", "--races", "--data", "."];
        done(dir.path(), &words)
    };
    let expected = "\
FIELD   VALUE     BY     TIME (UTC)           ENTRY
/title  \"Kim A.\"  alice  2026-03-02 09:02:02  1:2
  was /name until 1:4 (system)
  lost  \"Kim B.\"  bob    2026-03-02 09:03:03  1:3
";
    assert_eq!(races(false), expected);
    let expected = "\
FIELD   VALUE     BY   TIME (UTC)           ENTRY
/title  \"Kim C.\"  bob  2026-03-02 09:05:05  1:5
  lost  \"Kim B.\"  bob  2026-03-02 09:03:03  1:3
    beside \"Kim A.\" (alice, 1:2), written again since
";
    assert_eq!(races(true), expected);
}
