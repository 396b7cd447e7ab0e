"""The tutorial's events, made once as CSV files of one batch each, with the totals that every peer must arrive at."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

CAMPAIGNS = 100
USERS = 10_000
BATCH_EVENTS = 10_000
DAY = datetime(2026, 10, 27)
CHANNELS = ["email", "social", "search", "display"]
SOURCES = ["newsletter", "facebook", "google", "bing", "partners"]
MEDIA = ["email", "cpc", "organic", "banner"]
VARIANTS = ["A", "B", "Control"]
KINDS = ["impression"] * 14 + ["click"] * 4 + ["conversion"] * 2

COLUMNS = [
    "event_id",
    "user_id",
    "campaign_id",
    "channel_type",
    "event_type",
    "amount",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "timestamp",
]


@dataclass(frozen=True)
class Event:
    """One event; its time is in UTC."""

    event_id: str
    user_id: int
    campaign_id: str
    channel_type: str
    event_type: str
    cents: int
    utm_source: str
    utm_medium: str
    utm_campaign: str
    timestamp: datetime

    def values(self) -> tuple[str, ...]:
        """As text, in the order of COLUMNS."""
        return (
            self.event_id,
            str(self.user_id),
            self.campaign_id,
            self.channel_type,
            self.event_type,
            f"{self.cents // 100}.{self.cents % 100:02}",
            self.utm_source,
            self.utm_medium,
            self.utm_campaign,
            f"{self.timestamp:%Y-%m-%d %H:%M:%S.%f}",
        )

    def window_start(self) -> str:
        return f"{self.timestamp:%Y-%m-%d %H}:00:00"


@dataclass(frozen=True)
class Totals:
    """What each of the three views adds up to, over all of its groups."""

    impressions: int
    clicks: int
    conversions: int
    cents: int
    attributed_users: int
    attributed_conversions: int
    attributed_cents: int
    tested_impressions: int
    tested_clicks: int
    tested_conversions: int
    tested_cents: int


# How a peer whose views have the tutorial's names and columns adds them up. `cents` is what multiplies a sum of money.
TOTALS_SQL = [
    "SELECT SUM(impressions), SUM(clicks), SUM(conversions), SUM(revenue) * 100 FROM campaign_performance",
    "SELECT SUM(unique_users), SUM(conversions), SUM(revenue) * 100 FROM channel_attribution",
    "SELECT SUM(impressions), SUM(clicks), SUM(conversions), SUM(revenue) * 100 FROM ab_test_results",
]


@dataclass(frozen=True)
class Workload:
    """Batches on disk, their totals, and events that are not among them."""

    batches: list[Path]
    events: int
    totals: Totals
    directory: Path

    def singles(self, run: str) -> Iterator[Event]:
        """An endless supply of further events, of the next day; each run has its own."""
        return events(random.Random(f"singles {run}"), DAY + timedelta(days=1))


def campaign_id(number: int) -> str:
    return f"camp_{number:03}"


def campaigns() -> list[tuple[str, str, str]]:
    """Id, name and type; every other one is an A/B test."""
    return [
        (campaign_id(number), f"Campaign {number}", "regular" if number % 2 else "ab_test")
        for number in range(CAMPAIGNS)
    ]


def variants() -> list[tuple[str, str, str, str]]:
    """Id, campaign, name and type, of the A/B tests."""
    tests = [identity for identity, _, kind in campaigns() if kind == "ab_test"]
    return [(f"{test}_{variant}", test, variant, "creative") for test in tests for variant in VARIANTS]


def dimensions_sql() -> str:
    """INSERTs of the campaigns and their variants."""

    def values(rows: Sequence[tuple[str, ...]]) -> str:
        return ", ".join("(" + ", ".join(f"'{value}'" for value in row) + ")" for row in rows)

    return (
        "INSERT INTO campaigns (campaign_id, campaign_name, campaign_type) VALUES "
        f"{values(campaigns())};\n"
        "INSERT INTO ab_test_variants (variant_id, campaign_id, variant_name, variant_type) VALUES "
        f"{values(variants())};"
    )


def events(source: random.Random, day: datetime) -> Iterator[Event]:
    """Events anywhere in a day, from a seeded source."""
    while True:
        kind = source.choice(KINDS)
        campaign = source.randrange(CAMPAIGNS)
        yield Event(
            event_id=str(UUID(int=source.getrandbits(128))),
            user_id=source.randrange(USERS),
            campaign_id=campaign_id(campaign),
            channel_type=source.choice(CHANNELS),
            event_type=kind,
            cents=source.randrange(500, 50_000) if kind == "conversion" else 0,
            utm_source=source.choice(SOURCES),
            utm_medium=source.choice(MEDIA),
            utm_campaign=f"campaign_{campaign}",
            timestamp=day + timedelta(microseconds=source.randrange(24 * 3600 * 1_000_000)),
        )


def prepare(directory: Path, count: int) -> Workload:
    """The batches of `count` events, made if they are not there yet."""
    home = directory / f"events-{count}"
    totals_file = home / "totals.json"
    if not totals_file.exists():
        home.mkdir(parents=True, exist_ok=True)
        totals_file.write_text(json.dumps(asdict(write_batches(home, count))))
    totals = Totals(**json.loads(totals_file.read_text()))
    return Workload(batches=sorted(home.glob("*.csv")), events=count, totals=totals, directory=home)


def write_batches(home: Path, count: int) -> Totals:
    source = events(random.Random(1), DAY)
    tests = {identity for identity, _, kind in campaigns() if kind == "ab_test"}
    counts = dict.fromkeys(["impression", "click", "conversion"], 0)
    tested = dict(counts)
    cents = tested_cents = 0
    users: set[tuple[int, str, str, str, int]] = set()
    for number, start in enumerate(range(0, count, BATCH_EVENTS)):
        size = min(BATCH_EVENTS, count - start)
        with (home / f"{number:06}.csv").open("w") as file:
            for event in itertools.islice(source, size):
                file.write(",".join(event.values()) + "\n")
                counts[event.event_type] += 1
                cents += event.cents
                if event.campaign_id in tests:
                    tested[event.event_type] += len(VARIANTS)
                    tested_cents += event.cents * len(VARIANTS)
                channel = (event.channel_type, event.utm_source, event.utm_medium)
                users.add((event.timestamp.hour, *channel, event.user_id))
    return Totals(
        impressions=counts["impression"],
        clicks=counts["click"],
        conversions=counts["conversion"],
        cents=cents,
        attributed_users=len(users),
        attributed_conversions=counts["conversion"],
        attributed_cents=cents,
        tested_impressions=tested["impression"],
        tested_clicks=tested["click"],
        tested_conversions=tested["conversion"],
        tested_cents=tested_cents,
    )
