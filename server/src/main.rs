//! The binary `indelible`.

use std::process::ExitCode;

use indelible_server::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    indelible_server::cli::run()
}
