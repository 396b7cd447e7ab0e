"""Headwater: the tutorial's own SQL."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from peer import Row, Unavailable
from pg_client import PgPeer
from tutorial import ROOT, TABLES_SQL, VIEWS_SQL
from workload import dimensions_sql


class Headwater(PgPeer):
    name = "headwater"
    how = "materialized views"

    def start(self) -> None:
        binary = Path(os.environ.get("HEADWATER_BINARY", ROOT / "target" / "release" / "headwater"))
        if not binary.exists():
            raise Unavailable(f"no {binary}: cargo build --release")
        port = os.environ.get("HEADWATER_PORT", "0")
        command = [str(binary), "serve", "--listen", f"127.0.0.1:{port}", "--data-dir", str(self.home / "data")]
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.connect(port=self.listening_port(), user="root", dbname="dev")
        for sql in (TABLES_SQL, dimensions_sql(), VIEWS_SQL):
            self.cursor.execute(sql)

    def listening_port(self) -> int:
        assert self.server.stdout is not None
        for line in self.server.stdout:
            if line.strip().startswith("listening"):
                return int(line.strip().rsplit(":", 1)[1])
        raise Unavailable("headwater ended before it listened")

    def query(self, sql: str) -> Sequence[Row]:
        return self.rows(sql)

    def processes(self) -> list[int]:
        return [self.server.pid]

    def close(self) -> None:
        super().close()
        self.server.kill()
        self.server.wait()
