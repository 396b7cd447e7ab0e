//! The project's own tasks: `cargo xtask test`, `cargo xtask layering`, `cargo xtask bench <what>`.

mod bench;
mod layering;
mod process;
mod test;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <task>

  test           run every test: Rust, SQL logic, Python clients, psql
  layering       check the crates' arrows and the house rules a machine can check
  bench <what>   measure a whole run over the wire; `bench --help` lists them";

/// Why a task failed.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The command line names no task.
    #[error("{USAGE}")]
    Usage,
    /// A program ended badly.
    #[error("{command} failed: {status}")]
    Failed {
        /// The program and its arguments.
        command: String,
        /// How it ended.
        status: String,
    },
    /// A program did not start.
    #[error("cannot run {command}: {source}")]
    NotRun {
        /// The program and its arguments.
        command: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A file or socket.
    #[error("{what}: {source}")]
    Io {
        /// Which.
        what: String,
        /// Why.
        source: std::io::Error,
    },
    /// Rules of the project that its source breaks.
    #[error("{}", .0.join("\n"))]
    Rules(Vec<String>),
    /// A server did not answer as it should.
    #[error("{0}")]
    Answer(String),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), TaskError> {
    match arguments {
        ["test"] => test::everything(),
        ["layering"] => {
            check_rules()?;
            println!("The crates' arrows and the house rules hold.");
            Ok(())
        }
        ["bench", arguments @ ..] => bench::run(arguments),
        _ => Err(TaskError::Usage),
    }
}

/// Everything about the source that a machine can check without compiling it.
fn check_rules() -> Result<(), TaskError> {
    let root = root();
    let mut broken = layering::check(&root)?;
    broken.extend(tidy::check(&root)?);
    if broken.is_empty() { Ok(()) } else { Err(TaskError::Rules(broken)) }
}

/// The project's directory.
pub fn root() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    own.parent().expect("xtask is a directory of the project").to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_source_keeps_its_rules() {
        if let Err(error) = super::check_rules() {
            panic!("{error}");
        }
    }
}
