//! Guards against a client in TypeScript that knows other refusal codes than the engine.

use std::fs;
use std::path::Path;

use indelible_engine::violation::RefusalCode;

/// The module, as it must be.
fn module() -> String {
    let codes = RefusalCode::ALL
        .iter()
        .filter(|code| **code != RefusalCode::Preserved);
    let codes: String = codes.map(|code| format!("  | '{code}'\n")).collect();
    format!(
        "// Made by the test that compares it with the engine: see docs/development.md.\n\n\
         /** With which code a server refuses a proposal; explained in `docs/protocol.md`. */\n\
         export type RefusalCode =\n{codes}"
    )
}

#[test]
fn typescript_has_the_refusal_codes_of_the_engine() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client-wasm/ts/refusal-codes.ts");
    let made = module();
    if std::env::var_os("INDELIBLE_BLESS").is_some() {
        fs::write(&path, &made).expect("the folder can be written");
    }
    let file = fs::read_to_string(&path).expect("the module is there");
    assert_eq!(file, made, "{}", path.display());
}
