//! Contract: what is told when things go wrong.

use super::*;

/// Sends until something arrives, and returns what the other is told meanwhile.
async fn until_heard(from: &Arc<dyn Bus>, to: &Arc<dyn Bus>) -> Vec<BusEvent> {
    let mut told = Vec::new();
    for n in 0.. {
        let word = frame(format!("word {n}"));
        // While they do not know each other again, there is nobody to send to.
        let _ = from.send(to.node(), word);
        while let Ok(Some(event)) = timeout(Duration::from_millis(50), to.next()).await {
            let heard = matches!(&event, BusEvent::Frame(_, bytes) if bytes.starts_with(b"word"));
            told.push(event);
            if heard {
                return told;
            }
        }
        assert!(n < 1000, "nothing is heard any more: {told:?}");
    }
    told
}

/// What stands before `Missed` has arrived, what comes behind it is in order, and what is in between is lost.
pub(crate) async fn tells_what_it_lost(ground: &dyn Ground) {
    let [from, to] = joined(ground).await;
    from.send(to.node(), frame("before")).unwrap();
    assert_eq!(next(&to).await, BusEvent::Frame(from.node(), frame("before")));
    ground.swallow(from.node()).await;
    for n in 0..10 {
        from.broadcast(frame(format!("lost {n}"))).unwrap();
        from.send(to.node(), frame(format!("lost {n}"))).unwrap();
    }
    swallowed(&from).await;
    ground.restore(from.node()).await;
    let told = until_heard(&from, &to).await;
    assert_eq!(told[0], BusEvent::Missed(from.node()), "{told:?}");
    assert!(
        told.iter().all(|event| !matches!(event, BusEvent::Frame(_, bytes) if bytes.starts_with(b"lost")))
    );
    assert!(!told.contains(&BusEvent::Gone(from.node())));
}

/// Even when nothing comes behind it.
pub(crate) async fn tells_what_it_lost_last(ground: &dyn Ground) {
    let [from, to] = joined(ground).await;
    ground.swallow(from.node()).await;
    from.send(to.node(), frame("lost")).unwrap();
    swallowed(&from).await;
    ground.restore(from.node()).await;
    assert_eq!(next(&to).await, BusEvent::Missed(from.node()));
    to.send(from.node(), frame("what was it?")).unwrap();
    until(&from, &BusEvent::Frame(to.node(), frame("what was it?"))).await;
}

/// Lets what a node has to send leave it.
async fn swallowed(from: &Arc<dyn Bus>) {
    let _ = timeout(settings().beat, from.next()).await;
}

/// Who cannot reach the bus for less than it takes to be missed is there afterwards, and everybody with him.
pub(crate) async fn keeps_nodes_through_a_cut(ground: &dyn Ground) {
    let [node, other] = joined(ground).await;
    ground.isolate(node.node()).await;
    assert_eq!(next(&node).await, BusEvent::Cut);
    assert_eq!(*node.others(), [other.node()], "nobody is gone for it");
    node.send(other.node(), frame("in the cut")).unwrap();
    ground.restore(node.node()).await;
    assert_eq!(next(&node).await, BusEvent::Healed);
    assert_eq!(next(&other).await, BusEvent::Frame(node.node(), frame("in the cut")));
    other.send(node.node(), frame("welcome back")).unwrap();
    assert_eq!(next(&node).await, BusEvent::Frame(other.node(), frame("welcome back")));
}

/// Who was missed meanwhile joins again, and both know: each tells `Gone` before `Joined`.
pub(crate) async fn joins_again_after_a_long_cut(ground: &dyn Ground) {
    let [node, first, second] = joined(ground).await;
    ground.isolate(node.node()).await;
    assert_eq!(next(&node).await, BusEvent::Cut);
    for other in [&first, &second] {
        assert_eq!(next(other).await, BusEvent::Gone(node.node()));
    }
    assert_eq!(node.others().len(), 2, "who is cut misses nobody");
    ground.restore(node.node()).await;
    assert_eq!(next(&node).await, BusEvent::Healed);
    let mut told = Vec::new();
    while told.len() < 4 {
        told.push(next(&node).await);
    }
    for other in [&first, &second] {
        let of_it = told.iter().filter(|event| {
            **event == BusEvent::Gone(other.node()) || **event == BusEvent::Joined(other.node())
        });
        let expected = [BusEvent::Gone(other.node()), BusEvent::Joined(other.node())];
        assert_eq!(of_it.cloned().collect::<Vec<_>>(), expected);
        assert_eq!(next(other).await, BusEvent::Joined(node.node()));
        node.send(other.node(), frame("again")).unwrap();
        assert_eq!(next(other).await, BusEvent::Frame(node.node(), frame("again")));
        other.send(node.node(), frame("hello")).unwrap();
        assert_eq!(next(&node).await, BusEvent::Frame(other.node(), frame("hello")));
    }
}

/// Who does not ask for what has come is brought a bounded amount, then told that he missed some.
pub(crate) async fn gives_up_what_nobody_asks_for(ground: &dyn Ground) {
    let [from, to] = joined(ground).await;
    let megabyte = |n: u64| Bytes::from(format!("{n}{}", ".".repeat(900_000)));
    let bound = settings().inbox_bytes / 900_000;
    for n in 0..3 * bound as u64 {
        while from.send(to.node(), megabyte(n)).is_err() {
            let _ = timeout(Duration::from_millis(1), from.next()).await;
        }
    }
    // Until all of it has come, and nobody has asked for it.
    let _ = timeout(settings().node_timeout, from.next()).await;
    let mut seen = Vec::new();
    loop {
        match next(&to).await {
            BusEvent::Missed(_) => break,
            BusEvent::Frame(_, bytes) => seen.push(number_of(&bytes)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, (0..seen.len() as u64).collect::<Vec<_>>());
    assert!(!seen.is_empty() && seen.len() <= bound, "{} of {bound}", seen.len());
    from.send(to.node(), frame("now")).unwrap();
    until(&to, &BusEvent::Frame(from.node(), frame("now"))).await;
}

/// A node that was stopped and goes on reads what has come, and does not take everybody for gone.
pub(crate) async fn wakes_up_again(ground: &dyn Ground) {
    let [sleeper, other] = joined(ground).await;
    ground.freeze(sleeper.node()).await;
    assert_eq!(next(&other).await, BusEvent::Gone(sleeper.node()));
    ground.restore(sleeper.node()).await;
    assert_eq!(next(&other).await, BusEvent::Joined(sleeper.node()));
    until(&sleeper, &BusEvent::Joined(other.node())).await;
    until_heard(&other, &sleeper).await;
    until_heard(&sleeper, &other).await;
}
