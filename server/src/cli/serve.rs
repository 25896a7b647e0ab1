//! `indelible serve`: runs a server until Ctrl-C or SIGTERM.

use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::KeyPlace;
use crate::config::{Config, Exposure, Mode, SchemaPlace};
use crate::serve::Server;
use crate::telemetry::{self, LOG_VARIABLE};

const EXAMPLES: &str = "\
Examples:
  indelible serve
      The demo, on http://127.0.0.1:4000, for this machine only.
  indelible serve --dev
      The same, and pages on this machine sign in with a name and a role.
  indelible serve --schema ./schema --data /srv/site
      A schema of your own.";

/// Run a server until Ctrl-C or SIGTERM
///
/// INDELIBLE_LOG says what is logged: error, warn, info (default), debug.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Serve {
    /// The address to listen on; port 0 takes any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4000")]
    listen: SocketAddr,

    #[command(flatten)]
    key: KeyPlace,

    /// A schema folder: one JSON file per kind, initial content under content/ [default: the demo]
    #[arg(long, value_name = "DIR")]
    schema: Option<PathBuf>,

    /// Let pages on this machine sign in with a name and a role; loopback addresses only
    #[arg(long)]
    dev: bool,

    /// Listen on an address that others can reach; put a proxy that speaks TLS before it
    #[arg(long, conflicts_with = "dev")]
    public: bool,

    /// An origin, besides the server's own, whose pages may connect; may be given more than once
    #[arg(long = "allow-origin", value_name = "ORIGIN", value_parser = parse_origin)]
    allow_origins: Vec<String>,
}

impl Serve {
    pub(super) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        telemetry::start();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(self.serve())?;
        Ok(ExitCode::SUCCESS)
    }

    async fn serve(self) -> Result<(), Box<dyn Error>> {
        // Before anything is started: a signal that comes early must not end it half-way.
        let (mut interrupt, mut terminate) = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        );
        let shutdown = async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        let config = self.config();
        let mode = config.mode;
        let (data, key) = (config.data.clone(), config.token_key.clone());
        let server = Server::bind(config).await?;
        greet(server.local_addr(), mode, &data, key.as_deref());
        server.run(shutdown).await?;
        Ok(())
    }

    fn config(self) -> Config {
        Config {
            listen: self.listen,
            data: self.key.data,
            token_key: self.key.token_key,
            schema: self.schema.map_or(SchemaPlace::Demo, SchemaPlace::Folder),
            mode: if self.dev {
                Mode::Development
            } else {
                Mode::Production
            },
            exposure: if self.public {
                Exposure::Public
            } else {
                Exposure::LoopbackOnly
            },
            allow_origins: self.allow_origins,
            ..Config::default()
        }
    }
}

/// Says where the server is and how to sign in. A server whose output nobody takes serves on.
fn greet(address: SocketAddr, mode: Mode, data: &Path, key: Option<&Path>) {
    let key = key.map_or_else(String::new, |key| format!(" --token-key {}", key.display()));
    let mut lines = vec![
        format!("Indelible is at http://{address}"),
        format!("  backoffice  http://{address}/demo/admin"),
        format!("  site        http://{address}/demo/site"),
    ];
    if mode == Mode::Development {
        lines.push("Sign in with any name and a role: viewer, editor or admin.".to_owned());
    }
    let data = data.display();
    lines.push(format!(
        "A token to sign in with: indelible token --sub YOU --role editor --data {data}{key}"
    ));
    if let Err(error) = lines.iter().try_for_each(|line| super::print(line)) {
        tracing::debug!(%error, "nobody takes the output");
    }
    tracing::info!(log = LOG_VARIABLE, "serving; Ctrl-C stops");
}

/// Browsers send an origin without path and in lower case.
fn parse_origin(text: &str) -> Result<String, String> {
    let example = "an origin looks like https://example.org or http://localhost:5173";
    let (scheme, host) = text.split_once("://").ok_or(example)?;
    let plain = !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']);
    if plain && matches!(scheme, "http" | "https") && text == text.to_lowercase() {
        Ok(text.to_owned())
    } else {
        Err(example.to_owned())
    }
}
