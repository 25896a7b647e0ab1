//! The binary `indelible`, built where the tests can find it.

fn main() -> std::process::ExitCode {
    indelible_server::cli::run()
}
