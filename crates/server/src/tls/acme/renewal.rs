//! When certificates are ordered: at once where there is none, at two thirds of their life, later after failures.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tracing::{error, info};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Challenges, file, order};
use crate::config::{Config as ServerSettings, Live};
use crate::lifecycle::Lifecycle;
use crate::observe::names;
use crate::tls::Tls;
use crate::tls::certificates::load_pair;
use crate::tls::self_signed::write_private;

/// After the first failure; doubled after each further one. Let's Encrypt allows five failures an hour for a name.
const FIRST_PAUSE: Duration = Duration::from_secs(15 * 60);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(12 * 3_600);
/// How long one order may take, whatever the authority does.
const ORDER_TIMEOUT: Duration = Duration::from_secs(600);
/// How often due times are looked at: a clock that is set, or a machine that slept, is noticed this late.
const LOOK: Duration = Duration::from_secs(3_600);

/// Orders and renews the certificates of the domains that say `acme = true`, until the process drains.
pub async fn run(live: Live, tls: Arc<Tls>, lifecycle: Lifecycle) {
    let mut drain = lifecycle.drain_signal();
    let mut settings = live.subscribe();
    let mut failures = HashMap::new();
    loop {
        let pause = tokio::select! {
            biased;
            () = drain.draining() => return,
            pause = attend(&live, &tls, &mut failures) => pause,
        };
        tokio::select! {
            biased;
            () = drain.draining() => return,
            // A domain may have been added; a directory that failed may have been corrected.
            _ = settings.changed() => failures.clear(),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// The failures of one domain since its last certificate.
#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    fn pause(self) -> Duration {
        FIRST_PAUSE.saturating_mul(1 << (self.count - 1).min(16)).min(LONGEST_PAUSE)
    }
}

/// Orders what is due now; says how long nothing more will be.
async fn attend(live: &Live, tls: &Tls, failures: &mut HashMap<String, Failures>) -> Duration {
    let settings = live.current();
    let mut pause = LOOK;
    for domain in settings.domain.iter().filter(|domain| domain.acme) {
        let due = due(&file(&settings.data_dir, &domain.name))
            .and_then(|due| due.duration_since(SystemTime::now()).ok());
        if let Some(later) = due {
            pause = pause.min(later);
            continue;
        }
        if let Some(failed) = failures.get(&domain.name) {
            let left = failed.pause().saturating_sub(failed.last.elapsed());
            if !left.is_zero() {
                pause = pause.min(left);
                continue;
            }
        }
        let ordered =
            tokio::time::timeout(ORDER_TIMEOUT, renew(&settings, &domain.name, tls.challenges())).await;
        let ordered = ordered.unwrap_or_else(|_| Err(anyhow::anyhow!("the order took too long")));
        let ordered = ordered.and_then(|()| Ok(tls.reload(&live.current())?));
        match ordered {
            Ok(()) => {
                failures.remove(&domain.name);
                metrics::counter!(names::ACME_ORDERS, "result" => "ok").increment(1);
                info!(domain = %domain.name, "a new certificate is in force");
            }
            Err(cause) => {
                let count = failures.get(&domain.name).map_or(1, |f| f.count.saturating_add(1));
                let failed = Failures { count, last: Instant::now() };
                failures.insert(domain.name.clone(), failed);
                pause = pause.min(failed.pause());
                metrics::counter!(names::ACME_ORDERS, "result" => "failed").increment(1);
                let again_in_s = failed.pause().as_secs();
                error!(domain = %domain.name, error = format!("{cause:#}"), again_in_s, "no certificate from the ACME directory");
            }
        }
    }
    pause
}

/// Orders a certificate, proves that it can be served, and keeps it.
async fn renew(settings: &ServerSettings, domain: &str, challenges: &Challenges) -> anyhow::Result<()> {
    let ascii = idna::domain_to_ascii(domain)?;
    let pem = order::certificate(&settings.acme, &settings.data_dir, &ascii, challenges).await?;
    let kept = file(&settings.data_dir, domain);
    let fresh = kept.with_extension("fresh");
    write_private(&fresh, pem.as_bytes())?;
    // What cannot be served must not replace what can.
    load_pair(&fresh, &fresh)?;
    write_private(&kept, pem.as_bytes())?;
    std::fs::remove_file(&fresh)?;
    Ok(())
}

/// When a kept certificate is to be renewed: at two thirds of its life. `None` when there is none to be read.
fn due(file: &Path) -> Option<SystemTime> {
    let pair = load_pair(file, file).ok()?;
    let (_, parsed) = X509Certificate::from_der(pair.cert.first()?).ok()?;
    let validity = parsed.validity();
    Some(two_thirds(validity.not_before.timestamp(), validity.not_after.timestamp()))
}

fn two_thirds(not_before: i64, not_after: i64) -> SystemTime {
    let from = u64::try_from(not_before).unwrap_or(0);
    let life = u64::try_from(not_after.saturating_sub(not_before)).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(from + life / 3 * 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_at_two_thirds_of_its_life() {
        let day = 86_400;
        let due = two_thirds(1_000_000, 1_000_000 + 90 * day);
        assert_eq!(due, SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + 60 * 86_400));
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pause = |count| Failures { count, last: Instant::now() }.pause();
        assert_eq!(pause(1), FIRST_PAUSE);
        assert_eq!(pause(2), FIRST_PAUSE * 2);
        assert_eq!(pause(7), LONGEST_PAUSE);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn without_a_certificate_one_is_due_now() {
        assert_eq!(due(Path::new("/nonexistent")), None);
    }
}
