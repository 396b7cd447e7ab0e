"""The measurements, the same for every peer, and the figures that they yield."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from peer import Peer, Row, memory_bytes
from workload import CAMPAIGNS, Event, Workload, campaign_id

#: A measurement of something repeated ends at either bound; slow peers still give a few samples.
SAMPLES_MAX = 500
SAMPLES_MIN = 3
SAMPLE_SECONDS_MAX = 8.0
#: Single INSERTs are counted for so long.
INSERT_SECONDS = 3.0
#: Views that are refreshed as a whole are refreshed at this many sizes of the load, not after every batch.
REFRESHES_MEASURED = 5
ADHOC_RUNS = 5


@dataclass
class Figures:
    """What a peer reached; None where it does not apply."""

    peer: str
    how: str
    durable: bool
    unavailable: str | None = None
    is_estimate: bool = False
    events_per_second: float | None = None
    visible_ms: float | None = None
    read_ms: float | None = None
    inserts_per_second: float | None = None
    async_inserts_per_second: float | None = None
    memory_mib: float | None = None
    adhoc_ms: dict[str, float] = field(default_factory=dict)
    adhoc_answers: dict[str, list[Any]] = field(default_factory=dict)


def measure(peer: Peer, workload: Workload, adhoc: dict[str, str]) -> Figures:
    """Runs everything that the peer takes part in. Raises where its totals are wrong."""
    figures = Figures(peer.name, peer.how, peer.durable)
    ingest(peer, workload, figures)
    found = peer.totals()
    if found != workload.totals:
        raise AssertionError(f"{peer.name}: {found} instead of {workload.totals}")
    if peer.serves:
        for name, sql in adhoc.items():
            adhoc_query(peer, name, sql, figures)
        reads(peer, figures)
        visible(peer, workload.singles("visible"), figures)
        figures.inserts_per_second = inserts(peer, workload.singles("inserts"))
        if peer.set_asynchronous(True):
            figures.async_inserts_per_second = inserts(peer, workload.singles("asynchronous"))
    figures.memory_mib = memory_bytes(peer.processes()) / 2**20
    return figures


def ingest(peer: Peer, workload: Workload, figures: Figures) -> None:
    """All batches; where the views need a refresh, the time of one after every batch is estimated from a few."""
    every = max(1, len(workload.batches) // REFRESHES_MEASURED)
    loading, refreshing = 0.0, []
    for number, batch in enumerate(workload.batches, start=1):
        loading += seconds(partial(peer.ingest, batch))
        if peer.refreshes and (number % every == 0 or number == len(workload.batches)):
            refreshing.append(seconds(peer.refresh))
    if refreshing:
        figures.is_estimate = len(refreshing) < len(workload.batches)
        loading += sum(refreshing) / len(refreshing) * len(workload.batches)
    figures.events_per_second = workload.events / (loading - peer.uncounted_seconds)


def reads(peer: Peer, figures: Figures) -> None:
    names = itertools.cycle(campaign_id(number) for number in range(CAMPAIGNS))

    def read() -> None:
        if not peer.read(next(names)):
            raise AssertionError(f"{peer.name}: a campaign has no rows")

    figures.read_ms = median(sampled(read)) * 1000


def visible(peer: Peer, source: Iterator[Event], figures: Figures) -> None:
    """From sending an event until a read that counts it is answered."""
    seen: dict[tuple[str, str], int] = {}

    def one() -> None:
        event = next(source)
        group = (event.campaign_id, event.window_start())
        seen[group] = seen.get(group, 0) + 1
        peer.insert(event)
        peer.refresh()
        if (found := peer.group_count(event)) != seen[group]:
            raise AssertionError(f"{peer.name}: the view counts {found} instead of {seen[group]}")

    figures.visible_ms = median(sampled(one)) * 1000


def inserts(peer: Peer, source: Iterator[Event]) -> float:
    """Single-row INSERTs a second, one after the other."""
    ready = list(itertools.islice(source, 20_000))
    started, count = time.perf_counter(), 0
    for event in ready:
        peer.insert(event)
        count += 1
        if time.perf_counter() - started > INSERT_SECONDS:
            break
    return count / (time.perf_counter() - started)


def adhoc_query(peer: Peer, name: str, sql: str, figures: Figures) -> None:
    rows: Sequence[Row] | None = None

    def run() -> None:
        nonlocal rows
        rows = peer.query(sql)

    times = [seconds(run) for _ in range(ADHOC_RUNS)]
    if rows is not None:
        figures.adhoc_ms[name] = median(times) * 1000
        figures.adhoc_answers[name] = sorted([comparable(value) for value in row] for row in rows)


def comparable(value: Any) -> str:
    """Equal for equal numbers and times, whatever a driver makes of them."""
    if isinstance(value, int | float | Decimal):
        return f"{Decimal(str(value)).normalize():f}"
    # A time zone's offset is UTC's everywhere here.
    return str(value).removesuffix("+00:00")


def sampled(action: Callable[[], None]) -> list[float]:
    action()  # Once for caches and plans.
    samples: list[float] = []
    started = time.perf_counter()
    while len(samples) < SAMPLES_MAX:
        samples.append(seconds(action))
        if len(samples) >= SAMPLES_MIN and time.perf_counter() - started > SAMPLE_SECONDS_MAX:
            break
    return samples


def seconds(action: Callable[[], None]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def adhoc_queries(path: Path) -> dict[str, str]:
    """The queries of a file, each named by the comment before it."""
    queries = {}
    for part in path.read_text().split(";"):
        comments = re.findall(r"^--\s*(.*)$", part, re.MULTILINE)
        sql = re.sub(r"^--.*$", "", part, flags=re.MULTILINE).strip()
        if sql:
            queries[comments[-1]] = sql
    return queries
