//! Guards against a name that is misspelt being answered calmly and falsely, with exit code 0.

use super::{data, done, failed};

#[test]
fn a_misspelt_name_is_refused_with_the_nearest() {
    let dir = data();
    let check = |words: &[&str], expected: &str| {
        let reason = failed(dir.path(), &[words, &["--data", "."]].concat());
        assert_eq!(reason, format!("indelible: {expected}\n"), "{words:?}");
    };
    check(
        &["history", "team/jane", "--field", "/boi"],
        "there never was a field /boi; there is /bio",
    );
    check(
        &["history", "team/jane", "--field", "/skills/nobody/label"],
        "there never was a field /skills/nobody/label; there is /skills",
    );
    check(
        &["blame", "team/jane", "/Name"],
        "there never was a field /Name; there is /name",
    );
    check(
        &["history", "team/jane", "--by", "bobb"],
        "no entry is by bobb; there is bob",
    );
    for command in [
        &["history", "team/jan"][..],
        &["at", "team/jan", "now"],
        &["diff", "team/jan", "1", "now"],
        &["blame", "team/jan"],
        &["refusals", "team/jan"],
        &["refusals", "team/jan", "--json"],
    ] {
        check(
            command,
            "team/jan was never there; there is team/jane, team/joe",
        );
    }
    check(
        &["refusals", "taem/jane"],
        "taem/jane was never there; there is team/jane",
    );
}

#[test]
fn a_name_that_there_is_may_have_nothing_to_show() {
    let dir = data();
    let show = |words: &[&str]| done(dir.path(), &[words, &["--data", "."]].concat());
    assert_eq!(show(&["refusals", "team/joe"]), "nothing was refused\n");
    let nothing = show(&["history", "team/joe", "--field", "/rating"]);
    assert!(nothing.contains("nobody has changed anything"), "{nothing}");
}
