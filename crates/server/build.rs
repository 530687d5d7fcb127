//! Puts the web client into the binary: builds `web/` where npm is there, compresses what came out, and lists it in Rust.
//!
//! `WAXWING_WEB` chooses: a folder holds a web client that was built before, `none` leaves it out. Without npm, one plain page
//! stands in for it, so that Rust alone is enough to build and test the server.

use std::error::Error;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What the web client is made of.
const SOURCES: [&str; 9] = [
    "src",
    "public",
    "index.html",
    "package.json",
    "package-lock.json",
    "svelte.config.js",
    "tsconfig.json",
    "vite.config.js",
    "vite.config.ts",
];

/// The page that stands in for the web client.
const STAND_IN: &str = "src/http/web/without.html";

/// What npm says where there is no network.
const UNREACHABLE: [&str; 6] =
    ["EAI_AGAIN", "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND", "ETIMEDOUT"];

/// What is compressed: the rest is compressed already.
const COMPRESSED: [&str; 9] = ["html", "css", "js", "mjs", "json", "webmanifest", "svg", "txt", "wasm"];

/// How well: as well as it goes, since it is done once.
const BROTLI_QUALITY: u32 = 11;

/// A megabyte of window, more than any file has.
const BROTLI_WINDOW: u32 = 20;

fn main() -> Outcome<()> {
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={STAND_IN}");
    println!("cargo::rerun-if-env-changed=WAXWING_WEB");
    let folder = match std::env::var("WAXWING_WEB") {
        Ok(choice) if choice == "none" => None,
        Ok(folder) => {
            println!("cargo::rerun-if-changed={folder}");
            Some(PathBuf::from(folder))
        }
        Err(_) => build(&here.join("../../web"), &out.join("web"))?,
    };
    let mut files = Vec::new();
    match &folder {
        Some(folder) => gather(folder, "", &mut files)?,
        None => files.push(("/index.html".to_owned(), here.join(STAND_IN))),
    }
    files.sort();
    if !files.iter().any(|(path, _)| path == "/index.html") {
        return Err("the web client has no index.html".into());
    }
    let packed = out.join("web.packed");
    if packed.exists() {
        fs::remove_dir_all(&packed)?;
    }
    fs::create_dir_all(&packed)?;
    let mut list = format!("pub(super) const IS_BUILT_IN: bool = {};\n", folder.is_some());
    list.push_str("pub(super) static FILES: &[File] = &[\n");
    for (number, (path, source)) in files.iter().enumerate() {
        list.push_str(&pack(path, source, &packed, number)?);
    }
    list.push_str("];\n");
    fs::write(out.join("web.rs"), list)?;
    Ok(())
}

/// Builds the web client into a folder; `None` where that cannot be done, which is said.
fn build(web: &Path, out: &Path) -> Outcome<Option<PathBuf>> {
    for source in SOURCES {
        let path = web.join(source);
        // What is not there would have everything built anew each time.
        if path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    let without = |why: &str| {
        println!("cargo::warning=the web client is not in this binary: {why}");
        Ok(None)
    };
    if !web.join("package.json").exists() {
        return without("there is no folder web/");
    }
    let npm = |arguments: &[&OsStr]| Command::new("npm").args(arguments).current_dir(web).output();
    if npm(&["--version".as_ref()]).is_err() {
        return without("npm was not found; install Node.js, and touch crates/server/build.rs");
    }
    let changed = |path: &str| fs::metadata(web.join(path)).and_then(|metadata| metadata.modified());
    let installed = changed("node_modules/.package-lock.json").unwrap_or(SystemTime::UNIX_EPOCH);
    if changed("package-lock.json").is_ok_and(|locked| locked > installed) {
        let said = npm(&["ci".as_ref(), "--no-audit".as_ref(), "--no-fund".as_ref()])?;
        if !said.status.success() {
            let said = String::from_utf8_lossy(&said.stderr);
            eprintln!("{said}");
            // Without a network nothing else can be done, and the server is of use all the same.
            if UNREACHABLE.iter().any(|code| said.contains(code)) {
                return without("npm cannot reach the registry of what it is built with");
            }
            return Err(
                "npm could not bring what the web client is built with (WAXWING_WEB=none does without)"
                    .into(),
            );
        }
    }
    let build = ["run", "build", "--", "--emptyOutDir", "--outDir"].map(OsStr::new);
    let said = npm(&[&build[..], &[out.as_os_str()]].concat())?;
    if !said.status.success() {
        eprintln!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
        return Err("the web client could not be built".into());
    }
    Ok(Some(out.to_owned()))
}

/// All files of a folder with the paths that they are found at.
fn gather(folder: &Path, above: &str, files: &mut Vec<(String, PathBuf)>) -> Outcome<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name =
            entry.file_name().into_string().map_err(|name| format!("{} is no text", name.display()))?;
        let path = format!("{above}/{name}");
        if entry.file_type()?.is_dir() {
            gather(&entry.path(), &path, files)?;
        } else if extension(&name) != "map" {
            files.push((path, entry.path()));
        }
    }
    Ok(())
}

fn extension(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// Writes a file and what it is when compressed, and gives its line of the list.
fn pack(path: &str, source: &Path, packed: &Path, number: usize) -> Outcome<String> {
    let plain = fs::read(source)?;
    let mut hash = String::new();
    for octet in &Sha256::digest(&plain)[..16] {
        write!(hash, "{octet:02x}")?;
    }
    let written = |ending: &str, content: &[u8]| -> Outcome<String> {
        let name = format!("{number}.{ending}");
        fs::write(packed.join(&name), content)?;
        Ok(format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/web.packed/{name}\"))"))
    };
    let (mut brotli, mut gzip) = ("None".to_owned(), "None".to_owned());
    if COMPRESSED.contains(&extension(path)) {
        let (smaller, small) = (brotlied(&plain)?, gzipped(&plain)?);
        if smaller.len() < plain.len() && small.len() < plain.len() {
            brotli = format!("Some({})", written("br", &smaller)?);
            gzip = format!("Some({})", written("gz", &small)?);
        }
    }
    let plain = written("plain", &plain)?;
    Ok(format!(
        "File {{ path: {path:?}, hash: \"{hash}\", plain: {plain}, brotli: {brotli}, gzip: {gzip} }},\n"
    ))
}

fn brotlied(plain: &[u8]) -> Outcome<Vec<u8>> {
    let mut out = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut out, 4_096, BROTLI_QUALITY, BROTLI_WINDOW);
    writer.write_all(plain)?;
    drop(writer);
    Ok(out)
}

fn gzipped(plain: &[u8]) -> Outcome<Vec<u8>> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(plain)?;
    Ok(writer.finish()?)
}
