//! Set-returning functions.

use serde::{Deserialize, Serialize};

/// A set-returning function in FROM or in a select list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TableFunction {
    /// `unnest(array)`
    Unnest,
    /// `generate_series(start, stop [, step])` over int4, int8, numeric, timestamp, timestamptz.
    GenerateSeries,
    /// `generate_subscripts(array, dimension)`
    GenerateSubscripts,
    /// `generate_subscripts(int2vector | oidvector, dimension)`: from 0.
    GenerateVectorSubscripts,
    /// `regexp_split_to_table(text, pattern)`
    RegexpSplitToTable,
    /// `pg_partition_ancestors(regclass)`: no rows, there being no partitions.
    PgPartitionAncestors,
    /// `pg_get_keywords()`: word, catcode, barelabel, catdesc, baredesc.
    PgGetKeywords,
    /// `pg_timezone_names()`: name, abbrev, utc_offset, is_dst.
    PgTimezoneNames,
}
