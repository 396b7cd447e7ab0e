"""PostgreSQL in three ways: recompute on read, REFRESH MATERIALIZED VIEW, and summary tables kept by triggers."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg2

from peer import Row, Unavailable
from pg_client import PgPeer
from tutorial import TABLES_SQL, VIEWS, own_sql, views_without_tumble
from workload import dimensions_sql

#: What PostgreSQL's manual advises for a machine of its own with some memory and a steady write load.
SETTINGS = {
    "shared_buffers": "2GB",
    "effective_cache_size": "8GB",
    "work_mem": "256MB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "random_page_cost": "1.1",
    "timezone": "UTC",
}

#: PostgreSQL refuses to run as root.
UNPRIVILEGED = "nobody"


class Postgres(PgPeer):
    """A server of our own on an empty directory."""

    def start(self) -> None:
        programs = bindir()
        self.account = UNPRIVILEGED if os.geteuid() == 0 else None
        if self.account:
            shutil.chown(self.home, self.account)
        self.run(programs / "initdb", "-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
        port = free_port()
        settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        self.server = subprocess.Popen(
            [programs / "postgres", "-D", "data", "-k", ".", "-h", "127.0.0.1", "-p", str(port), *settings],
            cwd=self.home,
            user=self.account,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.wait_for(port)
        self.cursor.execute(TABLES_SQL)
        self.cursor.execute(dimensions_sql())
        self.create_views()

    def create_views(self) -> None:
        raise NotImplementedError

    def run(self, *command: Path | str) -> None:
        subprocess.run(command, cwd=self.home, user=self.account, check=True, stdout=subprocess.DEVNULL)

    def wait_for(self, port: int) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                return self.connect(port=port, user="postgres", dbname="postgres")
            except psycopg2.OperationalError:
                if time.monotonic() > deadline or self.server.poll() is not None:
                    raise
                time.sleep(0.05)

    def processes(self) -> list[int]:
        return [self.server.pid]

    def close(self) -> None:
        super().close()
        self.server.send_signal(signal.SIGQUIT)
        self.server.wait()


class Recompute(Postgres):
    name = "postgres-recompute"
    how = "plain views: recomputed by each read"

    def create_views(self) -> None:
        self.cursor.execute(views_without_tumble("VIEW"))

    def query(self, sql: str) -> Sequence[Row]:
        return self.rows(sql)


class Refresh(Postgres):
    name = "postgres-refresh"
    how = "REFRESH MATERIALIZED VIEW after each batch"
    refreshes = True

    def create_views(self) -> None:
        self.cursor.execute(views_without_tumble("MATERIALIZED VIEW"))
        self.cursor.execute("CREATE INDEX ON campaign_performance (campaign_id, window_start)")

    def refresh(self) -> None:
        for view in VIEWS:
            self.cursor.execute(f"REFRESH MATERIALIZED VIEW {view}")


class Triggers(Postgres):
    name = "postgres-triggers"
    how = "summary tables kept by triggers; appends only"

    def create_views(self) -> None:
        self.cursor.execute(own_sql("postgres_triggers.sql"))


def bindir() -> Path:
    """Where `initdb` and `postgres` are: Debian keeps them off the path."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    candidates = [Path("/usr/lib/postgresql/15/bin"), *debian]
    if config := shutil.which("pg_config"):
        found = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=True)
        candidates.append(Path(found.stdout.strip()))
    if program := shutil.which("initdb"):
        candidates.append(Path(program).resolve().parent)
    for candidate in candidates:
        if (candidate / "initdb").exists() and (candidate / "postgres").exists():
            return candidate
    raise Unavailable("no initdb and postgres: apt-get install postgresql-15")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
