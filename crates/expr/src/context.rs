//! What evaluation may know besides its input rows. Passed in, so that everything is deterministic.

use headwater_types::{RegKind, Result, SessionSettings};

/// The catalog as functions like `format_type`, `pg_get_viewdef` and casts to `regclass` see it.
///
/// Implemented by the catalog crate, which is above this one.
pub trait CatalogLookup: Send + Sync {
    /// The name a `reg*` value prints: qualified only when not visible on the search path; `None` if there is none
    /// (the number is printed).
    fn reg_name(&self, kind: RegKind, oid: u32, settings: &SessionSettings) -> Option<String>;
    /// The object a `reg*` input names.
    ///
    /// # Errors
    ///
    /// 42P01, 42704, 42883, 3F000 with PostgreSQL's texts.
    fn reg_oid(&self, kind: RegKind, name: &str, settings: &SessionSettings) -> Result<u32>;
    /// A catalog function by name (`pg_get_viewdef`, `obj_description`, `pg_table_is_visible`, …) for one row of
    /// arguments. Strictness is the caller's business.
    ///
    /// # Errors
    ///
    /// As PostgreSQL's function of that name.
    fn call(
        &self,
        function: &str,
        args: &[headwater_types::Datum],
        settings: &SessionSettings,
    ) -> Result<headwater_types::Datum>;
    /// A setting's value for `current_setting`; `None` if there is no such setting.
    fn setting(&self, name: &str) -> Option<String>;
    /// Whether the statement may go on: for a function that waits.
    ///
    /// # Errors
    ///
    /// 57014 and 57P01: it is to stop.
    fn check_interrupt(&self) -> Result<()> {
        Ok(())
    }
}

/// What evaluation may know besides its input rows.
#[derive(Clone, Copy)]
pub struct EvalContext<'a> {
    /// The settings; a view keeps those of its creation.
    pub settings: &'a SessionSettings,
    /// `now()`: the transaction's timestamp, microseconds since 1970 UTC.
    pub now_micros: i64,
    /// The catalog, where the caller has one; views do without.
    pub catalog: Option<&'a dyn CatalogLookup>,
}
