//! The binary `indelible`, built where the tests can find it.

use indelible_server::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> std::process::ExitCode {
    indelible_server::cli::run()
}
