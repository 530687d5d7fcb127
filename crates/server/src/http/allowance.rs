//! How much may be read from a connection whose peer has not signed in, before what it sends is a whole message.
//!
//! The WebSocket below holds a message until it is complete, and its own limit cannot change once the peer has signed in.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What more may be read; shared by a connection and whoever knows what it is for.
#[derive(Debug, Clone)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    /// As much as there is, as for HTTP, which has limits of its own.
    pub(super) fn unlimited() -> Self {
        Self(Arc::new(AtomicUsize::new(usize::MAX)))
    }

    /// From now on so many bytes.
    pub(super) fn set(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    /// From now on as many as there are.
    pub(super) fn lift(&self) {
        self.set(usize::MAX);
    }

    fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// The connection's task alone reads and sets it, so that nothing happens in between.
    fn spend(&self, bytes: usize) {
        let left = self.left();
        if left != usize::MAX {
            self.set(left.saturating_sub(bytes));
        }
    }
}

/// A connection that ends with an error when it has sent more than it is allowed to.
pub(super) struct Allowed<S> {
    inner: S,
    allowance: Allowance,
}

impl<S> Allowed<S> {
    pub(super) fn new(inner: S, allowance: Allowance) -> Self {
        Self { inner, allowance }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Allowed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.allowance.left() == 0 {
            let why = "too much was sent before signing in";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.allowance.spend(buffer.filled().len() - before);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Allowed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn reading_ends_where_the_allowance_does() {
        let allowance = Allowance::unlimited();
        let mut connection = Allowed::new(&[b'x'; 100][..], allowance.clone());
        let mut buffer = [0; 10];
        assert_eq!(connection.read(&mut buffer).await.expect("read"), 10);
        allowance.set(15);
        assert_eq!(connection.read(&mut buffer).await.expect("read"), 10);
        assert_eq!(
            connection.read(&mut buffer).await.expect("read"),
            10,
            "what came with the last allowed byte"
        );
        assert!(connection.read(&mut buffer).await.is_err());
        allowance.set(1);
        assert_eq!(connection.read(&mut buffer).await.expect("read"), 10);
        allowance.lift();
        for _ in 0..6 {
            assert_eq!(connection.read(&mut buffer).await.expect("read"), 10);
        }
        assert_eq!(connection.read(&mut buffer).await.expect("the end"), 0);
    }
}
