//! The stage: the real server with its data on a disk that can be broken, the accounts, and their devices.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::future::{join_all, try_join_all};
use tokio::time::{sleep, timeout};
use waxwing_tests::server::{Addresses, PATIENCE};
use waxwing_tests::world::password;
use waxwing_tests::{Server, Setup};

use crate::checker::{Logs, Verdict};
use crate::device::{Device, Progress, RECIPIENT};
use crate::seed::Seed;
use crate::wire::Way;

/// Those who write to the recipient.
pub(crate) const SENDERS: [&str; 2] = ["romeo", "mercutio"];

/// A server with accounts whose data can be made fresh again.
pub(crate) struct Stage {
    pub(crate) server: Server,
    pristine: PathBuf,
}

impl Stage {
    /// Makes the accounts in a data folder on this disk, and stops.
    pub(crate) fn new(disk: &Path) -> Result<Self> {
        let open = "[xmpp]\nplaintext_on_loopback = true\n[log]\nlevel = \"warn\"";
        let setup = Setup::default().section(open).data(&disk.join("data"));
        let mut server = Server::start(env!("CARGO_BIN_EXE_waxwing"), &setup)?;
        for user in SENDERS.iter().chain([&RECIPIENT]) {
            let jid = format!("{user}@localhost");
            server.admin(&["user", "add", &jid, "--password-stdin"], &format!("{}\n", password(user)))?;
        }
        server.terminate()?;
        let pristine = server.folder().join("pristine");
        let stage = Self { server, pristine };
        copy(&stage.server.data(), &stage.pristine)?;
        Ok(stage)
    }

    /// Puts the data back as it was when the accounts were made. The server must be down.
    pub(crate) fn renew(&self) -> Result<()> {
        let data = self.server.data();
        if data.exists() {
            std::fs::remove_dir_all(&data)?;
        }
        copy(&self.pristine, &data)?;
        // What `cp` wrote would not survive the first power cut.
        let status = Command::new("sync").arg("--file-system").arg(&data).status()?;
        ensure!(status.success(), "the disk cannot be synced");
        Ok(())
    }

    pub(crate) fn address(&self) -> Addresses {
        self.server.addresses().clone()
    }

    pub(crate) fn stop(&self) -> Result<()> {
        stop(&self.server)
    }
}

/// Stops a process dead. What a thread of it is doing in the kernel may still end, but none gets to say anything.
pub(crate) fn stop(server: &Server) -> Result<()> {
    server.signal("STOP")?;
    let still = |task: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
        matches!(state, Some('T' | 'D'))
    };
    let tasks = format!("/proc/{}/task", server.pid());
    while !std::fs::read_dir(&tasks)?.flatten().all(still) {
        std::thread::yield_now();
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status()?;
    ensure!(status.success(), "the data folder cannot be copied");
    Ok(())
}

/// Everybody's devices.
pub(crate) struct Cast {
    pub(crate) senders: Vec<Device>,
    /// The recipient's three, and one of a sender's that gets copies of what he sends.
    pub(crate) listeners: Vec<Device>,
    pub(crate) progress: Arc<Progress>,
}

impl Cast {
    pub(crate) fn new() -> Self {
        let progress = Arc::new(Progress::default());
        let sender = |user| Device::new(user, "sending", Way::AtOnce, false, &progress);
        let listener = |user, resource, way| Device::new(user, resource, way, true, &progress);
        let listeners = vec![
            listener(RECIPIENT, "phone", Way::AtOnce),
            listener(RECIPIENT, "desk", Way::StepByStep),
            listener(RECIPIENT, "tablet", Way::StepByStep),
            listener(SENDERS[0], "watching", Way::AtOnce),
        ];
        Self { senders: SENDERS.iter().map(|user| sender(user)).collect(), listeners, progress }
    }

    /// All who are not connected connect, resume or sign in anew, get what they missed, and send again what was not
    /// acknowledged; afterwards nothing is under way. Those of `absent` stay away.
    pub(crate) async fn gather(&mut self, address: &Addresses, absent: Option<usize>) -> Result<()> {
        let senders = self.senders.iter_mut().map(async |sender| {
            connected(sender, address).await?;
            sender.hear_acknowledgements().await
        });
        let present = |(at, listener)| (Some(at) != absent).then_some(listener);
        let listeners = self
            .listeners
            .iter_mut()
            .enumerate()
            .filter_map(present)
            .map(async |l| connected(l, address).await);
        let all = async { tokio::try_join!(try_join_all(senders), try_join_all(listeners)) };
        timeout(PATIENCE, all).await.context("they do not come back")??;
        for listener in self.listeners.iter_mut().filter(|listener| listener.is_connected()) {
            timeout(PATIENCE, listener.settle()).await.context("no answer")??;
        }
        Ok(())
    }

    /// Everybody talks and listens until the connections break; some come and go meanwhile.
    pub(crate) async fn play(&mut self, address: &Addresses, seed: &mut Seed) {
        let senders: Vec<_> = self.senders.iter_mut().map(|sender| (sender, seed.fork())).collect();
        let senders =
            senders.into_iter().map(async |(s, mut seed)| s.say_until_broken(|| 1 + seed.below(12)).await);
        let listeners: Vec<_> = self.listeners.iter_mut().map(|listener| (listener, seed.fork())).collect();
        let listeners = listeners.into_iter().map(async |(l, seed)| come_and_go(l, address, seed).await);
        tokio::join!(join_all(senders), join_all(listeners));
    }

    /// The logs for the checker, with the archives as they are now. Everybody must be connected.
    pub(crate) async fn logs(&mut self) -> Result<Logs> {
        let mut archives = Vec::new();
        for device in self.senders.iter_mut().chain(self.listeners.first_mut()) {
            archives.push(timeout(PATIENCE, device.audit()).await.context("the archive is silent")??);
        }
        let acknowledged = |sender: &Device| {
            let numbers = sender.acknowledged.iter();
            numbers.map(|number| (sender.user.clone(), *number)).collect::<Vec<_>>()
        };
        Ok(Logs {
            recipient: RECIPIENT.to_owned(),
            acknowledged: self.senders.iter().flat_map(acknowledged).collect(),
            archives,
            devices: self.listeners.iter().map(Device::log).collect(),
        })
    }

    /// What the checker says; anything that may never be is written out.
    pub(crate) async fn verdict(&mut self) -> Result<Verdict> {
        Ok(self.logs().await?.check())
    }
}

async fn connected(device: &mut Device, address: &Addresses) -> Result<()> {
    if !device.is_connected() {
        device.connect(address).await.with_context(|| format!("{}/{}", device.user, device.resource))?;
    }
    Ok(())
}

/// One in four loses its connection and resumes its stream; one in eight goes away.
async fn come_and_go(device: &mut Device, address: &Addresses, mut seed: Seed) {
    let chance = seed.below(8);
    if chance < 3 && device.listen(1 + seed.below(40)).await {
        device.disconnect();
        if chance > 0 && device.connect(address).await.is_err() {
            device.disconnect();
        }
    }
    device.listen(u64::MAX).await;
}

/// Waits until so many messages were acknowledged, and then until the moment that the seed chooses.
pub(crate) async fn moment(progress: &Progress, enough: u64, then: Duration) {
    if timeout(PATIENCE, progress.reach(enough)).await.is_err() {
        return;
    }
    sleep(then).await;
}
