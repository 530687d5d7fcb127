//! Contract: who is there.

use super::*;
use tokio::time::Instant;
use waxwing_chat::nodes::BusError;

pub(crate) async fn meets_whoever_joins(ground: &dyn Ground) {
    let [first, second] = joined(ground).await;
    let third = ground.join().await;
    for node in [&first, &second] {
        assert_eq!(next(node).await, BusEvent::Joined(third.node()));
        third.send(node.node(), frame("hello")).map_or_else(|error| assert_eq!(error, BusError::Gone), drop);
    }
    let mut met = [next(&third).await, next(&third).await];
    met.sort_by_key(|event| format!("{event:?}"));
    let mut expected = [first.node(), second.node()].map(BusEvent::Joined);
    expected.sort_by_key(|event| format!("{event:?}"));
    assert_eq!(met, expected);
}

/// What was sent before it arrives, then it is gone, and takes nothing more itself.
pub(crate) async fn says_goodbye(ground: &dyn Ground) {
    let [staying, going] = joined(ground).await;
    for n in 0..500 {
        if n % 2 == 0 {
            going.send(staying.node(), frame(n)).unwrap();
        } else {
            going.broadcast(frame(n)).unwrap();
        }
    }
    let began = Instant::now();
    going.close().await;
    assert_eq!(going.send(staying.node(), frame("late")), Err(BusError::Gone));
    assert_eq!(going.broadcast(frame("late")), Err(BusError::Gone));
    let told = until(&staying, &BusEvent::Gone(going.node())).await;
    assert!(began.elapsed() < settings().node_timeout, "it need not be missed first");
    assert_eq!(numbers(&told[..told.len() - 1], going.node()), (0..500).collect::<Vec<_>>());
    assert_eq!(staying.others().len(), 0);
    assert_eq!(staying.send(going.node(), frame("where are you")), Err(BusError::Gone));
    while let Some(event) = going.next().await {
        assert!(!matches!(event, BusEvent::Gone(_)), "who closes is told nothing");
    }
}

/// Nobody listens in the place of a process that was killed: that is noticed before it is missed.
pub(crate) async fn notices_the_dead(ground: &dyn Ground) {
    let [first, second, killed] = joined(ground).await;
    let began = Instant::now();
    ground.kill(killed.node()).await;
    for node in [&first, &second] {
        assert_eq!(next(node).await, BusEvent::Gone(killed.node()));
        assert_eq!(node.others().len(), 1);
        assert_eq!(node.send(killed.node(), frame("hello")), Err(BusError::Gone));
    }
    assert!(began.elapsed() < settings().node_timeout, "after {:?}", began.elapsed());
    first.send(second.node(), frame("we are left")).unwrap();
    assert_eq!(next(&second).await, BusEvent::Frame(first.node(), frame("we are left")));
}

pub(crate) async fn notices_the_silent(ground: &dyn Ground) {
    let [first, second, silent] = joined(ground).await;
    let began = Instant::now();
    ground.freeze(silent.node()).await;
    for node in [&first, &second] {
        assert_eq!(next(node).await, BusEvent::Gone(silent.node()));
    }
    let settings = settings();
    assert!(began.elapsed() > settings.node_timeout - settings.beat, "after {:?}", began.elapsed());
    assert!(began.elapsed() < settings.node_timeout * 3, "after {:?}", began.elapsed());
}

pub(crate) async fn knows_no_strangers(ground: &dyn Ground) {
    let alone = ground.join().await;
    assert_eq!(alone.send(NodeId(1), frame("hello")), Err(BusError::Gone));
    assert_eq!(alone.send(alone.node(), frame("hello")), Err(BusError::Gone));
    assert_eq!(alone.broadcast(frame("nobody hears this")), Ok(()));
    let other = ground.join().await;
    assert_eq!(next(&other).await, BusEvent::Joined(alone.node()));
    alone.close().await;
    let told = until(&other, &BusEvent::Gone(alone.node())).await;
    assert_eq!(told.len(), 1, "what was sent before is not for who came behind it");
}

/// Who joins gets a snapshot from each that is there, and behind it everything that happens: nothing falls in between.
pub(crate) async fn takes_a_snapshot_on_joining(ground: &dyn Ground) {
    let [teller, listener] = joined(ground).await;
    let mut told = 0;
    let late = ground.join().await;
    let mut snapshot_at = None;
    while snapshot_at.is_none_or(|at| told < at + 500) {
        told += 1;
        teller.broadcast(frame(told)).unwrap();
        assert_eq!(next_frame(&listener).await, BusEvent::Frame(teller.node(), frame(told)));
        if snapshot_at.is_none()
            && let Ok(Some(event)) = timeout(Duration::ZERO, teller.next()).await
        {
            assert_eq!(event, BusEvent::Joined(late.node()));
            teller.send(late.node(), frame(format!("1000000{told}"))).unwrap();
            snapshot_at = Some(told);
        }
    }
    let events = until(&late, &BusEvent::Frame(teller.node(), frame(told))).await;
    let from_teller: Vec<_> = events
        .into_iter()
        .filter(|event| !matches!(event, BusEvent::Joined(node) if *node == listener.node()))
        .collect();
    assert_eq!(from_teller[0], BusEvent::Joined(teller.node()));
    let seen = numbers(&from_teller[1..], teller.node());
    let at = seen.iter().position(|number| *number > 1_000_000).expect("the snapshot");
    let snapshot = snapshot_at.unwrap();
    assert_eq!(seen[at].to_string(), format!("1000000{snapshot}"));
    assert_eq!(seen[at + 1..], (snapshot + 1..=told).collect::<Vec<_>>());
    assert!(seen[..at].is_sorted_by(|a, b| a + 1 == *b), "{:?}", &seen[..at]);
}

/// The next frame, whoever joins meanwhile.
async fn next_frame(bus: &Arc<dyn Bus>) -> BusEvent {
    loop {
        match next(bus).await {
            BusEvent::Joined(_) => {}
            other => return other,
        }
    }
}
