//! Guards against a policy that does not say what its schema says.

use super::*;
use crate::schema::SchemaSource;

pub(crate) fn demo(kind: &str) -> Policy {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../server/demo");
    let text = std::fs::read_to_string(format!("{folder}/{kind}.json")).unwrap();
    compile(&text)
}

fn compile(text: &str) -> Policy {
    let source = SchemaSource {
        file: "test.json".to_owned(),
        text: text.to_owned(),
    };
    match Policy::compile(&source) {
        Ok(policy) => policy,
        Err(errors) => {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            panic!("{}", errors.join("\n"))
        }
    }
}

#[test]
fn the_demo_compiles() {
    for kind in ["settings", "team", "services", "solutions"] {
        assert_eq!(demo(kind).kind().as_str(), kind);
    }
}
