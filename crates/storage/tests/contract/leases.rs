//! Contract: who may act, of a store that several nodes share.

// Stores of one node have none.
#![allow(dead_code)]

use std::sync::Arc;

use waxwing_chat::nodes::{Held, Leases, NodeId};
use waxwing_chat::store::StoreError;

/// A life that outlasts the test.
const LONG_MS: u64 = 600_000;

const ONE: NodeId = NodeId(1);
const OTHER: NodeId = NodeId(u64::MAX);

/// Gives a node a life that is over at once.
async fn let_die(leases: &Arc<dyn Leases>, node: NodeId) {
    leases.renew(node, 1).await.expect("it is alive");
    while leases.holder("its own").await.expect("an answer").is_some() {
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn one_alone_holds(leases: Arc<dyn Leases>) {
    for node in [ONE, OTHER] {
        leases.renew(node, LONG_MS).await.unwrap();
    }
    assert_eq!(leases.holder("room/a").await.unwrap(), None);
    let held = leases.hold("room/a", ONE).await.unwrap();
    assert_eq!(held.node, ONE);
    assert_eq!(leases.hold("room/a", OTHER).await.unwrap(), held, "it is told who does");
    assert_eq!(leases.hold("room/a", ONE).await.unwrap(), held, "it stays what it is");
    assert_eq!(leases.holder("room/a").await.unwrap(), Some(held));
    let second = leases.hold("room/b", OTHER).await.unwrap();
    assert_eq!(second.node, OTHER);
    // Nobody gives back what is not his.
    leases.release("room/a", second).await.unwrap();
    leases.release("room/a", Held { epoch: held.epoch + 1, ..held }).await.unwrap();
    assert_eq!(leases.holder("room/a").await.unwrap(), Some(held));
    leases.release("room/a", held).await.unwrap();
    assert_eq!(leases.holder("room/a").await.unwrap(), None);
    let next = leases.hold("room/a", OTHER).await.unwrap();
    assert!(next.node == OTHER && next.epoch > held.epoch, "{next:?}");
}

pub(crate) async fn the_dead_hold_nothing(leases: Arc<dyn Leases>) {
    let stranger = leases.hold("its own", ONE).await;
    assert!(matches!(stranger, Err(StoreError::NotFound)), "whoever has not said that he lives");
    leases.renew(ONE, 1).await.unwrap();
    leases.renew(OTHER, LONG_MS).await.unwrap();
    // It may have died before it could take anything.
    let held = leases.hold("its own", ONE).await.ok();
    let_die(&leases, ONE).await;
    let taken = leases.hold("its own", OTHER).await.unwrap();
    assert_eq!(taken.node, OTHER);
    if let Some(held) = held {
        assert!(taken.epoch > held.epoch);
        assert!(matches!(leases.renew(ONE, LONG_MS).await, Err(StoreError::NotFound)), "it was found dead");
        assert!(matches!(leases.hold("another", ONE).await, Err(StoreError::NotFound)));
        leases.release("its own", held).await.unwrap();
    }
    assert_eq!(leases.holder("its own").await.unwrap(), Some(taken));
}

pub(crate) async fn who_leaves_gives_everything_back(leases: Arc<dyn Leases>) {
    for node in [ONE, OTHER] {
        leases.renew(node, LONG_MS).await.unwrap();
    }
    let (a, b) = (leases.hold("a", ONE).await.unwrap(), leases.hold("b", ONE).await.unwrap());
    let kept = leases.hold("c", OTHER).await.unwrap();
    leases.forget(ONE).await.unwrap();
    leases.forget(ONE).await.unwrap();
    assert_eq!(leases.holder("a").await.unwrap(), None);
    let (next_a, next_b) = (leases.hold("a", OTHER).await.unwrap(), leases.hold("b", OTHER).await.unwrap());
    assert!(next_a.epoch > a.epoch && next_b.epoch > b.epoch);
    assert_eq!(leases.holder("c").await.unwrap(), Some(kept));
}

pub(crate) async fn of_many_who_try_one_wins(leases: Arc<dyn Leases>) {
    let nodes: Vec<NodeId> = (1..=8).map(NodeId).collect();
    for node in &nodes {
        leases.renew(*node, LONG_MS).await.unwrap();
    }
    for what in ["a", "b", "c"] {
        let tries: Vec<_> = nodes
            .iter()
            .map(|node| {
                let (leases, node) = (leases.clone(), *node);
                tokio::spawn(async move { leases.hold(what, node).await.unwrap() })
            })
            .collect();
        let mut told = Vec::new();
        for held in tries {
            told.push(held.await.unwrap());
        }
        assert!(told.iter().all(|held| *held == told[0]), "{told:?}");
        leases.release(what, told[0]).await.unwrap();
    }
}
