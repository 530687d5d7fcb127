//! `docs/performance.md` and its plots, drawn from the results.

use std::fmt::Write as _;

use super::lines::{Figure, LINES, Line, Unit};
use super::plot::{self, Group};
use super::results::{Results, SERVERS};

const NAMES: [&str; 4] = ["Waxwing", "floor", "ejabberd", "Prosody"];

const INTRODUCTION: &str = "\
# Performance

<!-- Drawn from performance.json by `cargo xtask bench`: do not edit. -->

Waxwing beside ejabberd and Prosody, under one load generator, in one run on one machine. `cargo xtask bench` repeats it: it
installs both from Debian, starts each by hand with a data folder of its own, and draws this page from what it finds.

- **CPU time** is that of all processes of a server, user and system time, divided by the operations that the generator
  counted. All servers run on one processor and the generator on another; while one is measured the others stand still.
- **The floor** is a relay that only copies bytes between sockets (`waxwing-load relay`), under the same load. No server can
  cost less.
- **Waxwing** runs as it comes: archive on, every message synced to disk before it is acknowledged or delivered. Lines that say
  that the archive is off turn it off, and their messages ask every server to keep nothing of them (XEP-0334): without
  that Waxwing writes a message down until it is delivered, archive or not.
- **The peers** run as Debian configures them, at their best settings: rate limits off, Prosody on epoll, ejabberd without
  spinning schedulers. Their archives are on, in SQLite with a write-ahead log, where the line is about the archive; elsewhere they
  are off, as Debian ships them.
- Each figure is the median of the rounds.

How the JSON face and the web client do with a large organisation behind them stands in [performance-client.md](performance-client.md).

";

/// All files, by name.
pub(super) fn files(results: &Results) -> Vec<(&'static str, String)> {
    vec![
        ("performance.md", page(results)),
        ("performance-cpu.svg", chart(results, Unit::Cpu, "CPU time of one operation (logarithmic)")),
        (
            "performance-latency.svg",
            chart(results, Unit::Latency, "Latency at 1,000 messages a second (logarithmic)"),
        ),
        (
            "performance-memory.svg",
            chart(results, Unit::Memory, "Memory of one idle connection (logarithmic)"),
        ),
    ]
}

fn page(results: &Results) -> String {
    let mut text = INTRODUCTION.to_owned();
    for remark in &results.remarks {
        put(&mut text, format!("**{remark}**\n"));
    }
    if results.quick {
        text.push_str("This is a short run with smaller loads: a look, not a measurement.\n\n");
    }
    for (name, value) in results.machine.iter().chain(&results.versions) {
        put(&mut text, format!("- {name}: {value}"));
    }
    put(
        &mut text,
        format!("- {} rounds, each load measured for {} seconds\n", results.rounds, results.seconds),
    );
    table(results, &mut text);
    text.push_str("\n![CPU time](performance-cpu.svg)\n\n![Latency](performance-latency.svg)\n\n![Memory](performance-memory.svg)\n\n");
    latencies(results, &mut text);
    passwords(results, &mut text);
    losses(results, &mut text);
    generator(results, &mut text);
    text.push_str("\n## Configurations\n");
    for (name, configuration) in &results.configurations {
        put(
            &mut text,
            format!(
                "\n<details><summary>{name}</summary>\n\n```\n{}\n```\n\n</details>",
                configuration.trim_end()
            ),
        );
    }
    text
}

/// Writing to a string cannot fail.
fn put(text: &mut String, line: String) {
    let _ = writeln!(text, "{line}");
}

/// The figures that have something to show.
fn shown(results: &Results) -> impl Iterator<Item = (&'static Line, &'static Figure)> + '_ {
    let all = LINES.iter().flat_map(|line| line.figures.iter().map(move |figure| (line, figure)));
    all.filter(|(line, figure)| results.figure(line, figure, "waxwing").is_some())
}

fn table(results: &Results, text: &mut String) {
    put(text, "| load | of | Waxwing | floor | ejabberd | Prosody | × floor | ejabberd ÷ Waxwing | Prosody ÷ Waxwing | should be | is |".to_owned());
    put(text, "|---|---|---|---|---|---|---|---|---|---|---|".to_owned());
    for (line, figure) in shown(results) {
        let figures = SERVERS.map(|server| results.figure(line, figure, server));
        let cell = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| figure.unit.text(value));
        let ratio = |over: Option<f64>, under: Option<f64>| match (over, under) {
            (Some(over), Some(under)) if under > 0.0 => format!("{:.1}", over / under),
            _ => "–".to_owned(),
        };
        let [own, floor, ejabberd, prosody] = figures;
        let bounds = figure.bounds.iter().map(|bound| bound.text(figure.unit)).collect::<Vec<_>>().join("; ");
        let kept = figure.bounds.iter().map(|bound| match results.keeps(line, figure, *bound) {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "not measured",
        });
        put(
            text,
            format!(
                "| {} (`{}`) | {} | {} | {} | {} | {} | {} | {} | {} | {bounds} | {} |",
                line.title,
                line.key,
                figure.title,
                cell(own),
                cell(floor),
                cell(ejabberd),
                cell(prosody),
                ratio(own, floor),
                ratio(ejabberd, own),
                ratio(prosody, own),
                kept.collect::<Vec<_>>().join("; ")
            ),
        );
    }
}

fn latencies(results: &Results, text: &mut String) {
    put(text, "## Latency at 1,000 messages a second\n".to_owned());
    put(
        text,
        "| line | server | p50 | p95 | p99 | p99.9 | longest |\n|---|---|---|---|---|---|---|".to_owned(),
    );
    for line in ["latency", "latency-archive"] {
        for (server, name) in SERVERS.iter().zip(NAMES) {
            let cells = ["p50_us", "p95_us", "p99_us", "p999_us", "max_us"]
                .map(|part| results.median(line, &format!("/measures/0/latency/{part}"), server));
            if cells[0].is_some() {
                let cells =
                    cells.map(|cell| cell.map_or_else(|| "–".to_owned(), |cell| Unit::Latency.text(cell)));
                put(text, format!("| `{line}` | {name} | {} |", cells.join(" | ")));
            }
        }
    }
}

/// What part of a login with PLAIN is paid on purpose.
fn passwords(results: &Results, text: &mut String) {
    put(text, "\n## The password hash\n".to_owned());
    put(
        text,
        "With PLAIN the server computes the hash of the password at each login, and pays for it on purpose: it is what makes a stolen \
         database expensive to guess from. With SCRAM the client does. One hash of 4,096 rounds, as all servers are given here, \
         computed by the code that Waxwing uses:\n"
            .to_owned(),
    );
    for (name, cost) in &results.password_hash_us {
        put(text, format!("- {name}: {}", Unit::Cpu.text(*cost)));
    }
}

fn losses(results: &Results, text: &mut String) {
    put(text, "\n## Loss\n".to_owned());
    put(text, "Over all lines and rounds; messages carry numbers.\n".to_owned());
    put(text, "| server | lost | arrived twice | out of order | errors |\n|---|---|---|---|---|".to_owned());
    for (server, name) in SERVERS.iter().zip(NAMES) {
        let [lost, twice, inverted, errors] = results.failures(server);
        put(text, format!("| {name} | {lost} | {twice} | {inverted} | {errors} |"));
    }
}

/// A generator that is slower than the server would measure itself.
fn generator(results: &Results, text: &mut String) {
    put(text, "\n## The generator's own CPU time, an operation\n".to_owned());
    put(text, "| line | Waxwing | floor | ejabberd | Prosody |\n|---|---|---|---|---|".to_owned());
    for line in LINES {
        let cells = SERVERS.map(|server| results.median(line.key, "/measures/0/generator_cpu_us", server));
        if cells[0].is_some() {
            let cells = cells.map(|cell| cell.map_or_else(|| "–".to_owned(), |cell| Unit::Cpu.text(cell)));
            put(text, format!("| `{}` | {} |", line.key, cells.join(" | ")));
        }
    }
}

fn chart(results: &Results, unit: Unit, title: &str) -> String {
    let groups: Vec<Group> = shown(results)
        .filter(|(_, figure)| figure.unit == unit)
        .map(|(line, figure)| Group {
            title: format!("{}: {}", line.key, figure.title),
            figures: SERVERS.iter().map(|server| results.figure(line, figure, server)).collect(),
        })
        .collect();
    plot::bars(title, &NAMES, &groups, |figure| unit.text(figure))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::tests::results;

    #[test]
    fn the_page_says_what_is_kept_and_what_is_not() {
        let good =
            results(&[("waxwing", &[2.0]), ("floor", &[1.5]), ("ejabberd", &[60.0]), ("prosody", &[61.0])]);
        let page = page(&good);
        let row = page.lines().find(|line| line.contains("(`chat`)")).unwrap();
        assert!(row.ends_with("| 2.0 µs | 1.5 µs | 60.0 µs | 61.0 µs | 1.3 | 30.0 | 30.5 | at most 2 × the floor; 6 × less than ejabberd | yes; yes |"), "{row}");
        let bad = results(&[("waxwing", &[50.0]), ("floor", &[1.5])]);
        let page = super::page(&bad);
        let row = page.lines().find(|line| line.contains("(`chat`)")).unwrap();
        assert!(row.ends_with("| **no**; not measured |"), "{row}");
        let lost = LINES.len();
        assert!(page.contains(&format!("| Waxwing | {lost} | 0 | 0 | {} |", 2 * lost)));
    }

    #[test]
    fn plots_hold_what_was_measured() {
        let files = files(&results(&[("waxwing", &[2.0]), ("floor", &[1.0])]));
        assert_eq!(files.len(), 4);
        assert!(files[1].1.contains("chat: a message") && files[1].1.contains("2.0 µs"));
    }
}
