//! Rows are grouped by no column that the others determine, where nobody asks for it.
//!
//! ```text
//! Before: π name (γ id, name, city (customers))     After: π name (γ id, name (customers)), id a key
//! Before: π n (γ id, name; count n (customers))     After: π n (γ id; count n (customers))
//! ```
//! Sound because a column that the others determine splits no group. One column at least stays: without any there would
//! be a group even if there are no rows. The binder adds columns like these, for a GROUP BY that names a primary key.

use crate::columns::ColumnSet;
use crate::properties::Properties;

/// The ordinals of the group columns that are needed, or are not determined by those that remain.
pub(super) fn shortened(group_key: &[usize], needed: &ColumnSet, input: &Properties) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..group_key.len()).collect();
    for candidate in (0..group_key.len()).rev().filter(|&i| !needed.contains(i)) {
        let others: ColumnSet = kept.iter().filter(|&&i| i != candidate).map(|&i| group_key[i]).collect();
        if kept.len() > 1 && input.closure(others).contains(group_key[candidate]) {
            kept.retain(|&i| i != candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use crate::RewriteOptions;
    use crate::testing::{get, golden};

    const ONLY: RewriteOptions = RewriteOptions { demand: true, group_key: true, ..RewriteOptions::none() };

    #[test]
    fn golden_plans() {
        golden(
            "group_key",
            ONLY,
            vec![
                ("determined and unused", get(2).aggregate(vec![0, 1, 2], vec![]).project(vec![0, 2])),
                ("determined and used", get(2).aggregate(vec![0, 1], vec![]).project(vec![1, 0])),
                ("not determined", get(2).aggregate(vec![1, 2], vec![]).project(vec![0])),
                ("one stays", get(2).aggregate(vec![0], vec![]).project(vec![])),
            ],
        );
    }
}
