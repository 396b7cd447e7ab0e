//! What tests share.

use crate::EvalContext;
use headwater_types::SessionSettings;

/// 2024-01-02 03:04:05 UTC.
pub(crate) const NOW_MICROS: i64 = 1_704_164_645_000_000;

/// A context without a catalog, at [`NOW_MICROS`].
pub(crate) fn context(settings: &SessionSettings) -> EvalContext<'_> {
    EvalContext { settings, now_micros: NOW_MICROS, catalog: None }
}
