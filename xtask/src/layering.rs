//! The crates' arrows: which crate may depend on which, and the one home of each boundary library.
//!
//! ```text
//! server → engine → sql, plan, compute, storage → catalog, dataflow → arrange, expr → types
//! ```
//! An arrow never goes up; compute and storage never meet.

use crate::TaskError;
use crate::process::read;
use std::path::Path;

/// Each crate with the crates of ours that it may name as dependencies.
const ARROWS: [(&str, &[&str]); 11] = [
    ("types", &[]),
    ("expr", &["types"]),
    ("catalog", &["types", "expr"]),
    ("arrange", &["types"]),
    ("dataflow", &["types", "expr", "arrange"]),
    ("plan", &["types", "expr", "catalog", "dataflow"]),
    ("sql", &["types", "expr", "catalog", "plan"]),
    ("compute", &["types", "expr", "arrange", "dataflow", "plan"]),
    ("storage", &["types"]),
    ("engine", &["types", "expr", "catalog", "arrange", "dataflow", "plan", "sql", "compute", "storage"]),
    ("server", &["types", "engine"]),
];

/// Libraries that only one crate may use, so that they can be replaced there.
const HOMES: [(&str, &str); 2] = [("timely", "compute"), ("pgwire", "server")];

/// The rules broken, one line each.
///
/// # Errors
///
/// A manifest cannot be read.
pub fn check(root: &Path) -> Result<Vec<String>, TaskError> {
    let mut broken = Vec::new();
    for (name, allowed) in ARROWS {
        let manifest = read(&root.join("crates").join(name).join("Cargo.toml"))?;
        broken.extend(check_crate(name, allowed, &manifest));
    }
    Ok(broken)
}

fn check_crate(name: &str, allowed: &[&str], manifest: &str) -> Vec<String> {
    let mut broken = Vec::new();
    for dependency in dependencies(manifest) {
        if let Some(ours) = dependency.strip_prefix("headwater-")
            && !allowed.contains(&ours)
        {
            broken.push(format!("crates/{name}/Cargo.toml: {name} may not depend on {ours}"));
        }
        if let Some((_, home)) = HOMES.iter().find(|(library, home)| *library == dependency && *home != name) {
            broken.push(format!("crates/{name}/Cargo.toml: {dependency} has its home in {home}"));
        }
    }
    broken
}

/// The names in `[dependencies]`. Tests may use what they like.
fn dependencies(manifest: &str) -> impl Iterator<Item = &str> {
    manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.split(['.', '=', ' ']).next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_that_goes_up_is_found() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\nheadwater-types.workspace = true\n\
                        headwater-engine = { path = \"../engine\" }\n[dev-dependencies]\ntimely = \"1\"\n";
        let broken = check_crate("storage", &["types"], manifest);
        assert_eq!(broken, ["crates/storage/Cargo.toml: storage may not depend on engine"]);
    }

    #[test]
    fn a_library_away_from_home_is_found() {
        let broken = check_crate("plan", &[], "[dependencies]\ntimely.workspace = true\n");
        assert_eq!(broken, ["crates/plan/Cargo.toml: timely has its home in compute"]);
        assert!(check_crate("compute", &[], "[dependencies]\ntimely.workspace = true\n").is_empty());
    }
}
