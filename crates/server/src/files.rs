//! The configuration of files: how much people may upload, where the content is kept, and for how long (XEP-0363).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use waxwing_chat::Chat;
use waxwing_chat::files::FileSettings;
use waxwing_chat::files::blobs::Blobs;
use waxwing_storage::blobs::folder::Folder;
use waxwing_storage::blobs::object_storage::{Bucket, ObjectStorage};

use crate::config::{Live, config};

/// How long object storage may take to answer at the start.
const CHECK: Duration = Duration::from_secs(30);

config! {
    /// Files that people share by a link (XEP-0363).
    pub struct Config {
        /// Take files. Off, the service is not offered; files that are there can still be read.
        enabled: bool = true,
        /// Where files are found; `{domain}` stands for the domain of whoever uploads, and the file's id and name follow.
        /// Unset: the domain itself, with the port of `listen.https`, under `/files/`; without HTTPS that of `listen.http`
        /// if it is on loopback, for the web client alone. Set it when a proxy stands in front. A host name of its own keeps what people upload apart from everything else, in the eyes of browsers.
        /// Example: "https://files.example.org/files/"
        url: Option<String> = None,
        /// Bytes of one file.
        file_bytes_limit: u64 = FileSettings::default().file_bytes_limit,
        /// Bytes of one file that belongs to a profile, such as an avatar.
        profile_file_bytes_limit: u64 = FileSettings::default().profile_file_bytes_limit,
        /// Bytes of all files of one account.
        quota_bytes: u64 = FileSettings::default().quota_bytes,
        /// Bytes of all files that belong to one account's profile. They count to its quota too.
        profile_quota_bytes: u64 = FileSettings::default().profile_quota_bytes,
        /// How many files one account may begin to upload in an hour.
        files_per_hour_limit: u32 = FileSettings::default().files_per_hour_limit,
        /// The media types taken, as in ["image/*", "application/pdf"]. Empty: all. What a client says is believed; a
        /// browser is never led to execute a file, whatever its type.
        media_types: Vec<String> = Vec::new(),
        /// How long a client may wait between asking for a place and beginning to upload.
        slot_lifetime_ms: u64 = FileSettings::default().slot_lifetime_ms,
        /// Bytes a second that an upload has to reach on average, beside one minute that each has. What is slower is
        /// broken off.
        slowest_upload_bytes_per_second: u64 = FileSettings::default().slowest_upload_bytes_per_second,
        /// How long an upload may stand still before it is broken off.
        stall_timeout_ms: u64 = 30_000,
        /// Uploads at one time. More are told to come back later.
        uploads_at_once: usize = 128,
        /// Downloads at one time. More are told to come back later.
        downloads_at_once: usize = 1_024,
        /// Days that files sent with messages are kept. 0: until somebody deletes them. Files of profiles are not removed
        /// by age.
        retention_days: u64 = 0,
        /// How often files whose time is over, and what was left of others, are removed. Nobody can read them from the
        /// moment on that their time is over.
        removal_interval_ms: u64 = 60_000,
        /// People may ask for places whose files outlast `retention_days`.
        permanent: bool = false,
        /// Make small pictures of pictures when somebody asks for one.
        thumbnails: bool = true,
        /// Pixels of the largest picture that a small one is made of. Four bytes of memory are needed for each.
        thumbnail_pixels_limit: u64 = 25_000_000,
        /// The folder in which files are kept. Unset: `files` in `data_dir`.
        /// Example: "/srv/waxwing-files"
        folder: Option<PathBuf> = None,
        /// Object storage that speaks the protocol of S3, in place of a folder.
        s3: ObjectStorageConfig = ObjectStorageConfig::default(),
    }
}

config! {
    /// Object storage that speaks the protocol of S3. In force once `bucket` is set.
    pub struct ObjectStorageConfig {
        /// The bucket, which has to be there.
        /// Example: "waxwing"
        bucket: Option<String> = None,
        /// The address of the service. Unset: Amazon's own. With http:// the traffic can be read on its way.
        /// Example: "https://s3.example.org"
        endpoint: Option<String> = None,
        /// The region that requests are signed for.
        region: String = "us-east-1".to_owned(),
        /// The name of the access key.
        access_key_id: String = String::new(),
        /// A file that holds the secret access key and nothing else.
        /// Example: "/run/credentials/waxwing.service/s3-key"
        secret_access_key_file: Option<PathBuf> = None,
        /// What stands before the name of each object.
        prefix: String = String::new(),
    }
}

/// What the configuration says to the domain.
pub fn settings(config: &crate::config::Config) -> FileSettings {
    let files = &config.files;
    FileSettings {
        url: files.enabled.then(|| url(config)).flatten(),
        file_bytes_limit: files.file_bytes_limit,
        profile_file_bytes_limit: files.profile_file_bytes_limit,
        quota_bytes: files.quota_bytes,
        profile_quota_bytes: files.profile_quota_bytes,
        files_per_hour_limit: files.files_per_hour_limit,
        media_types: files.media_types.clone(),
        slot_lifetime_ms: files.slot_lifetime_ms,
        slowest_upload_bytes_per_second: files.slowest_upload_bytes_per_second,
        retention_ms: (files.retention_days > 0).then(|| files.retention_days.saturating_mul(86_400_000)),
        permanent: files.permanent,
    }
}

/// Where files are found; `None` when nothing is listened on, or on a port that nobody knows yet. Over HTTPS where it is
/// listened for, else over HTTP on loopback alone, for the web client on this machine or behind a proxy.
fn url(config: &crate::config::Config) -> Option<String> {
    if let Some(url) = &config.files.url {
        return Some(url.clone());
    }
    let path = crate::http::FILES_PATH;
    match (config.listen.https.first(), config.listen.http.first()) {
        (Some(address), _) => match address.0.port() {
            0 => None,
            443 => Some(format!("https://{{domain}}{path}")),
            port => Some(format!("https://{{domain}}:{port}{path}")),
        },
        (None, Some(address)) if address.0.ip().is_loopback() && address.0.port() != 0 => {
            Some(format!("http://{{domain}}:{}{path}", address.0.port()))
        }
        (None, _) => None,
    }
}

/// Whether the service of XEP-0363 is offered to XMPP clients, whose links have to lead to TLS (section 4).
pub fn is_offered(config: &crate::config::Config) -> bool {
    config.files.enabled
        && (config.files.url.is_some()
            || config.listen.https.first().is_some_and(|https| https.0.port() != 0))
}

/// Opens the place where the content of files is kept.
pub fn open(config: &Config, data: &Path) -> anyhow::Result<Arc<dyn Blobs>> {
    let Some(bucket) = &config.s3.bucket else {
        let path = config.folder.clone().unwrap_or_else(|| data.join("files"));
        let folder =
            Folder::open(&path).with_context(|| format!("the folder of files, {}", path.display()))?;
        return Ok(Arc::new(folder));
    };
    let secret_access_key = match &config.s3.secret_access_key_file {
        None => String::new(),
        Some(path) => std::fs::read_to_string(path)
            .with_context(|| format!("the key for object storage, {}", path.display()))?
            .trim()
            .to_owned(),
    };
    let bucket = Bucket {
        name: bucket.clone(),
        endpoint: config.s3.endpoint.clone(),
        region: config.s3.region.clone(),
        access_key_id: config.s3.access_key_id.clone(),
        secret_access_key,
        prefix: config.s3.prefix.clone(),
    };
    Ok(Arc::new(ObjectStorage::new(bucket)?))
}

/// Sees whether files can be kept, so that a mistake in the configuration shows at the start. A server whose object storage
/// is away for a while starts nevertheless, since everything else works.
pub async fn check(chat: Arc<Chat>) {
    match tokio::time::timeout(CHECK, chat.check_files()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the place for files does not work; uploads will fail"),
        Err(_) => tracing::error!("the place for files does not answer; uploads will fail"),
    }
}

/// Removes files whose time is over, and what was left of others, at the start and then in the interval in force.
pub async fn remove_overdue(chat: Arc<Chat>, live: Live) {
    loop {
        if let Err(error) = chat.remove_overdue_files().await {
            tracing::warn!(%error, "files whose time is over could not be looked up");
        }
        tokio::time::sleep(Duration::from_millis(live.current().files.removal_interval_ms)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_where_https_is_listened_for() {
        let mut config = crate::config::Config::default();
        assert_eq!(settings(&config).url.as_deref(), Some("https://{domain}:5281/files/"));
        config.listen.https[0].0.set_port(443);
        assert_eq!(settings(&config).url.as_deref(), Some("https://{domain}/files/"));
        assert!(is_offered(&config));
        config.listen.https.clear();
        assert_eq!(settings(&config).url.as_deref(), Some("http://{domain}:5280/files/"));
        assert!(!is_offered(&config), "the protocol asks for TLS");
        config.listen.http[0].0.set_ip(std::net::Ipv4Addr::UNSPECIFIED.into());
        assert_eq!(settings(&config).url, None);
        config.files.url = Some("https://files.example.org/".to_owned());
        assert_eq!(settings(&config).url.as_deref(), Some("https://files.example.org/"));
        config.files.enabled = false;
        assert_eq!(settings(&config).url, None);
    }
}
