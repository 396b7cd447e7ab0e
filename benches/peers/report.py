"""The tables: figures, and how many times better than each peer Headwater is."""

from __future__ import annotations

import os
from pathlib import Path

from measure import Figures

REFERENCE = "headwater"
NOT_RUN_CHARACTERS_MAX = 70

#: Heading, field, and whether more is better.
COLUMNS = [
    ("events/s, views fresh", "events_per_second", True),
    ("one row to visible ms", "visible_ms", False),
    ("keyed read ms", "read_ms", False),
    ("INSERTs/s", "inserts_per_second", True),
    ("INSERTs/s, async", "async_inserts_per_second", True),
    ("memory MiB", "memory_mib", False),
]


def print_tables(all_figures: list[Figures], events: int) -> None:
    print_machine()
    print(f"\nThe tutorial's three views, {events:,} events in batches of 10,000\n")
    headings = ["peer", "how its views are kept", "durable", *[heading for heading, _, _ in COLUMNS]]
    print_rows([headings, *[figures_row(figures) for figures in all_figures]])
    reference = next((one for one in all_figures if one.peer == REFERENCE and one.unavailable is None), None)
    others = [one for one in all_figures if one is not reference and one.unavailable is None]
    if reference and others:
        print("\nHow many times better Headwater is\n")
        headings = ["than", *[heading for heading, _, _ in COLUMNS]]
        print_rows([headings, *[ratios_row(reference, other) for other in others]])
    print_adhoc([one for one in all_figures if one.adhoc_ms], reference)


def figures_row(figures: Figures) -> list[str]:
    if figures.unavailable:
        # The whole of a failure is on stderr.
        return [figures.peer, f"not run: {figures.unavailable}"[:NOT_RUN_CHARACTERS_MAX]]
    values = [getattr(figures, field) for _, field, _ in COLUMNS]
    cells = [shown(value) for value in values]
    if figures.is_estimate:
        cells[0] = "≈ " + cells[0]
    return [figures.peer, figures.how, "yes" if figures.durable else "no", *cells]


def ratios_row(reference: Figures, other: Figures) -> list[str]:
    cells = []
    for _, field, more_is_better in COLUMNS:
        ours, theirs = getattr(reference, field), getattr(other, field)
        cells.append(ratio(ours, theirs) if more_is_better else ratio(theirs, ours))
    return [other.peer, *cells]


def print_adhoc(answering: list[Figures], reference: Figures | None) -> None:
    if not answering:
        return
    print("\nAd-hoc queries over the events, ms, median\n")
    rows = [["query", *[one.peer for one in answering]]]
    for name in answering[0].adhoc_ms:
        rows.append([name, *[shown(one.adhoc_ms.get(name)) for one in answering]])
    duck = next((one for one in answering if one.peer == "duckdb"), None)
    if reference and duck:
        rows[0].append("headwater ÷ duckdb")
        for row, name in zip(rows[1:], answering[0].adhoc_ms, strict=True):
            row.append(ratio(reference.adhoc_ms[name], duck.adhoc_ms.get(name)))
    print_rows(rows)
    compare_answers(answering)


def compare_answers(answering: list[Figures]) -> None:
    first, *others = answering
    different = [
        f"{name}: {first.peer} and {other.peer} answer differently"
        for other in others
        for name in first.adhoc_answers
        if first.adhoc_answers[name] != other.adhoc_answers[name]
    ]
    print("\n" + ("\n".join(different) or "All answer the ad-hoc queries alike."))


def ratio(numerator: float | None, denominator: float | None) -> str:
    if numerator is None or denominator is None:
        return "–"
    value = numerator / denominator
    return f"{value:,.0f} ×" if value >= 10 else f"{value:.2f} ×"


def shown(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def print_rows(rows: list[list[str]]) -> None:
    widths = [max(len(row[at]) for row in rows if at < len(row)) for at in range(max(map(len, rows)))]
    text_columns = 2 if rows[0][1].startswith("how") else 1
    for row in rows:
        cells = [
            cell.ljust(width) if at < text_columns else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=False))
        ]
        print("  ".join(cells).rstrip())


def print_machine() -> None:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"Linux {os.uname().release}, load {os.getloadavg()[0]:.2f}"
    print(f"machine: {os.cpu_count()} × {model}, {memory:.0f} GiB, {system}")
