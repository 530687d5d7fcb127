//! `cargo xtask bench`: Waxwing beside ejabberd, Prosody and the floor, under one load generator, in one run.
//!
//! Servers share one processor and the generator has another. While one server is measured the others stand still
//! (SIGSTOP). Each line goes round the servers several times, and another one comes first in each round.

mod lines;
mod page;
mod plot;
mod results;
mod servers;
mod turn;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use self::lines::{Archive, LINES, Line};
use self::results::{Results, Run};
use self::servers::{GENERATOR_CORE, Kind, Server};
use self::turn::Turn;
use crate::{foreign, shell};

/// Where the results are kept from which the page is drawn.
const RESULTS: &str = "docs/performance.json";

/// Debian's packages, each with a file that it brings.
const PACKAGES: &[(&str, &str)] = &[
    ("ejabberd", "/usr/sbin/ejabberdctl"),
    ("erlang-p1-sqlite3", "/usr/share/doc/erlang-p1-sqlite3"),
    ("prosody", "/usr/bin/prosody"),
    ("lua-dbi-sqlite3", "/usr/share/doc/lua-dbi-sqlite3"),
    ("sqlite3", "/usr/bin/sqlite3"),
    ("openssl", "/usr/bin/openssl"),
    ("util-linux", "/usr/bin/taskset"),
];

/// After this long a turn is given back before the next line.
const TURN: Duration = Duration::from_secs(80);

/// What was asked for on the command line.
struct Options {
    only: Option<String>,
    quick: bool,
    /// The release binaries that are there are measured.
    built: bool,
    rounds: usize,
    /// A command under which each line is measured, such as one that waits until nothing else runs.
    hold: Vec<String>,
}

impl Options {
    fn parse(arguments: &[&str]) -> Result<Self> {
        let mut options = Self { only: None, quick: false, built: false, rounds: 0, hold: Vec::new() };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match *argument {
                "--quick" => options.quick = true,
                "--built" => options.built = true,
                "--only" => {
                    options.only = Some((*arguments.next().context("--only names a line")?).to_owned())
                }
                "--rounds" => {
                    options.rounds = arguments.next().context("--rounds takes a number")?.parse()?
                }
                "--hold" => {
                    let command = arguments.next().context("--hold takes a command")?;
                    options.hold = command.split_whitespace().map(str::to_owned).collect();
                }
                other => bail!("unknown argument {other}"),
            }
        }
        if options.rounds == 0 {
            options.rounds = if options.quick { 1 } else { 5 };
        }
        Ok(options)
    }

    /// A whole run writes the page of the documentation; a part of one does not.
    fn is_whole(&self) -> bool {
        self.only.is_none() && !self.quick
    }

    fn seconds(&self) -> u64 {
        if self.quick { 2 } else { 3 }
    }

    fn lines(&self) -> Result<Vec<&'static Line>> {
        let only: Option<Vec<&str>> = self.only.as_deref().map(|only| only.split(',').collect());
        let chosen = |line: &&Line| only.as_ref().is_none_or(|only| only.contains(&line.key));
        let lines: Vec<&Line> = LINES.iter().filter(chosen).collect();
        let wanted = only.map_or(LINES.len(), |only| only.len());
        let keys = || LINES.iter().map(|line| line.key).collect::<Vec<_>>().join(", ");
        ensure!(lines.len() == wanted, "the lines are: {}", keys());
        Ok(lines)
    }
}

/// Measures, and writes the page.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    if arguments == ["--page"] {
        return write_page(&shell::root().join("docs"), &read_results()?);
    }
    let options = Options::parse(arguments)?;
    let lines = options.lines()?;
    ensure!(
        std::thread::available_parallelism()?.get() >= 2,
        "two processors are needed: the server's and the generator's"
    );
    install()?;
    if !options.built {
        let packages = ["-p", "waxwing-server", "-p", "waxwing-load", "--bins"];
        shell::run("cargo", &[&["build", "--release", "--locked"][..], &packages].concat())?;
    }
    let folder = shell::root().join("target/bench");
    fs::create_dir_all(&folder)?;
    let mut results = Results {
        machine: machine()?,
        versions: versions()?,
        rounds: options.rounds,
        seconds: options.seconds(),
        quick: options.quick,
        password_hash_us: password_hashes()?,
        ..Results::default()
    };
    let servers = start(&lines, &folder, &mut results)?;
    register(&lines, &servers, &options)?;
    let rounds = |line: &Line| options.rounds.min(line.most_rounds);
    let loads = lines.iter().map(|line| order(&servers, line, 0).len() * rounds(line)).sum();
    let start = Instant::now();
    let mut turn = None;
    for line in &lines {
        if turn.is_none() {
            turn = Some((Turn::wait(&options.hold)?, Instant::now()));
        }
        for round in 0..rounds(line) {
            for server in order(&servers, line, round) {
                measure(line, server, round, &options, &mut results);
            }
        }
        turn = turn.filter(|(_, since)| since.elapsed() < TURN);
        println!("    {}", progress(start.elapsed(), results.runs.len(), loads));
        // What was found so far is there even when the rest is not.
        fs::write(folder.join("performance.json"), serde_json::to_string_pretty(&results)?)?;
    }
    drop(servers);
    if options.is_whole() {
        fs::write(shell::root().join(RESULTS), serde_json::to_string_pretty(&results)? + "\n")?;
        write_page(&shell::root().join("docs"), &results)?;
    } else {
        write_page(&folder, &results)?;
    }
    Ok(())
}

/// Those of the page's files that are not what the results would make of them.
pub(crate) fn drift() -> Result<Vec<String>> {
    if !shell::root().join(RESULTS).exists() {
        return Ok(Vec::new());
    }
    let files = page::files(&read_results()?);
    let differs = |(name, text): &(&str, String)| {
        fs::read_to_string(shell::root().join("docs").join(name)).unwrap_or_default() != *text
    };
    let findings = files.iter().filter(|file| differs(file));
    Ok(findings
        .map(|(name, _)| format!("docs/{name}: out of date; run `cargo xtask bench --page`"))
        .collect())
}

fn read_results() -> Result<Results> {
    let path = shell::root().join(RESULTS);
    Ok(serde_json::from_str(&fs::read_to_string(&path).with_context(|| format!("reading {RESULTS}"))?)?)
}

fn write_page(folder: &Path, results: &Results) -> Result<()> {
    for (name, text) in page::files(results) {
        fs::write(folder.join(name), text)?;
        println!("wrote {}", folder.join(name).display());
    }
    Ok(())
}

fn install() -> Result<()> {
    let missing = PACKAGES.iter().filter(|(_, file)| !Path::new(file).exists()).map(|(package, _)| *package);
    foreign::install(&missing.collect::<Vec<_>>())
}

/// Starts every server that the lines need, with and without its archive.
fn start(lines: &[&Line], folder: &Path, results: &mut Results) -> Result<Vec<Server>> {
    let mut servers = Vec::new();
    for kind in Kind::ALL {
        for archive in [Archive::Off, Archive::On] {
            if !lines.iter().any(|line| line.instance(kind) == archive) {
                continue;
            }
            println!("starting {}, archive {archive:?}", kind.name());
            let server = Server::start(kind, archive, folder)?;
            let root = shell::root().display().to_string();
            let name = format!("{}, archive {archive:?}", kind.name()).to_lowercase();
            results.configurations.insert(name, server.configuration.replace(&root, "."));
            servers.push(server);
        }
    }
    Ok(servers)
}

/// How far a run has come, for who waits for it.
fn progress(gone: Duration, done: usize, all: usize) -> String {
    let minutes = |time: f64| format!("{:.1} min", time / 60.0);
    let gone = gone.as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "a few hundred loads")]
    let left = gone / done.max(1) as f64 * all.saturating_sub(done) as f64;
    format!("{done} of {all} loads after {}, about {} left", minutes(gone), minutes(left))
}

/// Makes the accounts that the lines need.
fn register(lines: &[&Line], servers: &[Server], options: &Options) -> Result<()> {
    for server in servers.iter().filter(|server| server.kind != Kind::Floor) {
        let mut wanted: BTreeMap<&str, usize> = BTreeMap::new();
        for line in lines.iter().filter(|line| line.instance(server.kind) == server.archive) {
            let count = shorten(line.accounts.1, options.quick);
            wanted.entry(line.accounts.0).and_modify(|most| *most = count.max(*most)).or_insert(count);
        }
        for (accounts, count) in wanted {
            let start = Instant::now();
            let count = count.to_string();
            let mut arguments = server.target(lines::Way::Tcp);
            arguments.extend(
                ["--accounts", accounts, "--register", "--quiet", "register", "--users", &count]
                    .map(str::to_owned),
            );
            server.awake(|| generate(&arguments).map(drop))?;
            println!(
                "{}, archive {:?}: {count} accounts in {:.0} s",
                server.kind.name(),
                server.archive,
                start.elapsed().as_secs_f64()
            );
        }
    }
    Ok(())
}

/// Large loads are a tenth in a short run.
fn shorten(count: usize, quick: bool) -> usize {
    if quick && count >= 1000 { count / 10 } else { count }
}

/// The servers of a line, another one first each time.
fn order<'a>(servers: &'a [Server], line: &Line, turn: usize) -> Vec<&'a Server> {
    let carries = |server: &&Server| server.archive == line.instance(server.kind) && line.is_for(server.kind);
    let mut chosen: Vec<&Server> = servers.iter().filter(carries).collect();
    let turn = turn % chosen.len().max(1);
    chosen.rotate_left(turn);
    chosen
}

/// Puts one load on one server. A failure is a result too.
fn measure(line: &Line, server: &Server, round: usize, options: &Options, results: &mut Results) {
    let mut arguments = server.target(line.way);
    let pid = server.pid(line.way).to_string();
    let seconds = options.seconds().to_string();
    let fixed = [
        "--accounts",
        line.accounts.0,
        "--mechanism",
        line.mechanism,
        "--server-pid",
        &pid,
        "--json",
        "--patience",
        "60",
    ];
    arguments.extend(fixed.map(str::to_owned));
    for argument in line.scenario {
        let count = argument.parse().ok().filter(|count| *count >= 1000);
        // A rate is not a number of users: it stays.
        let rate = arguments.last().is_some_and(|before| before == "--rate");
        arguments.push(
            count
                .filter(|_| !rate)
                .map_or((*argument).to_owned(), |count| shorten(count, options.quick).to_string()),
        );
    }
    if line.timed {
        arguments.extend(["--warm-up", "1", "--seconds", &seconds].map(str::to_owned));
    }
    let outcome = server.awake(|| generate(&arguments));
    let report =
        outcome.unwrap_or_else(|error| serde_json::json!({ "failed": format!("{error:#}"), "errors": 1 }));
    let figures =
        line.figures.iter().map(|figure| match report.pointer(figure.pointer).and_then(Value::as_f64) {
            Some(value) => figure.unit.text(value),
            None => format!("nothing: {report}"),
        });
    println!(
        "round {round}, {}, {}: {}",
        line.key,
        server.kind.name(),
        figures.collect::<Vec<_>>().join(", ")
    );
    results.runs.push(Run {
        line: line.key.to_owned(),
        server: server.kind.name().to_owned(),
        round,
        report,
    });
}

/// Runs the generator and reads its report.
fn generate(arguments: &[String]) -> Result<Value> {
    let binary = shell::root().join("target/release/waxwing-load").display().to_string();
    let mut command = shell::command("taskset", &["-c", GENERATOR_CORE, &binary, "--json"]);
    let json = arguments.iter().filter(|argument| *argument != "--json");
    let output = command.args(json).stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    serde_json::from_str(&text).with_context(|| format!("the generator reported nothing: {}", errors.trim()))
}

/// What one password hash costs, with the rounds that all servers are given.
fn password_hashes() -> Result<BTreeMap<String, f64>> {
    let report = generate(&["hash".to_owned(), "--iterations".to_owned(), "4096".to_owned()])?;
    let costs = report.as_object().context("no password hashes")?;
    Ok(costs.iter().filter_map(|(name, cost)| Some((name.clone(), cost.as_f64()?))).collect())
}

fn machine() -> Result<BTreeMap<String, String>> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let memory = fs::read_to_string("/proc/meminfo")?;
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
    let kilobytes: u64 = memory.trim().trim_end_matches(" kB").parse().unwrap_or(0);
    let file_system = shell::output("stat", &["-f", "-c", "%T", "target"])?;
    let entry = |name: &str, value: String| (name.to_owned(), value);
    Ok(BTreeMap::from([
        entry(
            "processor",
            model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned()),
        ),
        entry("processors", std::thread::available_parallelism()?.to_string()),
        entry("memory", format!("{} GB", kilobytes / 1_000_000)),
        entry("kernel", fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned()),
        entry("file system of the data", file_system.trim().to_owned()),
    ]))
}

fn versions() -> Result<BTreeMap<String, String>> {
    let mut versions = BTreeMap::new();
    for package in ["ejabberd", "prosody", "erlang-base", "lua-sec"] {
        let version = shell::output("dpkg-query", &["-W", "-f", "${Version}", package])?;
        versions.insert(package.to_owned(), version);
    }
    let commit = shell::output("git", &["rev-parse", "--short=12", "HEAD"])?;
    let binary: PathBuf = shell::root().join("target/release/waxwing");
    let version = shell::output(&binary.display().to_string(), &["--version"])?;
    versions.insert("waxwing".to_owned(), format!("{}, commit {}", version.trim(), commit.trim()));
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line() {
        let options = ["--only", "chat,ping", "--quick", "--rounds", "3", "--hold", "flock file"];
        let options = Options::parse(&options).unwrap();
        assert_eq!(options.hold, ["flock", "file"]);
        assert_eq!((options.quick, options.rounds, options.is_whole()), (true, 3, false));
        let keys: Vec<&str> = options.lines().unwrap().iter().map(|line| line.key).collect();
        assert_eq!(keys, ["chat", "ping"]);
        assert!(Options::parse(&["--only", "nothing"]).unwrap().lines().is_err());
        assert!(Options::parse(&["--fast"]).is_err());
        assert_eq!(Options::parse(&[]).unwrap().rounds, 5);
        assert_eq!((shorten(1000, true), shorten(204, true), shorten(1000, false)), (100, 204, 1000));
    }

    #[test]
    fn what_is_left_is_told() {
        let told = progress(Duration::from_secs(90), 30, 120);
        assert_eq!(told, "30 of 120 loads after 1.5 min, about 4.5 min left");
    }
}
