//! Guards against a splice that is refused without a word of what its place is.

use indelible_engine::change::server_actor;
use indelible_engine::limits::Limits;
use indelible_engine::merge::{MergeError, TextEdit, splice};
use indelible_engine::splice::Splice;
use serde_json::json;

use crate::fixture::{editor, thing};

#[test]
fn a_splice_of_what_is_no_text_says_what_it_is() {
    let thing = thing();
    let actor = server_actor(thing.id(), thing.epoch(), "alice");
    let typed = Splice {
        index: 0,
        remove: 0,
        insert: "a".to_owned(),
    };
    for (at, said, bound) in [
        (
            "/tags",
            "tags is a list of values, not a text",
            Some(json!(["array"])),
        ),
        (
            "/items",
            "items is a list of items, not a text",
            Some(json!(["array"])),
        ),
        (
            "/place",
            "place is an object, not a text",
            Some(json!(["object"])),
        ),
        (
            "/items/none/note",
            "/items/none/note is not there (any more)",
            None,
        ),
    ] {
        let edit = TextEdit {
            at: &at.parse().unwrap(),
            splice: &typed,
            base: None,
            limits: &Limits::default(),
        };
        let found = splice(&thing, &editor("alice"), &actor, &edit);
        let Err(MergeError::Refused(violations)) = found else {
            panic!("{at}: {found:?}");
        };
        assert_eq!(
            (violations[0].to_string().as_str(), &violations[0].bound),
            (said, &bound)
        );
    }
}
