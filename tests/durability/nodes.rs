//! Three nodes over one database behind a balancer, while two people write to a third who has three devices, and talk in a
//! room. Any single process is killed at any moment: a node, PostgreSQL, NATS, the balancer; or a node is stopped, and goes on when it
//! is taken for dead; or a node is cut off from PostgreSQL or NATS, in both directions or in one; or the database's power is cut, or
//! its disk full.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;
use waxwing_chat::cluster::LIFE_MS;
use waxwing_tests::server::{Addresses, PATIENCE};

use crate::checker::{Message, Verdict};
use crate::device::{Device, Progress, RECIPIENT};
use crate::faults::{need, trials};
use crate::installation::{Ground, Installation, NATS, NODES, POSTGRES, POSTGRES_PORT, STOPPED, needed};
use crate::network::Direction;
use crate::rooms::{self, Findings, Speaker};
use crate::seed::Seed;
use crate::stage::{Cast, SENDERS, moment};

/// More messages than a sender has on their way at once: so many acknowledged behind a kill, and some were written behind it.
const PORTION: u64 = 6;

/// Longer than a node's life without a word of it.
const STOPPED_FOR: Duration = Duration::from_millis(LIFE_MS + 2_000);

/// Lets a moment pass that the seed chooses.
async fn pause(seed: &mut Seed, below_ms: u64) {
    let _ = timeout(Duration::from_millis(seed.below(below_ms)), pending::<()>()).await;
}

/// Connects, again and again until it works.
async fn come_back(device: &mut Device, address: &Addresses, seed: &mut Seed) {
    while !device.is_connected() {
        match timeout(PATIENCE, device.connect(address)).await {
            Ok(Ok(_)) => return,
            _ => device.disconnect(),
        }
        pause(seed, 200).await;
    }
}

/// Writes in portions until all is over, and comes back whenever the connection is lost.
async fn talk(device: &mut Device, address: &Addresses, mut seed: Seed, over: watch::Receiver<bool>) {
    while !*over.borrow() {
        come_back(device, address, &mut seed).await;
        if device.say(1 + seed.below(PORTION)).await.is_err() || device.hear_acknowledgements().await.is_err()
        {
            device.disconnect();
        }
        pause(&mut seed, 60).await;
    }
}

/// Listens until all is over, and comes back whenever the connection is lost.
async fn hear(device: &mut Device, address: &Addresses, mut seed: Seed, mut over: watch::Receiver<bool>) {
    while !*over.borrow() {
        come_back(device, address, &mut seed).await;
        tokio::select! {
            _ = over.changed() => {}
            () = async { while device.read().await.is_ok() {} } => device.disconnect(),
        }
    }
    // What was half done when it was over is done anew.
    device.disconnect();
}

/// Speaks in the room until all is over, and comes back whenever the connection is lost.
async fn discuss(
    speaker: &mut Speaker,
    address: &Addresses,
    mut seed: Seed,
    mut over: watch::Receiver<bool>,
) {
    while !*over.borrow() {
        match timeout(PATIENCE, speaker.connect(address)).await {
            Ok(Ok(())) => tokio::select! {
                _ = over.changed() => {}
                _ = speaker.speak(seed.fork()) => {}
            },
            _ => pause(&mut seed, 200).await,
        }
        speaker.disconnect();
    }
}

/// The last message of each sender has come to all who hear of it, and with it whatever was on its way to their nodes.
async fn come_to_all(cast: &mut Cast) -> Result<()> {
    let mut last = Vec::new();
    for sender in &mut cast.senders {
        sender.say(1).await?;
        timeout(PATIENCE, sender.hear_acknowledgements()).await.context("the last is not acknowledged")??;
        last.extend(sender.acknowledged.last().map(|number| (sender.user.clone(), *number)));
    }
    for listener in &mut cast.listeners {
        let concerns = |message: &&Message| listener.user == RECIPIENT || message.0 == listener.user;
        let due: Vec<Message> = last.iter().filter(concerns).cloned().collect();
        let came = |listener: &Device, message: &Message| {
            listener.arrivals.iter().rev().any(|arrival| arrival.message == *message)
        };
        let reading = async {
            while !due.iter().all(|message| came(listener, message)) {
                listener.read().await?;
            }
            Ok::<_, anyhow::Error>(())
        };
        timeout(PATIENCE, reading).await.context("the last does not come")??;
    }
    Ok(())
}

/// All speakers are in the room again, and whatever they said is acknowledged.
async fn gather_in_room(speakers: &mut [Speaker], address: &Addresses, seed: &mut Seed) -> Result<()> {
    let until = Instant::now() + 2 * PATIENCE;
    for speaker in speakers {
        while let Err(error) = timeout(PATIENCE, async {
            speaker.connect(address).await?;
            speaker.settle().await
        })
        .await
        .context("what he said is not acknowledged")
        .flatten()
        {
            ensure!(Instant::now() < until, "he does not come back: {error:#}");
            pause(seed, 200).await;
        }
    }
    Ok(())
}

/// How long it took until each sender was told that something is safe which he wrote behind this moment.
async fn converged(progress: Vec<Arc<Progress>>, since: Instant) -> Duration {
    let each = progress.iter().map(async |one| {
        let enough = one.count() + PORTION + 1;
        timeout(4 * PATIENCE, one.reach(enough)).await.expect("it goes on within two minutes");
    });
    join_all(each).await;
    since.elapsed()
}

/// What was done to the installation, and how long it took until everybody was acknowledged something written behind it.
#[derive(Default)]
struct Faults {
    pauses: Vec<(String, Duration)>,
}

impl Faults {
    fn report(&self, verdict: &Verdict, room: &str, seconds: f32) {
        eprintln!(
            "{} faults in {seconds:.0} s: {} messages acknowledged, lost {}, copies in an archive {}, twice at a device {}, out of \
             order {}, not in the archive {}; delivered again under the same id {}\n  {room}",
            self.pauses.len(),
            verdict.acknowledged,
            verdict.lost.len(),
            verdict.copies.len(),
            verdict.duplicates.len(),
            verdict.inversions.len(),
            verdict.invented.len(),
            verdict.repeats.len(),
        );
        let mut kinds: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
        for (what, pause) in &self.pauses {
            kinds.entry(what).or_default().push(*pause);
        }
        for (what, mut pauses) in kinds {
            pauses.sort();
            eprintln!(
                "  {what}: {} times; until everybody was acknowledged again: median {:.2} s, longest {:.2} s",
                pauses.len(),
                pauses[pauses.len() / 2].as_secs_f32(),
                pauses[pauses.len() - 1].as_secs_f32()
            );
        }
    }
}

/// Lets this much time pass, which is part of the fault.
fn last(runtime: &Handle, time: Duration) {
    let _ = runtime.block_on(async { timeout(time, pending::<()>()).await });
}

/// Kills one process after another, each once all are there.
fn kill_all(
    installation: &mut Installation,
    wanted: u64,
    progress: &[Arc<Progress>],
    runtime: &Handle,
) -> Result<Faults> {
    let mut seed = Seed::new(Seed::from_environment());
    let mut faults = Faults::default();
    for number in 0..wanted {
        let (enough, then) = (seed.below(20), Duration::from_micros(seed.below(200_000)));
        // Each in its turn, so that few trials reach all; when, the seed says.
        let which = [0, 3, 1, 4, 2, 5, STOPPED + (number / 7 + 1) % NODES as u64][(number % 7) as usize];
        runtime.block_on(moment(&progress[0], progress[0].count() + enough, then));
        let killed = installation.kill(which)?;
        let back = runtime.spawn(converged(progress.to_vec(), Instant::now()));
        if which >= STOPPED {
            last(runtime, STOPPED_FOR);
        }
        installation.resume(which)?;
        faults.pauses.push((format!("{killed} killed"), runtime.block_on(back).context("it goes on")?));
    }
    Ok(faults)
}

/// What only root can do to an installation, in this order.
#[derive(Clone, Copy)]
enum Harm {
    /// A node is cut off from this program.
    Partition(&'static str, Direction),
    /// A member of NATS's cluster is killed.
    Member,
    /// PostgreSQL is stopped at once, as by `pg_ctl stop -m immediate`.
    Immediate,
    /// The power of PostgreSQL's disk is cut.
    Power,
    /// There is no room for tables.
    Full,
}

const HARMS: [Harm; 10] = [
    Harm::Partition(NATS, Direction::Both),
    Harm::Partition(POSTGRES, Direction::Both),
    Harm::Member,
    Harm::Partition(NATS, Direction::In),
    Harm::Power,
    Harm::Partition(POSTGRES, Direction::In),
    Harm::Full,
    Harm::Partition(NATS, Direction::Out),
    Harm::Immediate,
    Harm::Partition(POSTGRES, Direction::Out),
];

impl Installation {
    /// Does it, waits for as long as it lasts, and makes it good again. What it was is said.
    fn harm(&mut self, harm: Harm, time: Duration, seed: &mut Seed, runtime: &Handle) -> Result<String> {
        let ground = self.ground.as_ref().context("only root can")?;
        match harm {
            Harm::Partition(what, direction) => {
                let port = |at: &String| at.rsplit_once(':').map(|(_, port)| port.to_owned());
                let nats = self.nats_at.iter().filter_map(port).collect();
                let ports = if what == NATS { nats } else { vec![POSTGRES_PORT.to_owned()] };
                let cut = ground.network.cut(seed.below(NODES as u64) as usize, &ports, direction)?;
                last(runtime, time);
                cut.heal()?;
                return Ok(format!("{what} out of a node's reach for {time:?}, {direction:?}"));
            }
            Harm::Member => {
                let member = seed.below(self.nats.len() as u64) as usize;
                self.nats[member].kill()?;
                last(runtime, time);
                self.nats[member].resume(&self.nats_at[member])?;
                return Ok("a member of NATS's cluster killed".to_owned());
            }
            Harm::Immediate => self.postgres.stop_at_once(),
            Harm::Power => {
                self.postgres.freeze();
                ground.disk.cut();
                self.postgres.kill();
                ground.disk.power_up();
            }
            Harm::Full => {
                let ballast = ground.tables.path().join("ballast");
                // All that is left.
                let _ = std::io::copy(&mut std::io::repeat(0), &mut File::create(&ballast)?);
                last(runtime, time);
                fs::remove_file(&ballast)?;
                return Ok("PostgreSQL's disk full".to_owned());
            }
        }
        self.postgres.resume().map_err(anyhow::Error::msg)?;
        Ok(match harm {
            Harm::Power => "PostgreSQL's power cut".to_owned(),
            _ => "PostgreSQL stopped at once".to_owned(),
        })
    }
}

/// Does one harm after another, each once all is whole.
fn harm_all(
    installation: &mut Installation,
    wanted: u64,
    progress: &[Arc<Progress>],
    runtime: &Handle,
) -> Result<Faults> {
    let mut seed = Seed::new(Seed::from_environment());
    let mut faults = Faults::default();
    let long = Duration::from_secs(trials("WAXWING_HARM_SECONDS", LIFE_MS / 1000 + 2));
    for number in 0..wanted {
        let (enough, then) = (seed.below(20), Duration::from_micros(seed.below(200_000)));
        let harm = HARMS[(number % HARMS.len() as u64) as usize];
        // Ten harms, three times: in thirty trials each lasts as long as each other.
        let time = [Duration::from_millis(6), Duration::from_secs(1), long][(number % 3) as usize];
        runtime.block_on(moment(&progress[0], progress[0].count() + enough, then));
        let back = runtime.spawn(converged(progress.to_vec(), Instant::now()));
        let what = installation.harm(harm, time, &mut seed, runtime)?;
        faults.pauses.push((what, runtime.block_on(back).context("it goes on")?));
    }
    Ok(faults)
}

/// Loses the database again and again, each time once the one that took its place is followed in turn.
fn lose_database(
    installation: &mut Installation,
    wanted: u64,
    progress: &[Arc<Progress>],
    runtime: &Handle,
) -> Result<Faults> {
    let mut seed = Seed::new(Seed::from_environment());
    let mut faults = Faults::default();
    for _ in 0..wanted {
        let (enough, then) = (seed.below(20), Duration::from_micros(seed.below(200_000)));
        runtime.block_on(moment(&progress[0], progress[0].count() + enough, then));
        let back = runtime.spawn(converged(progress.to_vec(), Instant::now()));
        installation.fail_over()?;
        let pause = runtime.block_on(back).context("it goes on")?;
        faults.pauses.push(("PostgreSQL lost, and followed by its replica".to_owned(), pause));
    }
    Ok(faults)
}

/// Does so many faults, one after the other, each once all is whole.
type Doing = fn(&mut Installation, u64, &[Arc<Progress>], &Handle) -> Result<Faults>;

/// Has an installation suffer these faults while people talk, and compares what was promised with what is there.
async fn endure(start: impl FnOnce() -> Result<Installation> + Send + 'static, wanted: u64, faults: Doing) {
    let started = tokio::task::spawn_blocking(start).await.expect("no panic");
    let mut installation = started.expect("three nodes, a database, a bus and a balancer");
    let start = Instant::now();
    let address = installation.address.clone();
    let mut cast = Cast::new();
    let progress: Vec<Arc<Progress>> = (0..2 * SENDERS.len()).map(|_| Arc::default()).collect();
    cast.senders = SENDERS
        .iter()
        .zip(&progress)
        .map(|(user, progress)| Device::new(user, "sending", crate::wire::Way::AtOnce, false, progress))
        .collect();
    cast.gather(&address, None).await.expect("everybody is there");
    let in_room = SENDERS.iter().zip(&progress[SENDERS.len()..]);
    let mut speakers: Vec<Speaker> = in_room.map(|(user, progress)| Speaker::new(user, progress)).collect();
    speakers[0].connect(&address).await.expect("the room is made");
    speakers[0].found().await.expect("the room stays");
    let mut seed = Seed::new(Seed::from_environment() ^ 0xca57);
    let (end, over) = watch::channel(false);
    let runtime = Handle::current();
    let faulty = tokio::task::spawn_blocking(move || {
        let faults = faults(&mut installation, wanted, &progress, &runtime);
        let _ = end.send(true);
        (installation, faults)
    });
    let talking: Vec<_> = cast.senders.iter_mut().map(|sender| (sender, seed.fork())).collect();
    let talking = talking.into_iter().map(|(one, seed)| talk(one, &address, seed, over.clone()));
    let hearing: Vec<_> = cast.listeners.iter_mut().map(|listener| (listener, seed.fork())).collect();
    let hearing = hearing.into_iter().map(|(one, seed)| hear(one, &address, seed, over.clone()));
    let discussing: Vec<_> = speakers.iter_mut().map(|speaker| (speaker, seed.fork())).collect();
    let discussing = discussing.into_iter().map(|(one, seed)| discuss(one, &address, seed, over.clone()));
    tokio::join!(join_all(talking), join_all(hearing), join_all(discussing));
    let (installation, faults) = faulty.await.expect("no panic");
    let faults = faults.expect("everything starts again");
    // A node that the balancer still counts on may let nobody in yet.
    for device in cast.senders.iter_mut().chain(&mut cast.listeners) {
        come_back(device, &address, &mut seed).await;
    }
    cast.gather(&address, None).await.expect("everybody is there");
    come_to_all(&mut cast).await.expect("everything comes");
    gather_in_room(&mut speakers, &address, &mut seed).await.expect("everybody is in the room");
    let mut logs = cast.logs().await.expect("the archives can be read");
    let verdict = logs.check();
    let mut findings = Findings::of(speakers).await.expect("the room's archive can be read");
    let of_room = findings.check();
    faults.report(&verdict, &findings.report(&of_room), start.elapsed().as_secs_f32());
    assert!(verdict.is_clean(), "{verdict:#?}");
    assert_eq!(of_room, rooms::Verdict::default());
    // The checkers would have seen a message that one device was not given.
    let (at, missing) = control(&logs.devices[0].arrivals).expect("something came");
    logs.devices[0].arrivals.retain(|arrival| arrival.archived != missing);
    assert!(!logs.check().lost.is_empty(), "without arrival {at} it is clean");
    assert!(findings.fails_where_it_must());
    drop(installation);
}

/// `WAXWING_NODE_KILLS` sets how often something is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_killed_nobody_notices_more_than_a_pause() {
    if needed() {
        endure(|| Installation::start(None), trials("WAXWING_NODE_KILLS", 7), kill_all).await;
    }
}

/// `WAXWING_HARMS` sets how often something is done, `WAXWING_HARM_SECONDS` how long at most.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_cut_off_or_full_nobody_notices_more_than_a_pause() {
    if needed()
        && let Some(ground) = need("nodes that are cut off", Ground::make())
    {
        endure(|| Installation::start(Some(ground)), trials("WAXWING_HARMS", 10), harm_all).await;
    }
}

/// `WAXWING_FAILOVERS` sets how often.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_database_is_lost_its_replica_has_all_that_was_acknowledged() {
    if needed() {
        endure(Installation::start_followed, trials("WAXWING_FAILOVERS", 2), lose_database).await;
    }
}

/// An arrival in the middle.
fn control(arrivals: &[crate::checker::Arrival]) -> Result<(usize, String)> {
    ensure!(!arrivals.is_empty(), "nothing came");
    let at = arrivals.len() / 2;
    Ok((at, arrivals[at].archived.clone()))
}
