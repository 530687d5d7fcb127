//! What developers and CI run: `cargo xtask <command>`.

#![allow(clippy::print_stdout, reason = "a command line tool speaks on standard output")]

mod bench;
mod coverage;
mod foreign;
mod fuzz;
mod generate;
mod instructions;
mod packaging;
mod sbom;
mod shell;
mod tidy;
mod verify;
mod web;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <command>

  test       everything that CI runs, with nothing skipped, and a summary at the end
  test STEP  only the steps whose name contains STEP
  bench      Waxwing beside ejabberd, Prosody and the floor; writes docs/performance.md
             [--only LINE,LINE] [--quick] [--rounds N] [--built]: a part or a short run writes to target/bench;
             --built measures the release binaries that are there, --page only draws the page anew,
             --hold 'flock FILE' measures each line under a command that waits until nothing else runs
  tidy       what the compiler does not see: layers, heads, sizes, names, mentions, generated files
  fuzz                    run the fuzz targets for about a minute in all
  fuzz TIMES [TARGET]     so many times as long, all or the targets whose name contains TARGET
  instructions            count the instructions of hot paths, and compare them with xtask/instructions.toml
  instructions --accept   write what was counted into that file
  sbom FILE  write the bill of materials of the program (CycloneDX 1.5, JSON) to FILE
  generate   write the generated files anew: docs/coverage.md and the references
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args.as_slice() {
        ["test"] => verify::run(None),
        ["test", step] => verify::run(Some(step)),
        ["bench", arguments @ ..] => bench::run(arguments),
        ["tidy"] => tidy::run(),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["instructions"] => instructions::run(false),
        ["instructions", "--accept"] => instructions::run(true),
        ["generate"] => generate::run(),
        ["sbom", path] => sbom::run(path),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
