//! `headwater`: the server's binary.
//!
//! The wire protocol, the command line and the demo are here; everything SQL is the engine's.

mod cli;
mod demo;
mod serve;
mod wire;

use clap::Parser;
use cli::{Cli, Command};
use demo::DemoError;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("headwater: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), DemoError> {
    let runtime = serve::runtime()?;
    match cli.command {
        None => runtime.block_on(serve::serve(cli.serve))?,
        Some(Command::Serve(options)) => runtime.block_on(serve::serve(options))?,
        Some(Command::Demo(options)) => runtime.block_on(demo::demo(options))?,
    }
    Ok(())
}
