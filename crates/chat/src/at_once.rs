//! Several writes on their way into the store together, so that one transaction takes them all.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use crate::store::StoreResult;

/// How many writes are under way at a time: as many as the store takes into one transaction.
pub(crate) const WRITES_AT_ONCE: usize = 256;

/// A write that the store has begun.
pub(crate) type Write<'a> = Pin<Box<dyn Future<Output = StoreResult<()>> + Send + 'a>>;

/// Waits for all of these writes, and gives back those outcomes that are errors. The caller gives no more than
/// [`WRITES_AT_ONCE`].
pub(crate) async fn all(writes: impl Iterator<Item = Write<'_>>) -> Vec<crate::store::StoreError> {
    let mut writes: Vec<Write<'_>> = writes.collect();
    let mut errors = Vec::new();
    poll_fn(|context| {
        writes.retain_mut(|write| match write.as_mut().poll(context) {
            Poll::Ready(outcome) => {
                errors.extend(outcome.err());
                false
            }
            Poll::Pending => true,
        });
        if writes.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[tokio::test]
    async fn all_are_under_way_together() {
        let barrier = tokio::sync::Barrier::new(3);
        let write = |outcome: StoreResult<()>| -> Write<'_> {
            let barrier = &barrier;
            Box::pin(async move {
                barrier.wait().await;
                outcome
            })
        };
        let writes = [write(Ok(())), write(Err(StoreError::NotFound)), write(Ok(()))];
        let errors = all(writes.into_iter()).await;
        assert!(matches!(errors[..], [StoreError::NotFound]));
    }
}
