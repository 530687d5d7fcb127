//! What the service manager is told: ready, reloading, stopping, and that the process still lives (sd_notify(3)).

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::debug;

/// What writing everything down at the end may take beside what the configuration says.
const STOP_MARGIN: Duration = Duration::from_secs(10);

/// Tells the service manager that the server answers. Does nothing without one.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Tells that the configuration is being read again (Type=notify-reload). [`ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => debug!(%error, "the monotonic clock cannot be read"),
    }
}

/// Tells that the server drains.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells how long stopping may take, where that may be longer than the unit says (`TimeoutStopSec=`).
pub fn stops_within(time: Duration) {
    let micros = u32::try_from((time + STOP_MARGIN).as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::ExtendTimeoutUsec(micros)]);
}

/// One line on what the server does, shown by `systemctl status`.
pub fn status(text: &str) {
    tell(&[NotifyState::Status(text)]);
}

/// Tells, as often as the service manager asks for it, that this runtime still turns. Never returns when it does
/// ask; returns at once when it does not (no `WatchdogSec=`).
pub async fn watchdog() {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    // sd_watchdog_enabled(3) recommends half the limit.
    let mut tick = tokio::time::interval((limit / 2).max(Duration::from_millis(1)));
    loop {
        tick.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        debug!(%error, "the service manager did not hear");
    }
}
