"""ClickHouse in this process (chdb): aggregating materialized views, and views computed by each query."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peer import Peer, Row, Unavailable, totals_of
from tutorial import own_sql
from workload import COLUMNS, TOTALS_SQL, Event, Totals, dimensions_sql

STRUCTURE = (
    "event_id UUID, user_id UInt32, campaign_id String, channel_type String, event_type String, "
    "amount Decimal(18, 2), utm_source String, utm_medium String, utm_campaign String, timestamp DateTime64(6, ''UTC'')"
)


class ClickHouse(Peer):
    """A session on a directory of its own; ClickHouse does not wait for the disk."""

    durable = False
    views_file: str

    def start(self) -> None:
        try:
            from chdb import session
        except ImportError as error:
            raise Unavailable("pip install chdb") from error
        self.session: Any = session.Session(str(self.home / "data"))
        self.session.query("CREATE DATABASE tutorial ENGINE = Atomic")
        self.session.query("USE tutorial")
        for script in (own_sql("clickhouse_tables.sql"), dimensions_sql(), own_sql(self.views_file)):
            for statement in script.split(";"):
                if statement.strip():
                    self.session.query(statement)

    def ingest(self, batch: Path) -> None:
        self.session.query(
            f"INSERT INTO marketing_events ({', '.join(COLUMNS)}) SELECT * FROM file('{batch}', CSV, '{STRUCTURE}')"
        )

    def totals(self) -> Totals:
        return totals_of([row for sql in TOTALS_SQL for row in self.rows(sql)])

    def processes(self) -> list[int]:
        return [os.getpid()]

    def insert(self, event: Event) -> None:
        values = ", ".join(f"'{value}'" for value in event.values())
        self.session.query(f"INSERT INTO marketing_events ({', '.join(COLUMNS)}) VALUES ({values})")

    def group_count(self, event: Event) -> int:
        rows = self.rows(
            "SELECT impressions + clicks + conversions FROM campaign_performance "
            f"WHERE campaign_id = '{event.campaign_id}' AND window_start = toDateTime('{event.window_start()}', 'UTC')"
        )
        return int(rows[0][0]) if rows else 0

    def read(self, campaign: str) -> Sequence[Row]:
        return self.rows(f"SELECT * FROM campaign_performance WHERE campaign_id = '{campaign}'")

    def rows(self, sql: str) -> list[Row]:
        answer = json.loads(self.session.query(sql, "JSONCompact").bytes())
        return [[number(value) for value in row] for row in answer["data"]]

    def close(self) -> None:
        self.session.close()


class Views(ClickHouse):
    name = "clickhouse-views"
    how = "AggregatingMergeTree; appends only, no key"
    views_file = "clickhouse_views.sql"


class QueryTime(ClickHouse):
    name = "clickhouse-query"
    how = "MergeTree; plain views: recomputed by each read"
    views_file = "clickhouse_query.sql"


def number(value: object) -> object:
    """JSON has 64-bit integers in quotes."""
    return int(value) if isinstance(value, str) and value.isdigit() else value
