"""What Headwater and PostgreSQL have in common: psycopg2, COPY, the tutorial's tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg2

from peer import Peer, Row, totals_of
from workload import COLUMNS, TOTALS_SQL, Event, Totals

INSERT = f"INSERT INTO marketing_events ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"
COPY = f"COPY marketing_events ({', '.join(COLUMNS)}) FROM STDIN (FORMAT csv)"
GROUP_COUNT = (
    "SELECT impressions + clicks + conversions FROM campaign_performance WHERE campaign_id = %s AND window_start = %s"
)


class PgPeer(Peer):
    """A server that speaks PostgreSQL's protocol."""

    durable = True
    connection: Any
    cursor: Any

    def connect(self, **where: Any) -> None:
        self.connection = psycopg2.connect(host="127.0.0.1", **where)
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        self.cursor.execute("SET TimeZone = 'UTC'")

    def ingest(self, batch: Path) -> None:
        with batch.open("rb") as file:
            self.cursor.copy_expert(COPY, file)

    def totals(self) -> Totals:
        return totals_of([row for sql in TOTALS_SQL for row in self.rows(sql)])

    def insert(self, event: Event) -> None:
        self.cursor.execute(INSERT, event.values())

    def set_asynchronous(self, asynchronous: bool) -> bool:
        self.cursor.execute("SET synchronous_commit = " + ("off" if asynchronous else "on"))
        return True

    def group_count(self, event: Event) -> int:
        rows = self.rows(GROUP_COUNT, event.campaign_id, event.window_start())
        return int(rows[0][0]) if rows else 0

    def read(self, campaign: str) -> Sequence[Row]:
        return self.rows("SELECT * FROM campaign_performance WHERE campaign_id = %s", campaign)

    def rows(self, sql: str, *parameters: str) -> list[Row]:
        self.cursor.execute(sql, parameters or None)
        return list(self.cursor.fetchall())

    def close(self) -> None:
        self.connection.close()
