//! Guards against examples that no longer do what they say.

#[path = "../../examples/first_edit.rs"]
mod first_edit;
#[path = "../../examples/looking_back.rs"]
mod looking_back;

#[test]
fn a_first_edit() {
    first_edit::main().unwrap();
}

#[test]
fn looking_back() {
    looking_back::main().unwrap();
}
