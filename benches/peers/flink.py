"""Flink SQL in this process's own cluster, mini-batch on.

It serves no reads: sums over its views take a sink's place.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from peer import Peer, Row, Unavailable, totals_of
from tutorial import own_sql
from workload import Totals, campaigns, variants

JAVA_VERSIONS = (11, 17)

#: As Flink's tuning page advises for aggregations.
SETTINGS = {
    "parallelism.default": str(os.cpu_count() or 1),
    "table.exec.mini-batch.enabled": "true",
    "table.exec.mini-batch.allow-latency": "1 s",
    "table.exec.mini-batch.size": "10000",
    "table.optimizer.agg-phase-strategy": "TWO_PHASE",
    "table.optimizer.distinct-agg.split.enabled": "true",
    "table.local-time-zone": "UTC",
}

#: One job over all three views, in the order of Totals. Its last row of each number counts.
TOTALS = """
SELECT 1 AS number, CAST(SUM(impressions) AS DECIMAL(38, 2)) AS a, CAST(SUM(clicks) AS DECIMAL(38, 2)) AS b,
    CAST(SUM(conversions) AS DECIMAL(38, 2)) AS c, SUM(revenue) * 100 AS d FROM campaign_performance
UNION ALL
SELECT 2, CAST(SUM(unique_users) AS DECIMAL(38, 2)), CAST(SUM(conversions) AS DECIMAL(38, 2)), SUM(revenue) * 100,
    CAST(NULL AS DECIMAL(38, 2)) FROM channel_attribution
UNION ALL
SELECT 3, CAST(SUM(impressions) AS DECIMAL(38, 2)), CAST(SUM(clicks) AS DECIMAL(38, 2)),
    CAST(SUM(conversions) AS DECIMAL(38, 2)), SUM(revenue) * 100 FROM ab_test_results
"""


class Flink(Peer):
    name = "flink"
    how = "streaming, mini-batch, heap state; serves no reads"
    durable = False
    serves = False

    def start(self) -> None:
        check_java()
        try:
            from pyflink.table import EnvironmentSettings, TableEnvironment
        except ImportError as error:
            raise Unavailable("pip install apache-flink") from error
        self.environment = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
        for name, value in SETTINGS.items():
            self.environment.get_config().set(name, value)
        self.loaded = self.home / "events"
        self.loaded.mkdir()
        files = {"events": self.loaded}
        for name, rows in (("campaigns", campaigns()), ("variants", variants())):
            files[name] = self.home / f"{name}.csv"
            files[name].write_text("".join(",".join(row) + "\n" for row in rows))
        for statement in own_sql("flink.sql").format(**files).split(";"):
            if statement.strip():
                self.environment.execute_sql(statement)
        # A job that runs has compiled its code and started its tasks: what that takes of a job of one batch, the second
        # time, is not counted.
        one = self.loaded / self.workload.batches[0].name
        one.symlink_to(self.workload.batches[0])
        self.run_job()
        started = time.perf_counter()
        self.run_job()
        self.uncounted_seconds = time.perf_counter() - started
        one.unlink()
        self.found: Totals | None = None

    def ingest(self, batch: Path) -> None:
        """The batches wait in the directory; the last one starts the job, which ends when all is in the views."""
        (self.loaded / batch.name).symlink_to(batch)
        if batch == self.workload.batches[-1]:
            self.found = self.run_job()

    def run_job(self) -> Totals:
        last: dict[int, Row] = {}
        with self.environment.execute_sql(TOTALS).collect() as rows:
            for row in rows:
                if row.get_row_kind().name in ("INSERT", "UPDATE_AFTER"):
                    last[row[0]] = [value for value in row[1:] if value is not None]
        return totals_of([last[number] for number in sorted(last)])

    def totals(self) -> Totals:
        assert self.found is not None
        return self.found

    def processes(self) -> list[int]:
        return [os.getpid()]


def check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None:
        raise Unavailable("no Java: apt-get install openjdk-17-jre-headless")
    shown = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', shown)
    if version is None or int(version.group(1)) not in JAVA_VERSIONS:
        raise Unavailable(f"Flink needs Java 11 or 17, not {shown.splitlines()[:1]}")
