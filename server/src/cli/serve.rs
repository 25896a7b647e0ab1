//! `indelible serve`: runs a server until Ctrl-C or SIGTERM.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::KeyPlace;
use super::greeting::Greeting;
use crate::config::{
    Config, ConnectionSettings, Exposure, ExposureError, Mode, QuotaSetting, RateSettings, Reach,
    SchemaPlace,
};
use crate::cores;
use crate::forwarded::Network;
use crate::host::HostName;
use crate::origin::Origin;
use crate::serve::Server;
use crate::telemetry::{self, LOG_VARIABLE};

const EXAMPLES: &str = "\
Examples:
  indelible serve
      The demo, on http://127.0.0.1:4000, for this machine only.
  indelible serve --dev
      The same, and pages on this machine sign in with a name and a role.
  indelible serve --schema ./schema --data /srv/site --allow-origin https://admin.example.org
      A schema of your own, behind a proxy on this machine; pages from elsewhere may connect.
  indelible serve --listen 0.0.0.0:4000 --token-key /run/secrets/token.key
      Where others can reach it.

SIGTERM or Ctrl-C finishes commits, closes connections and exits with 0; a second one exits at once.";

/// Run a server until Ctrl-C or SIGTERM
///
/// INDELIBLE_LOG says what is logged: error, warn, info (default), debug.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Serve {
    /// The address to listen on; port 0 takes any that is free
    ///
    /// An address that others can reach is refused unless the key for tokens was set up on purpose:
    /// with --token-key, or with --public and a key file that is in the data directory already.
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

    /// Listen on an address that others can reach, with the key file in the data directory
    ///
    /// `indelible token` makes that file. Put a proxy that speaks TLS before the server.
    #[arg(long, conflicts_with = "dev")]
    public: bool,

    /// An origin, besides the server's own, whose pages may connect; may be given more than once
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    allow_origins: Vec<Origin>,

    /// A proxy that is believed where a request came from; may be given more than once
    ///
    /// An address, or a network: 127.0.0.1, ::1, 10.0.0.0/8. From others, Forwarded and
    /// X-Forwarded-For are not read. A peer on this machine that is not listed has no limits by
    /// address.
    #[arg(long = "trusted-proxy", value_name = "ADDRESS")]
    trusted_proxies: Vec<Network>,

    /// How much may be written in a minute; may be given more than once
    ///
    /// NAME is writes, creations, operations, bytes, address-writes, address-creations or
    /// address-bytes, VALUE a number or none. Without ROLE it is for all who have signed in; the
    /// role public stands for those who have not. Of several roles of a principal, the greatest
    /// value counts.
    #[arg(long = "limit", value_name = "[ROLE:]NAME=VALUE")]
    quotas: Vec<QuotaSetting>,
    /// A name of this server, such as site.example; may be given more than once
    ///
    /// Requests that name another host are then refused, but for this machine's names and the
    /// address that the server listens on. Without any, every host is taken; with --dev, only this
    /// machine.
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<HostName>,

    /// Memory for what comes in, what waits to go out and what is cached, in MiB
    ///
    /// A third is for request bodies and messages until they are answered, the rest for answers that
    /// wait and for caches. The store, entities that are in use and connections take memory beside it.
    #[arg(long, value_name = "MIB", default_value_t = 192, value_parser = clap::value_parser!(u32).range(24..=1_048_576))]
    memory: u32,

    /// Let the system write core dumps of the server, and debuggers attach; they see the key
    #[arg(long)]
    core_dumps: bool,

    /// How often clients are asked for a sign of life, in seconds
    ///
    /// A connection on which nothing came for three times as long is closed. Proxies have to keep
    /// silent connections open for longer than one such time.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    ping_interval: u64,

    /// Seconds that a connection may rest between two requests
    ///
    /// Longer than the proxy before the server keeps its own open, or it sends a request on one that
    /// the server is just closing.
    #[arg(long, value_name = "SECONDS", default_value_t = 90,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    keep_alive: u64,
}

/// How long threads may take to end when the server has stopped.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a thread waits for work. Hundreds are made where much comes at once, each with memory of
/// its own, and whichever has waited longest is woken: in ten seconds, as usual, all have had work.
const THREAD_KEEP_ALIVE: Duration = Duration::from_secs(1);

/// Why an address is not served.
#[derive(Debug, thiserror::Error)]
enum Exposed {
    #[error(
        "{0} can be reached by others: set the key for tokens with --token-key FILE, or say \
         --public to use the one in the data directory"
    )]
    NotMeant(SocketAddr),
    #[error(
        "{} does not exist: make it with `indelible token`, or name another with --token-key",
        .0.display()
    )]
    NoKey(PathBuf),
    #[error("{0} can be reached by others, and --dev lets everybody sign in without a token")]
    Development(SocketAddr),
}

impl From<ExposureError> for Exposed {
    fn from(error: ExposureError) -> Self {
        match error {
            ExposureError::NotAllowed(address) => Self::NotMeant(address),
            ExposureError::Development(address) => Self::Development(address),
        }
    }
}

impl Serve {
    pub(super) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        telemetry::start();
        if !self.core_dumps {
            cores::forbid();
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_keep_alive(THREAD_KEEP_ALIVE)
            .build()?;
        let served = runtime.block_on(self.serve());
        // What still reads or writes the store is left to end as by a kill.
        runtime.shutdown_timeout(END_TIMEOUT);
        telemetry::finish();
        served?;
        Ok(ExitCode::SUCCESS)
    }

    async fn serve(self) -> Result<(), Box<dyn Error>> {
        // Before anything is started: what has begun by that point ends in order.
        let mut shutdown = Box::pin(shutdown_signal()?);
        let config = self.config()?;
        let (mode, demo) = (config.mode, config.schema == SchemaPlace::Demo);
        let (data, key) = (config.data.clone(), config.token_key.clone());
        // On a task of its own: a start reads much in one go, and signals are not to wait for that.
        let mut starting = tokio::spawn(Server::bind(config));
        let server = tokio::select! {
            started = &mut starting => started??,
            () = shutdown.as_mut() => {
                tracing::info!("stopped before the start was over; the next one finishes it");
                return Ok(());
            }
        };
        let greeting = Greeting {
            address: server.local_addr(),
            demo,
            mode,
            policies: server.policies(),
            data: &data,
            token_key: key.as_deref(),
        };
        // A server whose output is not read keeps serving.
        if let Err(error) = greeting
            .lines()
            .iter()
            .try_for_each(|line| super::print(line))
        {
            tracing::debug!(%error, "nobody takes the output");
        }
        tracing::info!(log = LOG_VARIABLE, "serving; Ctrl-C stops");
        server.run(shutdown).await;
        Ok(())
    }

    fn config(self) -> Result<Config, Box<dyn Error>> {
        let mode = if self.dev {
            Mode::Development
        } else {
            Mode::Production
        };
        let exposure = self.exposure(mode)?;
        Ok(Config {
            listen: self.listen,
            data: self.key.data,
            schema: self.schema.map_or(SchemaPlace::Demo, SchemaPlace::Folder),
            token_key: self.key.token_key,
            exposure,
            mode,
            allow_origins: self.allow_origins,
            trusted_proxies: self.trusted_proxies.into_iter().collect(),
            rates: RateSettings::new(self.quotas)?,
            hosts: self.hosts,
            memory_bytes_max: (self.memory as usize) << 20,
            connections: ConnectionSettings {
                idle_timeout: Duration::from_secs(self.keep_alive),
                ping_interval: Duration::from_secs(self.ping_interval),
                ..ConnectionSettings::default()
            },
            ..Config::default()
        })
    }

    fn exposure(&self, mode: Mode) -> Result<Exposure, Exposed> {
        let exposure = match self.public || self.key.token_key.is_some() {
            true => Exposure::Public,
            false => Exposure::LoopbackOnly,
        };
        let reach = exposure.check(self.listen, mode)?;
        if reach == Reach::Others && self.key.token_key.is_none() && !self.key.file().exists() {
            return Err(Exposed::NoKey(self.key.file()));
        }
        Ok(exposure)
    }
}

/// Becomes ready with the first signal that asks a process to stop: SIGTERM, SIGINT (Ctrl-C),
/// SIGHUP (the terminal was closed) or SIGQUIT. From then on a second one ends the process.
fn shutdown_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut signals = StopSignals::new()?;
    Ok(async move {
        signals.next().await;
        tokio::spawn(async move {
            signals.next().await;
            tracing::warn!("told to stop twice: ending at once");
            std::process::exit(1);
        });
    })
}

struct StopSignals {
    terminated: Signal,
    interrupted: Signal,
    /// None where the program was started to outlive the terminal (`nohup`).
    hung_up: Option<Signal>,
    quit: Signal,
}

impl StopSignals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminated: signal(SignalKind::terminate())?,
            interrupted: signal(SignalKind::interrupt())?,
            hung_up: match is_ignored(SignalKind::hangup()) {
                true => None,
                false => Some(signal(SignalKind::hangup())?),
            },
            quit: signal(SignalKind::quit())?,
        })
    }

    async fn next(&mut self) {
        let hung_up = async {
            match &mut self.hung_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminated.recv() => {}
            _ = self.interrupted.recv() => {}
            _ = hung_up => {}
            _ = self.quit.recv() => {}
        }
    }
}

/// Whether the program was started with a signal ignored, where the system says so.
fn is_ignored(signal: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal.as_raw_value() - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    //! Guards against a server that others can reach by mistake.

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        serve: Serve,
    }

    fn config(line: &str) -> Result<Config, String> {
        let words = std::iter::once("serve").chain(line.split_whitespace());
        let parsed = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        parsed.serve.config().map_err(|error| error.to_string())
    }

    #[test]
    fn without_options_it_is_the_demo_for_this_machine() {
        let config = config("").unwrap();
        let default = Config::default();
        assert_eq!((config.listen, config.data), (default.listen, default.data));
        assert_eq!((config.schema, config.mode), (default.schema, default.mode));
        assert_eq!(config.exposure, Exposure::LoopbackOnly);
    }

    #[test]
    fn others_reach_it_only_on_purpose() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().display();
        let open = "--listen 0.0.0.0:4000";
        let exposure = |line: &str| config(line).map(|config| config.exposure);
        assert!(exposure(open).unwrap_err().contains("--token-key"));
        assert!(
            exposure(&format!("{open} --dev --token-key k"))
                .unwrap_err()
                .contains("--dev")
        );
        assert!(exposure(&format!("{open} --dev --public")).is_err());
        let public = format!("{open} --public --data {data}");
        assert!(exposure(&public).unwrap_err().contains("does not exist"));
        crate::keys::Keys::open_or_create(dir.path()).unwrap();
        assert_eq!(exposure(&public), Ok(Exposure::Public));
        assert_eq!(
            exposure(&format!("{open} --token-key k")),
            Ok(Exposure::Public)
        );
        for loopback in [
            "127.0.0.1:0",
            "127.9.9.9:1",
            "[::1]:4000",
            "[::ffff:127.0.0.1]:1",
        ] {
            let line = format!("--dev --listen {loopback}");
            assert_eq!(exposure(&line), Ok(Exposure::LoopbackOnly), "{loopback}");
        }
    }

    #[test]
    fn how_often_clients_are_asked_is_a_setting() {
        let interval = |line: &str| config(line).map(|config| config.connections.ping_interval);
        assert_eq!(
            interval(""),
            Ok(ConnectionSettings::default().ping_interval)
        );
        assert_eq!(interval("--ping-interval 5"), Ok(Duration::from_secs(5)));
        assert!(interval("--ping-interval 0").is_err());
    }

    #[test]
    fn memory_is_said_in_mib() {
        let memory = |line: &str| config(line).map(|config| config.memory_bytes_max);
        assert_eq!(memory(""), Ok(Config::default().memory_bytes_max));
        assert_eq!(memory("--memory 24"), Ok(24 << 20));
        assert!(memory("--memory 23").is_err());
    }

    #[test]
    fn names_of_the_server_are_hosts() {
        let hosts = |line: &str| config(line).map(|config| config.hosts);
        assert_eq!(hosts(""), Ok(Vec::new()));
        let names = ["site.example", "[2001:db8::1]"].map(|name| name.parse().unwrap());
        assert_eq!(
            hosts("--host Site.example --host [2001:db8::1]"),
            Ok(names.to_vec())
        );
        for bad in ["https://a.b", "a.b:443", "*.a.b", "a/b"] {
            let error = hosts(&format!("--host {bad}")).unwrap_err();
            assert!(error.contains("without scheme, port or path"), "{error}");
        }
    }

    #[test]
    fn what_is_let_in_is_an_origin() {
        let good = "--allow-origin https://A.b:8443 --allow-origin http://[::1]:1";
        assert!(config(good).is_ok());
        for bad in ["*", "a.b", "https://", "https://a/b", "null", "ftp://a"] {
            assert!(config(&format!("--allow-origin {bad}")).is_err(), "{bad}");
        }
    }
}
