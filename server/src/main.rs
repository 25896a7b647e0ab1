//! The binary `indelible`.

use std::process::ExitCode;

fn main() -> ExitCode {
    indelible_server::cli::run()
}
