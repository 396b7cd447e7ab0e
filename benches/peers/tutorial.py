"""The tutorial's SQL from the repository, and its views for systems without TUMBLE."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ADHOC = HERE.parent / "adhoc.sql"
VIEWS = ["campaign_performance", "channel_attribution", "ab_test_results"]

TABLES_SQL = (ROOT / "sql" / "marketing" / "01_tables.sql").read_text()
VIEWS_SQL = (ROOT / "sql" / "marketing" / "02_views.sql").read_text()

HOURLY = (
    "(SELECT *, date_trunc('hour', timestamp) AS window_start, "
    "date_trunc('hour', timestamp) + INTERVAL '1 HOUR' AS window_end FROM marketing_events)"
)


def views_without_tumble(kind: str) -> str:
    """The views' definitions, as `kind` of view, over a subquery that says each event's hour."""

    def subquery(match: re.Match[str]) -> str:
        return HOURLY + (match.group(1) or " AS hourly")

    sql = re.sub(r"TUMBLE\(marketing_events, timestamp, INTERVAL '1 HOUR'\)( as \w+)?", subquery, VIEWS_SQL)
    return sql.replace("CREATE MATERIALIZED VIEW", f"CREATE {kind}")


def own_sql(name: str) -> str:
    """A file of this directory's `sql/`."""
    return (HERE / "sql" / name).read_text()
