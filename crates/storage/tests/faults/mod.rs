//! Ways to break a disk on Linux: file systems that can be cut off, frozen and filled, and syncs that fail.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::scratch::Scratch;

/// What a test needs and this machine may lack. Missing, the test is skipped loudly; under `WAXWING_TEST_ALL=1` it fails.
pub(crate) fn need<T>(test: &str, found: Result<T, String>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(reason) if std::env::var_os("WAXWING_TEST_ALL").is_some_and(|all| all == "1") => {
            panic!("{test} cannot run here: {reason}")
        }
        Err(reason) => {
            eprintln!("SKIPPED: {test}: {reason}");
            None
        }
    }
}

/// How many trials: a few by default, as many as the variable says otherwise.
pub(crate) fn trials(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |count| count.parse().expect("a number of trials"))
}

fn run(program: &str, args: &[&str]) -> Result<Output, String> {
    let output = Command::new(program).args(args).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        Ok(output)
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("{program} {}: {} {}", args.join(" "), output.status, said.trim()))
    }
}

/// Compiles one of the C files beside this one.
fn compile(name: &str, scratch: &Scratch, flags: &[&str]) -> Result<PathBuf, String> {
    // The suite of the whole server, in the package beside this one, compiles this file too.
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../storage/tests/faults").join(name);
    let built = scratch.path().join(name).with_extension("built");
    let mut args = vec!["-O1", "-Wall", "-Werror", "-o", text(&built), text(&source)];
    args.extend(flags);
    run("cc", &args).map(|_| built)
}

/// A library for `LD_PRELOAD` that makes one sync fail.
pub(crate) fn failing_sync(scratch: &Scratch) -> Result<PathBuf, String> {
    compile("failing_sync.c", scratch, &["-shared", "-fPIC", "-ldl"])
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// A file system of its own, mounted until dropped.
pub(crate) struct Disk {
    scratch: Scratch,
    mounted: PathBuf,
    cut: Option<PathBuf>,
}

impl Disk {
    /// An ext4 on a loop device.
    pub(crate) fn ext4(megabytes: u64) -> Result<Self, String> {
        let scratch = Scratch::new();
        let cut = compile("cut.c", &scratch, &[])?;
        let image = scratch.path().join("image");
        let file = std::fs::File::create(&image).map_err(|error| error.to_string())?;
        file.set_len(megabytes << 20).map_err(|error| error.to_string())?;
        run("mkfs.ext4", &["-q", "-F", text(&image)])?;
        let disk = Self::new(scratch, Some(cut))?;
        disk.mount()?;
        Ok(disk)
    }

    /// One in memory that is soon full.
    pub(crate) fn tmpfs(megabytes: u64) -> Result<Self, String> {
        let disk = Self::new(Scratch::new(), None)?;
        let size = format!("size={megabytes}m");
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", text(&disk.mounted)])?;
        Ok(disk)
    }

    fn new(scratch: Scratch, cut: Option<PathBuf>) -> Result<Self, String> {
        let mounted = scratch.path().join("mounted");
        std::fs::create_dir(&mounted).map_err(|error| error.to_string())?;
        Ok(Self { scratch, mounted, cut })
    }

    fn mount(&self) -> Result<(), String> {
        let image = self.scratch.path().join("image");
        run("mount", &["-o", "loop", text(&image), text(&self.mounted)]).map(drop)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.mounted
    }

    /// Cuts the power: nothing that has not been synced survives.
    pub(crate) fn cut(&self) {
        let cut = self.cut.as_ref().expect("an ext4");
        run(text(cut), &[text(&self.mounted)]).expect("the file system is cut off");
    }

    /// Mounts again what the cut has left. Nothing may have files open.
    pub(crate) fn power_up(&self) {
        run("umount", &[text(&self.mounted)]).expect("the file system is unmounted");
        self.mount().expect("the file system is mounted again");
    }

    /// Hangs all writes until thawed.
    pub(crate) fn freeze(&self) -> Frozen<'_> {
        run("fsfreeze", &["--freeze", text(&self.mounted)]).expect("the file system is frozen");
        Frozen(self)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = run("umount", &["--lazy", text(&self.mounted)]);
    }
}

/// A frozen file system; thawed when dropped, also by a failing test.
pub(crate) struct Frozen<'d>(&'d Disk);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        run("fsfreeze", &["--unfreeze", text(&self.0.mounted)]).expect("the file system is thawed");
    }
}
