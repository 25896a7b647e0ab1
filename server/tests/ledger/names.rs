//! Guards against a name that is misspelt being answered calmly and falsely, with exit code 0.

use super::{data, done, failed, indelible, text};

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
        &["history", "team/jane", "--field", "/contact/boi"],
        "there never was a field /contact/boi; there is /bio",
    );
    check(
        &["history", "team/jane", "--field", "/"],
        "/ is the field whose name is empty, which there never was; leave the field out for all of the \
         entity, or name one as /name",
    );
    check(
        &["history", "team/jane", "--by", "bobb"],
        "no entry of the ledger is by bobb; there is bob",
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
fn long_names_are_quoted_by_their_beginning() {
    let dir = data();
    let long = "x".repeat(100_000);
    let field = format!("/{long}");
    for words in [
        &["history", "team/jane", "--field", &field][..],
        &["history", "team/jane", "--by", &long],
        &["history", &long],
        &["at", "team/jane", &long],
        &["blame", "team/jane", &field],
        &["refusals", &field[1..]],
        &["verify", &long],
        &["token", "--sub", "ada", "--role", &long],
        &[&long],
    ] {
        let words = match words.len() {
            1 => words.to_vec(),
            _ if words[0] == "verify" => words.to_vec(),
            _ => [words, &["--data", "."]].concat(),
        };
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_indelible"))
            .args(&words)
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(!output.status.success(), "{}", words[0]);
        let bytes = output.stderr.len();
        assert!(bytes < 4_000, "{} says {bytes} bytes", &words[0][..1]);
    }
}

#[test]
fn a_name_that_there_is_may_have_nothing_to_show() {
    let dir = data();
    let show = |words: &[&str]| done(dir.path(), &[words, &["--data", "."]].concat());
    assert_eq!(show(&["refusals", "team/joe"]), "nothing was refused\n");
    let nothing = show(&["history", "team/joe", "--field", "/rating"]);
    assert!(nothing.contains("nobody has changed anything"), "{nothing}");
}

/// What a command says beside its results.
fn noted(words: &[&str]) -> (String, String) {
    let dir = data();
    let output = indelible(dir.path(), &[words, &["--data", "."]].concat());
    assert!(
        output.status.success(),
        "{words:?}: {}",
        text(&output.stderr)
    );
    (
        text(&output.stdout).to_owned(),
        text(&output.stderr).to_owned(),
    )
}

#[test]
fn who_wrote_elsewhere_has_changed_nothing_here() {
    let words = ["history", "team/joe", "--by", "bob"];
    let said = "bob has changed nothing in team/joe";
    assert_eq!(noted(&words), (format!("{said}\n"), String::new()));
    let (shown, noted) = noted(&[&words[..], &["--json"]].concat());
    assert_eq!(
        (shown.as_str(), noted),
        ("", format!("indelible: {said}\n"))
    );
}

#[test]
fn nobody_has_an_empty_id() {
    let dir = data();
    let words = ["history", "team/jane", "--by", "", "--data", "."];
    let said = failed(dir.path(), &words);
    assert!(said.contains("--by is empty"), "{said}");
}

#[test]
fn that_there_is_nothing_is_said_of_what_was_looked_at() {
    let told_as_both = |words: &[&str], said: &str| {
        assert_eq!(noted(words), (format!("{said}\n"), String::new()));
        let (_, noted) = noted(&[words, &["--json"]].concat());
        assert_eq!(noted, format!("indelible: {said}\n"));
    };
    let by_bob = ["history", "team/jane", "--by", "bob", "--until", "1:1"];
    told_as_both(&by_bob, "bob has changed nothing in team/jane up to 1:1");
    let at_bio = [&by_bob[..], &["--field", "/bio"]].concat();
    told_as_both(&at_bio, "bob has changed nothing at /bio up to 1:1");
    told_as_both(
        &["history", "team/jane", "--field", "/bio", "--until", "0"],
        "nobody has changed anything at /bio up to 1:0",
    );
    let at_zero = ["blame", "team/jane", "--at", "1:0"];
    told_as_both(&at_zero, "nobody has set any field up to 1:0");
    told_as_both(
        &[&at_zero[..], &["/bio"]].concat(),
        "nobody has set that field up to 1:0",
    );
    told_as_both(
        &[&at_zero[..], &["--races"]].concat(),
        "no field was written by several at the same time up to 1:0",
    );
}

#[test]
fn times_behind_the_last_entry_are_said_to_be() {
    let last = "2026-03-02 09:";
    for (words, future) in [
        (&["at", "team/jane", "9999-01-01T00:00:00Z"][..], true),
        (&["at", "team/jane", "2026-03-03T00:00:00Z"], false),
        (
            &["blame", "team/jane", "--at", "9999-01-01T00:00:00Z"],
            true,
        ),
        (&["diff", "team/jane", "1", "9999-01-01T00:00:00Z"], true),
        (
            &["history", "team/jane", "--until", "9999-01-01T00:00:00Z"],
            true,
        ),
    ] {
        let (shown, noted) = noted(words);
        assert!(!shown.is_empty());
        let said = if future {
            "is in the future: the last entry is 1:"
        } else {
            "nothing was written from 1:"
        };
        assert!(
            noted.contains(said) && noted.contains(last),
            "{words:?}: {noted}"
        );
    }
    let (_, noted) = noted(&["at", "team/jane", "2026-03-02T09:01:30Z"]);
    assert_eq!(noted, "");
}

#[test]
fn blame_says_as_json_that_there_is_nothing() {
    let (shown, said) = noted(&["blame", "team/joe", "/rating", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (&told["pointer"], &told["value"]),
        (&"/rating".into(), &serde_json::Value::Null)
    );
    assert_eq!(told["deleted"]["by"], "alice", "{shown}");
    assert_eq!(said, "indelible: nobody has set that field\n");
    let (shown, said) = noted(&["blame", "team/jane", "--races", "--json"]);
    assert_eq!(shown, "");
    assert_eq!(
        said,
        "indelible: no field was written by several at the same time\n"
    );
}

#[test]
fn refusals_say_as_json_that_there_are_none() {
    let (shown, said) = noted(&["refusals", "team/joe", "--json"]);
    assert_eq!(
        (shown.as_str(), said.as_str()),
        ("", "indelible: nothing was refused\n")
    );
}

/// The runtime opens /dev/null for what is closed, so that writing there succeeds.
#[test]
fn results_that_go_nowhere_are_reported() {
    let dir = data();
    for (redirection, lost) in [
        (">&-", true),
        (">/dev/null", false),
        ("1<>/dev/null", true),
        ("| cat", false),
    ] {
        let line = format!("\"$0\" history team/jane --data . {redirection}");
        let output = std::process::Command::new("sh")
            .args(["-c", &line, env!("CARGO_BIN_EXE_indelible")])
            .current_dir(dir.path())
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert!(output.status.success(), "{redirection}: {said}");
        assert_eq!(said.contains("goes nowhere"), lost, "{redirection}: {said}");
    }
}

/// What the server tells by itself has an author and a time all the same.
#[test]
fn a_stamp_is_told_with_the_entry_that_it_comes_from() {
    let dir = data();
    let show = |words: &[&str]| done(dir.path(), &[words, &["--data", "."]].concat());
    let last = show(&["history", "team/jane", "--json"]);
    let last: serde_json::Value = serde_json::from_str(last.lines().next().unwrap()).unwrap();
    let told = show(&["blame", "team/jane", "/updatedAt"]);
    let begin = format!(
        "nobody sets /updatedAt: the server shows there when it was last changed: {}. That was in {}:{}, \
         by {} (",
        last["at"],
        last["epoch"],
        last["seq"],
        last["by"]["id"].as_str().unwrap()
    );
    assert!(told.starts_with(&begin), "{told} {begin}");
    assert_eq!(
        show(&["history", "team/jane", "--field", "/updatedAt"]),
        told
    );
    let object = show(&["blame", "team/jane", "/updatedAt", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&object).unwrap();
    assert_eq!(object["pointer"], "/updatedAt");
    assert_eq!(object["value"], last["at"]);
    assert_eq!(object["stamped"]["seq"], last["seq"]);
    let earlier = show(&["blame", "team/jane", "/updatedAt", "--at", "1", "--json"]);
    let earlier: serde_json::Value = serde_json::from_str(&earlier).unwrap();
    assert_eq!(earlier["stamped"]["seq"], 1);
}

#[test]
fn a_time_without_hour_or_zone_is_told_what_it_lacks() {
    let dir = data();
    for (point, said) in [
        (
            "2026-03-01",
            "a day has many points: say the hour and the zone too, as 2026-03-01T00:00:00Z",
        ),
        (
            "2026-03-01T10:00",
            "a time has seconds and a zone, as 2026-03-01T09:00:00Z for UTC",
        ),
        ("2026-03-01T10:00:00", "a time has seconds and a zone"),
        ("2026-03-01 10:00", "a time has seconds and a zone"),
        ("2026-13-01", "a point is now, a seq"),
    ] {
        for words in [
            &["history", "team/jane", "--until"][..],
            &["at", "team/jane"],
        ] {
            let output = indelible(dir.path(), &[words, &[point, "--data", "."]].concat());
            assert_eq!(output.status.code(), Some(2), "{point}");
            assert!(
                text(&output.stderr).contains(said),
                "{}",
                text(&output.stderr)
            );
        }
    }
}
