//! Contract: what is carried, in which order, how large and how much.

use super::*;
use waxwing_chat::nodes::{BusError, FRAME_BYTES_LIMIT};

/// Everything that one node sends arrives at each other in the order in which it was sent, by whichever way.
pub(crate) async fn keeps_order_of_sends_and_broadcasts(ground: &dyn Ground) {
    const FRAMES: u64 = 4000;
    let nodes: [Arc<dyn Bus>; 3] = joined(ground).await;
    let mut expected = vec![vec![Vec::new(); 3]; 3];
    for n in 0..FRAMES {
        let from = (n % 3) as usize;
        // Runs of both kinds, of all lengths.
        match (n / 3).wrapping_mul(n / 7 + 1) % 5 {
            0 | 1 => {
                nodes[from].broadcast(frame(n)).unwrap();
                (0..3).filter(|to| *to != from).for_each(|to| expected[to][from].push(n));
            }
            turn => {
                let to = (from + 1 + (turn % 2) as usize) % 3;
                nodes[from].send(nodes[to].node(), frame(n)).unwrap();
                expected[to][from].push(n);
            }
        }
    }
    for (to, node) in nodes.iter().enumerate() {
        let total: usize = expected[to].iter().map(Vec::len).sum();
        let mut seen = vec![Vec::new(); 3];
        for _ in 0..total {
            match next(node).await {
                BusEvent::Frame(from, bytes) => {
                    let from = nodes.iter().position(|node| node.node() == from).expect("a node");
                    seen[from].push(number_of(&bytes));
                }
                other => panic!("nothing was lost, and there was {other:?}"),
            }
        }
        assert_eq!(seen, expected[to]);
    }
}

pub(crate) async fn carries_the_largest_and_no_larger(ground: &dyn Ground) {
    let [from, to] = joined(ground).await;
    let largest = Bytes::from(vec![b'x'; FRAME_BYTES_LIMIT]);
    let larger = Bytes::from(vec![b'x'; FRAME_BYTES_LIMIT + 1]);
    assert_eq!(from.send(to.node(), larger.clone()), Err(BusError::TooLarge));
    assert_eq!(from.broadcast(larger), Err(BusError::TooLarge));
    from.send(to.node(), largest.clone()).unwrap();
    from.broadcast(largest.clone()).unwrap();
    from.send(to.node(), Bytes::new()).unwrap();
    for expected in [largest.clone(), largest, Bytes::new()] {
        match next(&to).await {
            BusEvent::Frame(node, bytes) => assert!(node == from.node() && bytes == expected),
            other => panic!("{other:?}"),
        }
    }
}

/// What cannot leave waits up to a bound; behind it the sender is told at once, and nothing that was taken is lost for it.
pub(crate) async fn takes_only_so_much(ground: &dyn Ground) {
    let [from, to] = joined(ground).await;
    ground.isolate(from.node()).await;
    assert_eq!(next(&from).await, BusEvent::Cut);
    let kilobyte = |n: u64| Bytes::from(format!("{n}{}", ".".repeat(1000)));
    let mut taken = 0;
    let refused = loop {
        match from.send(to.node(), kilobyte(taken)) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, BusError::Full);
    assert_eq!(from.broadcast(kilobyte(0)), Err(BusError::Full));
    let bound = settings().queue_bytes as u64 / 1000;
    assert!(taken > bound / 2 && taken <= bound, "{taken} of {bound}");
    ground.restore(from.node()).await;
    assert_eq!(next(&from).await, BusEvent::Healed);
    let last = BusEvent::Frame(to.node(), frame("I have them"));
    let mut seen = Vec::new();
    while seen.last() != Some(&(taken - 1)) {
        match next(&to).await {
            BusEvent::Frame(_, bytes) => seen.push(number_of(&bytes)),
            other => panic!("{other:?} after {}", seen.len()),
        }
    }
    assert_eq!(seen, (0..taken).collect::<Vec<_>>());
    to.send(from.node(), frame("I have them")).unwrap();
    assert_eq!(next(&from).await, last);
    from.send(to.node(), frame("good")).unwrap();
    assert_eq!(next(&to).await, BusEvent::Frame(from.node(), frame("good")));
}

/// Two threads that send at once: each one's frames keep their order, and none comes twice or is missing.
pub(crate) async fn brings_each_once(ground: &dyn Ground) {
    const EACH: u64 = 2000;
    let [from, to] = joined(ground).await;
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let (from, to) = (from.clone(), to.node());
            tokio::spawn(async move {
                for n in 0..EACH {
                    let frame = frame(sender * EACH + n);
                    if n % 3 == 0 {
                        from.broadcast(frame).unwrap()
                    } else {
                        from.send(to, frame).unwrap()
                    }
                    if n % 50 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    let mut next_of = [0; 4];
    for _ in 0..4 * EACH {
        let event = next(&to).await;
        let number = numbers(&[event], from.node())[0];
        let sender = (number / EACH) as usize;
        assert_eq!(number % EACH, next_of[sender], "of sender {sender}");
        next_of[sender] += 1;
    }
    to.send(from.node(), frame("all")).unwrap();
    assert_eq!(next(&from).await, BusEvent::Frame(to.node(), frame("all")));
}

/// Many nodes at once, each heard by each.
pub(crate) async fn is_heard_by_everybody(ground: &dyn Ground) {
    let nodes: [Arc<dyn Bus>; 6] = joined(ground).await;
    for node in &nodes {
        node.broadcast(frame(node.node())).unwrap();
    }
    for node in &nodes {
        let mut heard = Vec::new();
        for _ in 0..nodes.len() - 1 {
            match next(node).await {
                BusEvent::Frame(from, bytes) => {
                    assert_eq!(bytes, frame(from));
                    heard.push(from);
                }
                other => panic!("{other:?}"),
            }
        }
        heard.sort();
        assert_eq!(heard, *node.others());
    }
}
