//! The command line: `headwater` (the same as `headwater serve`) and `headwater demo`.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// A streaming SQL database: PostgreSQL's protocol, materialized views that are up to date on every commit.
#[derive(Debug, Parser)]
#[command(name = "headwater", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; `serve` if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The server's options.
    #[command(flatten)]
    pub serve: ServeOptions,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server (the default)
    Serve(ServeOptions),
    /// Run the marketing tutorial by itself: server, tables, views, a stream of events, and a screen that shows them
    Demo(DemoOptions),
}

/// Where the server listens and keeps its data.
#[derive(Debug, Clone, Args)]
pub struct ServeOptions {
    /// Address and port to listen at; other than loopback needs HEADWATER_PASSWORD
    #[arg(long, env = "HEADWATER_LISTEN", default_value = "127.0.0.1:4566", value_name = "HOST:PORT")]
    pub listen: String,
    /// Directory of the database; created if there is none
    #[arg(long, env = "HEADWATER_DATA_DIR", default_value = "./headwater-data", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Threads that maintain views
    #[arg(long, env = "HEADWATER_WORKERS", default_value_t = 1, value_name = "N", value_parser = workers)]
    pub workers: usize,
    /// Password that clients must give (SCRAM-SHA-256); without it, everybody on this machine may connect
    #[arg(long, env = "HEADWATER_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    pub password: Option<String>,
}

/// What the demo does.
#[derive(Debug, Clone, Args)]
pub struct DemoOptions {
    /// The server's options, where none is running yet.
    #[command(flatten)]
    pub serve: ServeOptions,
    /// Events per second; 0 is as fast as it goes
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub rate: u32,
    /// Stop after this many events
    #[arg(long, value_name = "N")]
    pub events: Option<u64>,
}

/// Worker threads that one process may have.
const WORKERS_MAX: usize = 256;

fn workers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(workers) if (1..=WORKERS_MAX).contains(&workers) => Ok(workers),
        _ => Err(format!("must be a number from 1 to {WORKERS_MAX}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_command_serves_with_the_defaults() {
        let cli = Cli::try_parse_from(["headwater"]).expect("no argument is needed");
        assert!(cli.command.is_none());
        assert_eq!(cli.serve.workers, 1);
        assert!(Cli::try_parse_from(["headwater", "--workers", "0"]).is_err());
    }

    #[test]
    fn the_demo_takes_the_servers_options() {
        let cli = Cli::try_parse_from(["headwater", "demo", "--rate", "0", "--events", "9", "--listen", "[::1]:1"]);
        let Ok(Cli { command: Some(Command::Demo(demo)), .. }) = cli else { panic!("the demo command") };
        assert_eq!((demo.rate, demo.events, demo.serve.listen.as_str()), (0, Some(9), "[::1]:1"));
    }
}
