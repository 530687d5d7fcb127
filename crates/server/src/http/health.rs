//! Health: whether the process lives, and whether it can serve.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tracing::warn;

use super::Http;
use crate::config::Live;

type Answer = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Check = Arc<dyn Fn() -> Answer + Send + Sync>;

/// What has to hold for the server to be ready. Parts add what they answer for as they start.
#[derive(Clone, Default)]
pub struct Health {
    checks: Arc<Mutex<Vec<(&'static str, Check)>>>,
}

/// How long one check may take. A disk that hangs must show as not ready, not as a probe that hangs too.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

impl Health {
    /// Adds something that readiness depends on. The error is logged, not shown.
    pub fn require<F, Fut>(&self, name: &'static str, check: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).push((name, check));
    }

    /// Has readiness depend on the room that the disk of the data folder has left (`http.ready_free_bytes`).
    pub fn require_room(&self, live: Live) {
        self.require("disk", move || {
            let config = live.current();
            async move {
                // A disk that hangs hangs this too.
                let asked = tokio::task::spawn_blocking(move || {
                    let room = room(&config.data_dir).map_err(|error| error.to_string())?;
                    let needed = config.http.ready_free_bytes;
                    if room >= needed {
                        Ok(())
                    } else {
                        Err(format!("{room} bytes are free, {needed} are needed"))
                    }
                });
                asked.await.unwrap_or_else(|error| Err(error.to_string()))
            }
        });
    }

    /// Asks every check; the names of those that hold and of those that do not.
    pub async fn ask(&self) -> Vec<(&'static str, bool)> {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut answers = Vec::with_capacity(checks.len());
        for (name, check) in checks {
            let answer = tokio::time::timeout(CHECK_TIMEOUT, check()).await;
            let answer = answer.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            if let Err(cause) = &answer {
                warn!(check = name, %cause, "not ready");
            }
            answers.push((name, answer.is_ok()));
        }
        answers
    }
}

/// The bytes that an ordinary user may still write to the disk on which a folder is.
fn room(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// `/health/live`: that this can be answered is the answer.
pub(super) async fn live() -> Json<Value> {
    Json(json!({ "live": true }))
}

/// `/health/ready`: 200 when clients can be served, 503 when they should go elsewhere.
pub(super) async fn ready(State(http): State<Arc<Http>>) -> Response {
    let mut answers = http.health.ask().await;
    answers.push(("not leaving", !http.lifecycle.is_leaving()));
    let ready = answers.iter().all(|(_, holds)| *holds);
    let checks: Map<String, Value> =
        answers.into_iter().map(|(name, holds)| (name.to_owned(), Value::Bool(holds))).collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "checks": checks }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::tls::testing::Scratch;

    #[tokio::test]
    async fn a_disk_without_room_is_not_ready() {
        let scratch = Scratch::new();
        let mut config = Config { data_dir: scratch.path().to_owned(), ..Config::default() };
        let live = Live::new(config.clone(), None);
        let health = Health::default();
        health.require_room(live.clone());
        config.http.ready_free_bytes = 1;
        live.replace(config.clone());
        assert_eq!(health.ask().await, [("disk", true)]);
        config.http.ready_free_bytes = u64::MAX;
        live.replace(config.clone());
        assert_eq!(health.ask().await, [("disk", false)]);
        config.http.ready_free_bytes = 0;
        config.data_dir = scratch.path().join("gone");
        live.replace(config);
        assert_eq!(health.ask().await, [("disk", false)], "a folder that is not there has no room");
    }
}
