//! Two connections joined: bytes go both ways, at a bounded pace, until both are silent, done, or out of time.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep, timeout};

/// Bytes held of each direction.
const BUFFER_BYTES: usize = 16 * 1024;

/// What a stream may use.
pub(super) struct Limits {
    pub(super) bytes_per_second: u64,
    pub(super) idle: Duration,
    pub(super) whole: Duration,
}

/// Passes bytes both ways until the stream is over.
pub(super) async fn join(mut one: TcpStream, mut other: TcpStream, limits: &Limits) {
    let (read_one, write_one) = one.split();
    let (read_other, write_other) = other.split();
    let life = Life { began: Instant::now(), moved_ms: AtomicU64::new(0) };
    let both = async {
        tokio::join!(pass(read_one, write_other, limits, &life), pass(read_other, write_one, limits, &life));
    };
    let _ = timeout(limits.whole, both).await;
}

/// When bytes moved last, whichever way: most streams go one way only.
struct Life {
    began: Instant,
    moved_ms: AtomicU64,
}

impl Life {
    fn moved(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved_ms.store(now, Ordering::Relaxed);
    }

    fn silent(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_millis(self.moved_ms.load(Ordering::Relaxed)))
    }
}

/// Ignores what came before the stream began (XEP-0065 section 9.1).
pub(super) fn discard(tcp: &TcpStream) {
    let mut buffer = [0; BUFFER_BYTES];
    // At most what fits into a receive buffer was there before.
    for _ in 0..256 {
        match tcp.try_read(&mut buffer) {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
    }
}

async fn pass(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, limits: &Limits, life: &Life) {
    let _ = copy(&mut from, &mut to, limits, life).await;
    let _ = to.shutdown().await;
}

async fn copy(
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    limits: &Limits,
    life: &Life,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut next = Instant::now();
    loop {
        let patience = limits.idle.saturating_sub(life.silent()).max(Duration::from_millis(1));
        let read = match timeout(patience, from.read(&mut buffer)).await {
            Ok(read) => read?,
            Err(_) if life.silent() < limits.idle => continue,
            Err(silent) => return Err(silent.into()),
        };
        if read == 0 {
            return Ok(());
        }
        timeout(limits.idle, to.write_all(&buffer[..read])).await??;
        life.moved();
        // The pace: each piece takes its time, and time that was not used is not saved up.
        let now = Instant::now();
        next = next.max(now) + Duration::from_secs_f64(read as f64 / limits.bytes_per_second as f64);
        sleep(next - now).await;
    }
}
