//! House rules that a machine can check: short files, headers, no leftovers, no ignored tests.

use crate::TaskError;
use crate::process::read;
use std::path::{Path, PathBuf};

/// Lines of a source file.
const FILE_LINES_MAX: usize = 800;

/// What no source file holds.
const LEFTOVERS: [&str; 4] =
    [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("dbg", "!("), concat!("#[ign", "ore")];

/// The rules broken, one line each.
///
/// # Errors
///
/// A file or directory cannot be read.
pub fn check(root: &Path) -> Result<Vec<String>, TaskError> {
    let mut files = Vec::new();
    for directory in ["crates", "xtask", "benches", "tests"] {
        collect(&root.join(directory), &mut files)?;
    }
    files.sort();
    let mut broken = Vec::new();
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        broken.extend(check_file(&name, &read(&file)?));
    }
    Ok(broken)
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), TaskError> {
    if !directory.is_dir() {
        return Ok(());
    }
    let failed = |source| TaskError::Io { what: directory.display().to_string(), source };
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn check_file(name: &str, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        broken.push(format!("{name}: {lines} lines; a file holds one idea in at most {FILE_LINES_MAX}"));
    }
    if !text.starts_with("//!") {
        broken.push(format!("{name}: no header that says what it is"));
    }
    for (number, line) in text.lines().enumerate() {
        for leftover in LEFTOVERS {
            if line.contains(leftover) {
                broken.push(format!("{name}:{}: {leftover}", number + 1));
            }
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_and_missing_headers_are_found() {
        assert!(check_file("a.rs", "//! A file.\nfn main() {}\n").is_empty());
        let text = format!("fn main() {{ {}) }}\n", LEFTOVERS[0]);
        assert_eq!(check_file("a.rs", &text).len(), 2);
        let long = format!("//! Long.\n{}", "\n".repeat(FILE_LINES_MAX));
        assert_eq!(check_file("a.rs", &long).len(), 1);
    }
}
