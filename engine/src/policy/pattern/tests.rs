//! Guards against a pattern that means one thing here and another in the browser.

use super::*;

fn matches(pattern: &str, text: &str) -> bool {
    compile(Rules::LATEST, pattern)
        .unwrap_or_else(|error| panic!("{pattern}: {error}"))
        .is_match(text)
}

/// What ECMAScript says of the same: `new RegExp(pattern, 'u').test(text)`.
#[test]
fn patterns_mean_what_ecmascript_means() {
    for (pattern, text, expected) in [
        ("^.$", "\u{2028}", false),
        ("^.$", "\r", false),
        ("^.$", "\u{85}", true),
        ("^.$", "😀", true),
        ("^\\s$", "\u{a0}", true),
        ("^\\s$", "\u{feff}", true),
        ("^\\s$", "\u{85}", false),
        ("^\\S+$", "a\u{a0}b", false),
        ("^[^\\s]$", "\u{2003}", false),
        ("^[\\S]$", "\u{85}", true),
        ("^\\w+$", "é", false),
        ("^\\d$", "٣", false),
        ("^[\\D]$", "٣", true),
        ("^[[]$", "[", true),
        ("^[a&&b]+$", "a&b", true),
        ("^[a-]$", "-", true),
        ("^[\\b]$", "\u{8}", true),
        ("^[--/]$", ".", true),
        ("a\\b!", "a!", true),
        ("a\\bb", "ab", false),
        ("\\bé", "é", false),
        ("^\\u0041\\x42\\cJ\\0$", "AB\n\0", true),
        ("^\\ud83d\\ude00$", "😀", true),
        ("^\\u{1f600}$", "😀", true),
        ("^(?<year>[0-9]{4})-(?:0[1-9]|1[0-2])$", "2026-11", true),
        ("^a{2,3}?$", "aaa", true),
        ("^a{2,}$", "a", false),
        ("^(|a)$", "", true),
        ("^[\\-\\/\\]\\^]+\\/$", "-/]^/", true),
        ("^<b>$", "<b>", true),
        ("x$", "x\n", false),
        ("^\\]\\}$", "]}", true),
        ("^[}{[(]+$", "}{[(", true),
        ("#&~-", "#&~-", true),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} on {text:?}");
    }
}

#[test]
fn what_has_another_reading_is_refused_with_its_place() {
    let long = format!("{}x{}", "(".repeat(60), ")".repeat(60));
    for (pattern, place) in [
        ("^\\<b\\>$", Some(1)),
        ("é\\>", Some(1)),
        ("(?=x)", Some(0)),
        ("a(?<!x)", Some(1)),
        ("(?i)x", Some(0)),
        ("(?P<n>x)", Some(0)),
        ("(?<1>x)", Some(3)),
        ("(?<n>x)(?<n>y)", Some(10)),
        ("(x)\\1", Some(3)),
        ("\\k<n>", Some(0)),
        ("\\p{L}", Some(0)),
        ("\\A", Some(0)),
        ("\\z", Some(0)),
        ("\\_", Some(0)),
        ("\\é", Some(0)),
        ("\\x4", Some(0)),
        ("\\u12", Some(0)),
        ("\\ud800", Some(0)),
        ("\\u{110000}", Some(0)),
        ("\\c1", Some(0)),
        ("\\01", Some(0)),
        ("[]", Some(0)),
        ("é]", Some(1)),
        ("a}", Some(1)),
        ("}", Some(0)),
        ("(?:x})", Some(4)),
        ("[[a]b]", Some(5)),
        ("^[[:alpha:]]$", Some(11)),
        ("[a]]", Some(3)),
        ("a{1}}", Some(4)),
        ("\\-", Some(0)),
        ("x\\#", Some(1)),
        ("\\\"", Some(0)),
        ("\\'", Some(0)),
        ("\\%", Some(0)),
        ("\\@", Some(0)),
        ("\\~", Some(0)),
        ("\\&", Some(0)),
        ("\\ ", Some(0)),
        ("\\:", Some(0)),
        ("[\\@]", Some(1)),
        ("[\\&\\&]", Some(1)),
        ("[\\B]", Some(1)),
        ("[a-\\#]", Some(3)),
        ("[^\\-\\~]", Some(4)),
        ("[^]", Some(0)),
        ("[a", Some(0)),
        ("[z-a]", Some(1)),
        ("[\\d-z]", Some(1)),
        ("[a-\\d]", Some(1)),
        ("a**", Some(2)),
        ("a++", Some(2)),
        ("^*", Some(1)),
        ("\\b+", Some(2)),
        ("*", Some(0)),
        ("a{,3}", Some(1)),
        ("a{x}", Some(1)),
        ("{", Some(0)),
        ("a{3,2}", Some(1)),
        ("(a", Some(0)),
        ("a)", Some(1)),
        ("a\\", Some(1)),
        (&long, Some(50)),
        ("(?:a{1000}){1000}", Some(0)),
        ("a{99999}", Some(0)),
        ("éb|x(a{99}){999}c", Some(4)),
        ("a{4294967296}", Some(0)),
        ("a{0,99999999999999999999}", Some(0)),
    ] {
        let error = compile(Rules::LATEST, pattern).err();
        let error = error.unwrap_or_else(|| panic!("{pattern} was taken"));
        assert_eq!(error.at, place, "{pattern}: {error}");
    }
}

#[test]
fn octal_escapes_and_references_to_groups_are_told_apart() {
    for (pattern, said) in [
        ("\\00", "octal"),
        ("[\\07]", "octal"),
        ("(x)\\1", "what a group matched"),
        ("\\k<n>", "what a group matched"),
    ] {
        let error = compile(Rules::LATEST, pattern).err().unwrap().to_string();
        assert!(error.contains(said), "{pattern}: {error}");
    }
}

/// What the second rules take beside the grammar, as they read it.
#[test]
fn old_policies_keep_their_reading() {
    for (pattern, text) in [
        ("^\\@\\-\\/\\#\\~$", "@-/#~"),
        ("^]}$", "]}"),
        ("^[[:alpha:]]$", "a]"),
        ("^[\\@]$", "@"),
    ] {
        assert!(compile(Rules::V2, pattern).unwrap().is_match(text));
        assert!(compile(Rules::V3, pattern).is_err());
    }
    let word = compile(Rules::V1, "^\\<b\\>$").unwrap();
    assert!(word.is_match("b"));
    assert_eq!(word.as_str(), "^\\<b\\>$");
}

#[cfg(feature = "whole-entity")]
#[test]
fn both_engines_match_the_same_texts() {
    let terms = [
        "a", "é", "\\d", "\\W", "\\s", "[^a]", "[\\Da]", ".", "\\b", "^", "$", "b*", "(a|b)+?",
        "x{0,2}", "[a-f\\d]", "[^\\s_]", "(?:|a)",
    ];
    let texts = [
        "",
        "a",
        "ab",
        "é",
        "ab é",
        "_",
        "a\n",
        "\r",
        "٣",
        "\u{a0}",
        "abc xyz 12",
        "\u{2028}",
        "bbé",
        "xx",
        "é é",
        "\u{85}a",
        "\u{feff}",
        "K\u{17f}",
    ];
    let mut compared = 0;
    let count = terms.len();
    for n in 0..count * count * count {
        let [first, second, third] = [n / count / count, n / count % count, n % count];
        let pattern = [terms[first], terms[second], terms[third]].concat();
        let Ok(compiled) = compile(Rules::LATEST, &pattern) else {
            continue;
        };
        for text in texts {
            let found = compiled.by_both(text).expect("it fits both");
            assert_eq!(found[0], found[1], "{pattern} on {text:?}");
            compared += 1;
        }
    }
    assert!(compared > 60_000, "{compared}");
}
