//! Proposals as a whole: none, too many, repeated, good before bad.

use automerge::ROOT;
use automerge::transaction::Transactable;

use super::{Book, MALLORY, Stage, by_mallory, hostile_expect};
use indelible_tests::hostile::Expect;

/// Changes of mallory's, one after the other.
fn chain(stage: &Stage, count: usize, bad: Option<usize>) -> Vec<Vec<u8>> {
    let mut client = stage.client(MALLORY);
    (0..count)
        .map(|n| {
            let field = if bad == Some(n) { "code" } else { "tagline" };
            client.change(|tx| tx.put(ROOT, field, format!("{n}")).unwrap())
        })
        .collect()
}

fn policy(violations: &[&str], admitted: usize) -> Expect {
    Expect {
        admitted,
        ..super::expect("policy", violations)
    }
}

pub(super) fn fill(book: &mut Book) {
    book.case(
        "no-changes",
        "an entry of nothing",
        hostile_expect("malformed", 0),
        |_| by_mallory(Vec::new()),
    );
    book.case(
        "good-then-bad",
        "the good part is lost, or the bad one passes",
        policy(&["create /code"], 2),
        |s| by_mallory(chain(s, 3, Some(2))),
    );
    book.case(
        "bad-then-good",
        "what depends on a refused change gets in",
        policy(&["create /code"], 0),
        |s| by_mallory(chain(s, 3, Some(0))),
    );
    book.case(
        "bad-in-a-thousand",
        "a thousand changes cost a thousand checks of the whole",
        policy(&["create /code"], 999),
        |s| by_mallory(chain(s, 1_000, Some(999))),
    );
    book.case(
        "same-change-twice",
        "a change that is applied twice",
        hostile_expect("admitted", 0),
        |s| {
            let change = chain(s, 1, None).remove(0);
            by_mallory(vec![change.clone(), change])
        },
    );
    book.case(
        "change-before-its-dependency",
        "an orphan within a proposal",
        hostile_expect("unknown-deps", 0),
        |s| {
            let mut changes = chain(s, 2, None);
            changes.reverse();
            by_mallory(changes)
        },
    );
    book.case(
        "junk-after-good",
        "the good part is lost",
        hostile_expect("not-a-chunk", 1),
        |s| {
            let mut changes = chain(s, 1, None);
            changes.push(b"junk".to_vec());
            by_mallory(changes)
        },
    );
    book.case(
        "whole-broken-at-the-end",
        "a fault of the whole is found by trying every change",
        policy(&["maxLength /body"], 185),
        |s| {
            let mut client = s.client(MALLORY);
            let body = client.object(&["body"]);
            // "Oh, hello world" and 185 letters are 200 characters.
            let changes =
                (0..300).map(|_| client.change(|tx| tx.splice_text(&body, 0, 0, "x").unwrap()));
            by_mallory(changes.collect())
        },
    );
    book.case(
        "whole-broken-and-mended",
        "a state in between that nobody sees may break a rule",
        hostile_expect("admitted", 0),
        |s| {
            let mut client = s.client(MALLORY);
            let body = client.object(&["body"]);
            let long = client.change(|tx| tx.splice_text(&body, 0, 0, &"x".repeat(300)).unwrap());
            let short = client.change(|tx| tx.splice_text(&body, 0, 290, "").unwrap());
            by_mallory(vec![long, short])
        },
    );
}
