//! Writes the JavaScript bindings of a WASM module: `bindings MODULE.wasm FOLDER NAME`.
//!
//! A program of its own, because the generator takes a minute to compile and few runs need it.

use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [module, folder, name] = arguments.as_slice() else {
        eprintln!("usage: bindings MODULE.wasm FOLDER NAME");
        return ExitCode::from(2);
    };
    match generate(module, folder, name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write the bindings of {module}: {error:?}");
            ExitCode::FAILURE
        }
    }
}

/// Writes `NAME.js`, `NAME.d.ts` and `NAME_bg.wasm`, as an ES module whose caller says where the
/// WASM comes from; so it serves browsers, bundlers and Node alike.
fn generate(module: &str, folder: &str, name: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(module)
        .out_name(name)
        .web(true)?
        .typescript(true)
        // After a trap the client drops the instance and goes on with a new one.
        .reset_state_function(true)
        .remove_producers_section(true);
    bindgen.generate(folder)?;
    Ok(())
}
