"""DuckDB in memory: the views are recomputed by each read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from peer import Peer, Row, Unavailable, totals_of
from tutorial import TABLES_SQL, views_without_tumble
from workload import TOTALS_SQL, Event, Totals, dimensions_sql


class DuckDb(Peer):
    name = "duckdb"
    how = "in memory; plain views: recomputed by each read"
    durable = False

    def start(self) -> None:
        try:
            import duckdb
        except ImportError as error:
            raise Unavailable("pip install duckdb pytz") from error
        self.database = duckdb.connect(":memory:", config={"threads": os.cpu_count() or 1})
        self.database.execute("SET TimeZone = 'UTC'")
        for sql in (TABLES_SQL, dimensions_sql(), views_without_tumble("VIEW")):
            self.database.execute(sql)

    def ingest(self, batch: Path) -> None:
        self.database.execute(f"COPY marketing_events FROM '{batch}' (FORMAT csv, HEADER false)")

    def totals(self) -> Totals:
        return totals_of([row for sql in TOTALS_SQL for row in self.database.execute(sql).fetchall()])

    def processes(self) -> list[int]:
        return [os.getpid()]

    def insert(self, event: Event) -> None:
        self.database.execute(f"INSERT INTO marketing_events VALUES ({', '.join('?' * 10)})", event.values())

    def group_count(self, event: Event) -> int:
        sql = (
            "SELECT impressions + clicks + conversions FROM campaign_performance "
            "WHERE campaign_id = ? AND window_start = ?::timestamptz"
        )
        row = self.database.execute(sql, (event.campaign_id, event.window_start())).fetchone()
        return int(row[0]) if row else 0

    def read(self, campaign: str) -> Sequence[Row]:
        sql = "SELECT * FROM campaign_performance WHERE campaign_id = ?"
        return self.database.execute(sql, (campaign,)).fetchall()

    def query(self, sql: str) -> Sequence[Row]:
        return self.database.execute(sql).fetchall()

    def close(self) -> None:
        self.database.close()
