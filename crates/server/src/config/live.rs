//! The configuration in force: one snapshot, swapped whole when the file is read again.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::{Config, ConfigError};

/// Holds the snapshot in force. Cheap to clone.
#[derive(Clone)]
pub struct Live {
    file: Option<PathBuf>,
    current: watch::Sender<Arc<Config>>,
}

impl Live {
    /// Puts a configuration in force; `file` is where it was read from, and is read again on reload.
    pub fn new(config: Config, file: Option<PathBuf>) -> Self {
        Self { file, current: watch::Sender::new(Arc::new(config)) }
    }

    /// The snapshot in force.
    pub fn current(&self) -> Arc<Config> {
        self.current.borrow().clone()
    }

    /// Hears of each new snapshot.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Config>> {
        self.current.subscribe()
    }

    /// Reads the file again, without putting it in force yet.
    pub fn read_again(&self) -> Result<Config, ConfigError> {
        match &self.file {
            Some(file) => Config::load(Some(file)).map(|(config, _)| config),
            None => Ok(Config::default()),
        }
    }

    /// Puts another configuration in force and tells everyone.
    pub fn replace(&self, config: Config) {
        self.current.send_replace(Arc::new(config));
    }

    /// The settings that differ from those in force but take effect only when the server starts.
    pub fn needs_restart(&self, new: &Config) -> Vec<&'static str> {
        let old = self.current();
        let differs = [
            ("data_dir", old.data_dir != new.data_dir),
            ("listen", old.listen != new.listen),
            ("bytestreams", old.bytestreams != new.bytestreams),
            ("cluster", old.cluster != new.cluster),
            ("dns", old.dns != new.dns),
            ("files.folder", old.files.folder != new.files.folder),
            ("files.s3", old.files.s3 != new.files.s3),
            ("files.uploads_at_once", old.files.uploads_at_once != new.files.uploads_at_once),
            ("files.downloads_at_once", old.files.downloads_at_once != new.files.downloads_at_once),
            ("http.forwarded_from", old.http.forwarded_from != new.http.forwarded_from),
            ("http.forwarded_header", old.http.forwarded_header != new.http.forwarded_header),
            ("federation.enabled", old.federation.enabled != new.federation.enabled),
            ("log.format", old.log.format != new.log.format),
            ("log.traces_endpoint", old.log.traces_endpoint != new.log.traces_endpoint),
        ];
        differs.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tls::testing::Scratch;

    #[test]
    fn a_reload_swaps_the_snapshot_and_an_error_leaves_it() {
        let scratch = Scratch::new();
        let file = scratch.path().join("waxwing.toml");
        fs::write(&file, "[shutdown]\ndrain_grace_ms = 1_000\n").expect("written");
        let (config, read) = Config::load(Some(&file)).expect("valid");
        let live = Live::new(config, read);
        let heard = live.subscribe();

        fs::write(&file, "[shutdown]\ndrain_grace_ms = 2_000\n").expect("written");
        live.replace(live.read_again().expect("valid"));
        assert_eq!(live.current().shutdown.drain_grace_ms, 2_000);
        assert!(heard.has_changed().expect("the sender is here"));

        fs::write(&file, "[shutdown]\ndrain = 1\n").expect("written");
        assert!(live.read_again().is_err());
        assert_eq!(live.current().shutdown.drain_grace_ms, 2_000);
    }

    #[test]
    fn what_cannot_change_while_running_is_named() {
        let live = Live::new(Config::default(), None);
        let mut new = Config::default();
        new.limits.connections = 7;
        assert!(live.needs_restart(&new).is_empty());
        new.listen.xmpp.clear();
        assert_eq!(live.needs_restart(&new), ["listen"]);
    }
}
