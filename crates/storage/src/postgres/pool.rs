//! Connections: how they are made, what they must promise, and how long one is waited for.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, PoolError, RecyclingMethod, Runtime};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::time::Instant;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::errors::{Class, Failure, classify};
use super::session::Session;
use super::{OLDEST_VERSION, OpenError, Options};

/// The pause before the second attempt to connect; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause between two attempts to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long data that was sent may go unacknowledged before the connection is given up.
const UNACKNOWLEDGED_LIMIT: Duration = Duration::from_secs(10);

/// When a silent connection is asked whether the other side is there, and how often.
const PROBE_AFTER: Duration = Duration::from_secs(5);
const PROBE_INTERVAL: Duration = Duration::from_secs(2);
const PROBES: u32 = 3;

/// What a connection promises about what it commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// It is synced before it is acknowledged.
    Full,
    /// Nothing.
    None,
}

/// Connections to one server.
pub(super) struct Pool {
    pool: deadpool_postgres::Pool,
    waiting_calls: usize,
    answer_timeout: Duration,
    patience: Duration,
}

impl Pool {
    /// Connections to whichever server takes writes.
    pub(super) fn primary(options: &Options, durability: Durability) -> Result<Self, OpenError> {
        let mut config = parse(&options.url)?;
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        Self::new(options, config, options.connections, durability)
    }

    /// The one connection of whoever appends, to whichever server takes writes.
    pub(super) fn writer(options: &Options, durability: Durability) -> Result<Self, OpenError> {
        let mut config = parse(&options.url)?;
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        Self::new(options, config, 1, durability)
    }

    /// Connections to the replica, if there is one.
    pub(super) fn replica(options: &Options) -> Result<Option<Self>, OpenError> {
        let Some(url) = &options.replica_url else { return Ok(None) };
        let mut config = parse(url)?;
        config.target_session_attrs(TargetSessionAttrs::Any);
        Self::new(options, config, options.replica_connections, Durability::None).map(Some)
    }

    fn new(
        options: &Options,
        mut config: tokio_postgres::Config,
        connections: usize,
        durability: Durability,
    ) -> Result<Self, OpenError> {
        config
            .application_name(format!("waxwing {}", options.node))
            .connect_timeout(options.connect_timeout)
            .tcp_user_timeout(UNACKNOWLEDGED_LIMIT)
            .keepalives(true)
            .keepalives_idle(PROBE_AFTER)
            .keepalives_interval(PROBE_INTERVAL)
            .keepalives_retries(PROBES);
        let tls = MakeRustlsConnect::new(tls(options, config.get_ssl_mode())?);
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let settings: Arc<str> = settings(options.answer_timeout, durability).into();
        let set_up = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
            let settings = settings.clone();
            Box::pin(async move { client.batch_execute(&settings).await.map_err(HookError::Backend) })
        });
        let pool = deadpool_postgres::Pool::builder(Manager::from_config(config, tls, recycling))
            .max_size(connections.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(options.patience))
            .create_timeout(Some(options.connect_timeout.saturating_mul(2)))
            .recycle_timeout(Some(options.connect_timeout))
            .post_create(set_up)
            .build()
            .map_err(|error| OpenError::Option(error.to_string()))?;
        Ok(Self {
            pool,
            waiting_calls: options.waiting_calls,
            answer_timeout: options.answer_timeout,
            patience: options.patience,
        })
    }

    /// A connection, as soon as there is one. While the server is away it is tried again and again, ever more slowly.
    pub(super) async fn session(&self) -> Result<Session, Failure> {
        if self.pool.status().waiting >= self.waiting_calls {
            return Err(Failure::Away);
        }
        let until = Instant::now() + self.patience;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.pool.get().await {
                Ok(object) => return Ok(Session::new(object, self.answer_timeout)),
                Err(PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)))
                    if classify(&error) != Class::Lost =>
                {
                    return Err(error.into());
                }
                Err(PoolError::Closed | PoolError::NoRuntimeSpecified) => return Err(Failure::Away),
                Err(error) => {
                    if Instant::now() + pause >= until {
                        tracing::warn!(%error, "the database cannot be reached");
                        return Err(Failure::Away);
                    }
                    tracing::debug!(%error, "connecting anew");
                }
            }
            tokio::time::sleep(spread(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// A connection, in one attempt.
    pub(super) async fn session_now(&self) -> Result<Session, Failure> {
        match self.pool.get().await {
            Ok(object) => Ok(Session::new(object, self.answer_timeout)),
            Err(PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error))) => {
                Err(error.into())
            }
            Err(_) => Err(Failure::Away),
        }
    }

    /// Refuses whoever asks from now on. Connections that are out work on until they are given back.
    pub(super) fn close(&self) {
        self.pool.close();
    }
}

/// Half a pause to a whole one, so that nodes do not all come back at once.
fn spread(pause: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness the pause is a whole one.
    let _ = getrandom::fill(&mut byte);
    pause - pause.mul_f64(f64::from(byte[0]) / 512.0)
}

fn parse(url: &str) -> Result<tokio_postgres::Config, OpenError> {
    // What is wrong is told without the URL, which may hold a password.
    url.parse().map_err(|error| OpenError::Option(format!("the database's URL: {error}")))
}

fn tls(options: &Options, mode: SslMode) -> Result<ClientConfig, OpenError> {
    let mut roots = RootCertStore::empty();
    let failed =
        |error: &dyn std::fmt::Display| OpenError::Option(format!("the database's authorities: {error}"));
    match &options.tls_authorities {
        Some(path) => {
            let pem = fs::read(path).map_err(|error| failed(&format!("{}: {error}", path.display())))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                roots.add(certificate.map_err(|error| failed(&error))?).map_err(|error| failed(&error))?;
            }
        }
        None if mode == SslMode::Disable => {}
        None => {
            // Some of the system's may be of a kind that is not known here.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| OpenError::Option(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// What is set on every new connection. A role or database may ask for more than `on`, which then stays. There is no limit of
/// the server's own for a statement: cancelling a COMMIT that waits for a standby makes it succeed.
fn settings(answer_timeout: Duration, durability: Durability) -> String {
    let millis = answer_timeout.as_millis();
    let synchronous = match durability {
        Durability::Full => {
            "SELECT set_config('synchronous_commit', 'on', false) \
             WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');"
        }
        Durability::None => "SET synchronous_commit = off;",
    };
    format!(
        "{synchronous} SET statement_timeout = 0; SET idle_in_transaction_session_timeout = {millis}; \
         SET lock_timeout = {millis}; SET jit = off; SET client_min_messages = warning;"
    )
}

/// Checks that the server is of a version that is known, stores UTF-8, and keeps what it acknowledges.
pub(super) async fn check_server(db: &Session, durability: Durability) -> Result<(), OpenError> {
    let row = db
        .only_row(
            "SELECT current_setting('server_version_num')::int4, current_setting('server_encoding'), \
             current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit')",
            &[],
        )
        .await?;
    let text = |at| row.try_get::<_, String>(at).map_err(Failure::from);
    let version = row.try_get::<_, i32>(0).map_err(Failure::from)?.unsigned_abs() / 10_000;
    if version < OLDEST_VERSION {
        return Err(OpenError::Server(format!(
            "the server is PostgreSQL {version}, and {OLDEST_VERSION} is the oldest that is supported"
        )));
    }
    if text(1)? != "UTF8" {
        return Err(OpenError::Server("the database is not encoded in UTF-8".to_owned()));
    }
    if durability == Durability::None {
        return Ok(());
    }
    for (at, setting) in [(2, "fsync"), (3, "full_page_writes")] {
        if text(at)? != "on" {
            return Err(OpenError::Server(format!(
                "{setting} is off on the server, so that it would lose what it has acknowledged"
            )));
        }
    }
    match text(4)?.as_str() {
        "on" | "remote_apply" => Ok(()),
        other => Err(OpenError::Server(format!("synchronous_commit is {other} and cannot be set to on"))),
    }
}
