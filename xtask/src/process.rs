//! Programs and files.

use crate::TaskError;
use std::path::Path;
use std::process::{Command, Stdio};

/// The text of a file.
///
/// # Errors
///
/// It cannot be read.
pub fn read(path: &Path) -> Result<String, TaskError> {
    std::fs::read_to_string(path).map_err(|source| TaskError::Io { what: path.display().to_string(), source })
}

/// Runs a program to its end, its output shown.
///
/// # Errors
///
/// It does not start, or fails.
pub fn run(command: &mut Command) -> Result<(), TaskError> {
    let shown = show(command);
    println!("$ {shown}");
    let status =
        command.stdin(Stdio::null()).status().map_err(|source| TaskError::NotRun { command: shown.clone(), source })?;
    if status.success() { Ok(()) } else { Err(TaskError::Failed { command: shown, status: status.to_string() }) }
}

/// What a program prints, if it can be run and succeeds.
pub fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn show(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    words.join(" ")
}
