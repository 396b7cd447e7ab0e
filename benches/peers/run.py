"""Runs the tutorial on Headwater and its peers, one after the other, each in a process of its own, and prints tables.

python run.py --events 1000000 --peers headwater,postgres,clickhouse,duckdb,flink
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import shutil
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

import report
from measure import Figures, adhoc_queries, measure
from peer import Peer, Unavailable
from tutorial import ADHOC, ROOT
from workload import Workload, prepare

#: What a name on the command line stands for: the modules' classes.
PEERS = {
    "headwater": ["headwater.Headwater"],
    "postgres": ["postgres.Triggers", "postgres.Recompute", "postgres.Refresh"],
    "clickhouse": ["clickhouse.Views", "clickhouse.QueryTime"],
    "duckdb": ["duck.DuckDb"],
    "flink": ["flink.Flink"],
}


def main() -> int:
    options = arguments()
    workload = prepare(options.directory, options.events)
    figures = []
    for name in options.peers.split(","):
        for path in PEERS[name]:
            print(f"… {path}", file=sys.stderr, flush=True)
            figures.append(apart(path, options.directory, workload, with_adhoc=not options.no_adhoc))
    report.print_tables(figures, options.events)
    return 1 if any(one.unavailable and "failed" in one.unavailable for one in figures) else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--peers", default=",".join(PEERS), help="of " + ", ".join(PEERS))
    parser.add_argument("--no-adhoc", action="store_true", help="leave the ad-hoc queries out")
    parser.add_argument(
        "--directory", type=Path, default=ROOT / "target" / "peers-data", help="for events and the peers' data"
    )
    options = parser.parse_args()
    if unknown := [name for name in options.peers.split(",") if name not in PEERS]:
        parser.error(f"no such peer: {', '.join(unknown)}")
    return options


def apart(path: str, directory: Path, workload: Workload, *, with_adhoc: bool) -> Figures:
    """Measures a peer in a fresh process, so that none pays for another's memory."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(path, directory, workload, with_adhoc, sending))
    process.start()
    sending.close()
    try:
        figures: Figures = receiving.recv()
    except EOFError:
        figures = Figures(path, "", durable=False, unavailable="failed: its process died")
    process.join()
    return figures


def child(path: str, directory: Path, workload: Workload, with_adhoc: bool, results: Connection) -> None:
    module, _, name = path.rpartition(".")
    kind: type[Peer] = getattr(importlib.import_module(module), name)
    home = directory / kind.name
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    peer = kind(home, workload)
    started = False
    try:
        peer.start()
        started = True
        results.send(measure(peer, workload, adhoc_queries(ADHOC) if with_adhoc else {}))
    except Unavailable as missing:
        results.send(Figures(kind.name, kind.how, kind.durable, unavailable=str(missing)))
    except Exception as error:  # One peer's failure must not lose the others' figures.
        traceback.print_exc()
        results.send(Figures(kind.name, kind.how, kind.durable, unavailable=f"failed: {error}"))
    finally:
        if started:
            peer.close()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
