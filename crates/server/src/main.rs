//! The `waxwing` program: its allocator and its entry.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    waxwing_server::cli::main()
}
