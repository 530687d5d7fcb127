//! Files and limits: the data folder, who may read what, how many files the process may open.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Findings;
use crate::config::Config;

pub(super) fn examine(config: &Config, findings: &mut Findings) {
    data_dir(&config.data_dir, findings);
    for domain in &config.domain {
        if let Some(key) = &domain.key {
            private(key, findings);
        }
    }
    open_files(config, findings);
}

fn data_dir(path: &Path, findings: &mut Findings) {
    let subject = format!("data_dir {}", path.display());
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return to_be_created(path, &subject, findings);
        }
        Err(error) => {
            return findings.error(subject, error, "Make it accessible to the user that the server runs as.");
        }
    };
    if !metadata.is_dir() {
        return findings.error(subject, "is not a directory", "Name a directory.");
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        findings.warning(
            &subject,
            format!("others may look into it (mode {mode:o})"),
            format!("chmod 700 {}", path.display()),
        );
    }
    writable(path, &subject, findings);
}

fn to_be_created(path: &Path, subject: &str, findings: &mut Findings) {
    let parents = path.ancestors().skip(1);
    let nearest =
        parents.map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p }).find(|p| p.is_dir());
    match nearest {
        Some(parent) => {
            writable(parent, &format!("{subject} (to be created in {})", parent.display()), findings);
        }
        None => findings.error(subject, "does not exist, nor does a directory above it", "Create it."),
    }
}

/// Only writing shows that one can write: permissions do not tell of read-only file systems and full disks.
fn writable(directory: &Path, subject: &str, findings: &mut Findings) {
    let probe = directory.join(format!(".waxwing-check-{}", std::process::id()));
    let written = fs::OpenOptions::new().write(true).create_new(true).open(&probe).and_then(|file| {
        io::Write::write_all(&mut &file, &[0; 4_096])?;
        file.sync_all()
    });
    let _ = fs::remove_file(&probe);
    match written {
        Ok(()) => findings.ok(subject, "can be written to"),
        Err(error) => findings.error(
            subject,
            format!("cannot be written to: {error}"),
            "The server's user needs to own it, on a file system with room that is not read-only.",
        ),
    }
}

fn private(key: &Path, findings: &mut Findings) {
    let Ok(metadata) = fs::metadata(key) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        findings.warning(
            format!("key {}", key.display()),
            format!("every user of this machine can read it (mode {mode:o})"),
            format!("chmod 600 {}", key.display()),
        );
    }
}

/// The soft limit on open files, from /proc (proc_pid_limits(5)).
fn open_files(config: &Config, findings: &mut Findings) {
    let Some(limit) = fs::read_to_string("/proc/self/limits").ok().as_deref().and_then(parse_open_files)
    else {
        return;
    };
    // The database, the listeners and the log need some, too.
    let wanted = config.limits.connections as u64 + 200;
    match limit >= wanted {
        true => findings.ok("open files", format!("{limit} allowed, enough for limits.connections")),
        false => findings.note(
            "open files",
            format!("{limit} allowed, but limits.connections is {}", config.limits.connections),
            format!("Raise it (LimitNOFILE={wanted} in the systemd unit, or ulimit -n), or lower limits.connections."),
        ),
    }
}

fn parse_open_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Severity;
    use crate::tls::testing::Scratch;

    #[test]
    fn a_data_folder_open_to_others_is_warned_of() {
        let scratch = Scratch::new();
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).expect("changed");
        let mut findings = Findings::default();
        data_dir(scratch.path(), &mut findings);
        assert_eq!(findings.0[0].severity, Severity::Warning);
        assert!(findings.0[0].text.contains("mode 755"), "{}", findings.0[0]);
        assert_eq!(findings.0[1].severity, Severity::Ok);
        assert_eq!(fs::read_dir(scratch.path()).expect("readable").count(), 0, "the probe is removed");
    }

    #[test]
    fn a_file_in_place_of_the_data_folder_is_an_error() {
        let scratch = Scratch::new();
        let file = scratch.path().join("data");
        fs::write(&file, "").expect("written");
        let mut findings = Findings::default();
        data_dir(&file, &mut findings);
        assert_eq!(findings.0[0].severity, Severity::Error);
    }

    #[test]
    fn the_limit_on_open_files_is_read_from_proc() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(parse_open_files(text), Some(1_024));
        assert!(parse_open_files(&fs::read_to_string("/proc/self/limits").expect("Linux")).is_some());
    }
}
