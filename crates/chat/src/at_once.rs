//! Several questions to the store, or writes, on their way together: one transaction takes all writes, and its readers answer side by side.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use crate::store::StoreResult;

/// How many writes are under way at a time: as many as the store takes into one transaction.
pub(crate) const WRITES_AT_ONCE: usize = 256;

/// How many questions of one kind are under way at a time for one who asks, so that others have their turn too.
pub(crate) const READS_AT_ONCE: usize = 16;

/// Something to be found out.
pub(crate) type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Finds out all of this, some at a time, and gives back the outcomes in the order of the questions.
pub(crate) async fn gathered<'a, T>(work: impl IntoIterator<Item = Work<'a, T>>) -> Vec<T> {
    let mut waiting = work.into_iter().enumerate();
    let mut under_way: Vec<(usize, Work<'a, T>)> = Vec::with_capacity(READS_AT_ONCE);
    let mut found: Vec<(usize, T)> = Vec::new();
    poll_fn(|context| {
        loop {
            let room = READS_AT_ONCE - under_way.len();
            under_way.extend(waiting.by_ref().take(room));
            let before = under_way.len();
            under_way.retain_mut(|(number, work)| match work.as_mut().poll(context) {
                Poll::Ready(outcome) => {
                    found.push((*number, outcome));
                    false
                }
                Poll::Pending => true,
            });
            if under_way.len() == before {
                return if before == 0 { Poll::Ready(()) } else { Poll::Pending };
            }
        }
    })
    .await;
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, outcome)| outcome).collect()
}

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
    async fn questions_are_answered_side_by_side_and_in_order() {
        let under_way = std::sync::atomic::AtomicUsize::new(0);
        let most = std::sync::atomic::AtomicUsize::new(0);
        let work = |number: usize| -> Work<'_, usize> {
            let (under_way, most) = (&under_way, &most);
            Box::pin(async move {
                use std::sync::atomic::Ordering::SeqCst;
                most.fetch_max(under_way.fetch_add(1, SeqCst) + 1, SeqCst);
                for _ in 0..=number % 5 {
                    tokio::task::yield_now().await;
                }
                under_way.fetch_sub(1, SeqCst);
                number
            })
        };
        let found = gathered((0..100).map(work)).await;
        assert_eq!(found, (0..100).collect::<Vec<_>>());
        assert_eq!(most.into_inner(), READS_AT_ONCE);
        assert_eq!(gathered(Vec::<Work<'_, ()>>::new()).await, []);
    }

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
