"""What every peer does, and what the kernel says of its memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workload import Event, Totals, Workload

Row = Sequence[Any]


class Unavailable(Exception):
    """The peer cannot run on this machine; says what to install."""


class Peer(ABC):
    """One system in one configuration, in a process of its own.

    `start` … `close` are called once each; `ingest` once for each batch, in order.
    """

    name: str
    #: How its views are kept, in a few words.
    how: str
    #: Whether an answered INSERT survives the machine's power failing.
    durable: bool
    #: Whether its reads need no more than what it keeps; otherwise a batch is fresh only after `refresh`.
    refreshes = False
    #: What of the ingest's time is not its events', such as starting a job.
    uncounted_seconds = 0.0
    #: Whether it answers queries.
    serves = True

    def __init__(self, home: Path, workload: Workload) -> None:
        self.home = home
        self.workload = workload

    @abstractmethod
    def start(self) -> None:
        """Starts it and creates tables, campaigns and views. Raises `Unavailable` where it cannot."""

    @abstractmethod
    def ingest(self, batch: Path) -> None:
        """Loads a batch in one transaction."""

    def refresh(self) -> None:  # noqa: B027 - most need nothing
        """Makes the views show everything, where they do not by themselves."""

    @abstractmethod
    def totals(self) -> Totals:
        """What its views add up to."""

    @abstractmethod
    def processes(self) -> list[int]:
        """Its processes, for their memory; children are found."""

    def insert(self, event: Event) -> None:
        """Commits one event."""
        raise NotImplementedError

    def set_asynchronous(self, asynchronous: bool) -> bool:
        """Answers commits before the disk has them, or no longer; False where there is no such choice."""
        return False

    def group_count(self, event: Event) -> int:
        """The events that the view of campaigns counts in the event's window and campaign."""
        raise NotImplementedError

    def read(self, campaign: str) -> Sequence[Row]:
        """The view's rows of one campaign."""
        raise NotImplementedError

    def query(self, sql: str) -> Sequence[Row] | None:
        """An ad-hoc query in standard SQL; None where the peer takes no part."""
        return None

    def close(self) -> None:  # noqa: B027 - most end with their process
        """Ends it."""


def totals_of(rows: Sequence[Row]) -> Totals:
    """Of the answers to TOTALS_SQL."""
    return Totals(*(round(value) for row in rows for value in row))


def memory_bytes(processes: list[int]) -> int:
    """What the processes and their children hold, pages that several share divided among them."""
    return sum(_own_bytes(process) for root in processes for process in _tree(root))


def _tree(process: int) -> list[int]:
    found = [process]
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found += [one for child in task.read_text().split() for one in _tree(int(child))]
        except OSError:
            continue  # It has ended.
    return found


def _own_bytes(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
