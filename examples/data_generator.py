#!/usr/bin/env python3
"""Inserts made-up marketing events into the tutorial's tables, as a marketing site would.

Create the tables first (sql/marketing/01_tables.sql, and 02_views.sql for the views), then:

    python3 -m venv venv && venv/bin/pip install psycopg2-binary
    venv/bin/python examples/data_generator.py

Every event is a transaction of its own: BEGIN, INSERT, COMMIT. Ctrl+C stops it.
"""

import argparse
import datetime
import random
import sys
import time
import uuid

import psycopg2

CAMPAIGNS = [
    # id, name, type, budget, audience, utm_campaign
    ("camp_001", "Summer Sale", "regular", 10000, "all customers", "summer_sale"),
    ("camp_002", "Product Launch", "regular", 25000, "early adopters", "product_launch"),
    ("camp_003", "Newsletter Subject Lines", "ab_test", 3000, "subscribers", "newsletter"),
    ("camp_004", "Landing Page Redesign", "ab_test", 8000, "new visitors", "landing_page"),
]

VARIANTS = [
    # id, campaign, name, type, content
    ("var_001", "camp_003", "A", "subject_line", "Ten things you missed this week"),
    ("var_002", "camp_003", "B", "subject_line", "Your week in two minutes"),
    ("var_003", "camp_003", "Control", "subject_line", "Weekly newsletter"),
    ("var_004", "camp_004", "A", "landing_page", "One form, above the fold"),
    ("var_005", "camp_004", "B", "landing_page", "Video first, form below"),
]

CHANNELS = [
    # channel_type, utm_source, utm_medium
    ("email", "newsletter", "email"),
    ("social", "facebook", "cpc"),
    ("social", "linkedin", "organic"),
    ("search", "google", "cpc"),
    ("search", "bing", "organic"),
    ("display", "partners", "banner"),
]

INSERT_CAMPAIGN = """
    INSERT INTO campaigns
        (campaign_id, campaign_name, campaign_type, start_date, end_date, budget, target_audience)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
"""

INSERT_VARIANT = """
    INSERT INTO ab_test_variants
        (variant_id, campaign_id, variant_name, variant_type, content_details)
    VALUES (%s, %s, %s, %s, %s)
"""

# The timestamp column is left out: its DEFAULT is the time of the transaction.
INSERT_EVENT = """
    INSERT INTO marketing_events
        (event_id, user_id, campaign_id, channel_type, event_type, amount,
         utm_source, utm_medium, utm_campaign)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


def parse_arguments():
    parser = argparse.ArgumentParser(description="Inserts made-up marketing events.")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=4566)
    parser.add_argument("--dbname", default="dev")
    parser.add_argument("--user", default="root")
    parser.add_argument("--password", default="")
    parser.add_argument("--rate", type=float, default=50, help="events per second, 0 for as fast as it goes (50)")
    parser.add_argument("--events", type=int, default=None, help="stop after so many events")
    parser.add_argument("--seed", type=int, default=None, help="the same seed gives the same events")
    return parser.parse_args()


def insert_campaigns(connection):
    """Inserts campaigns and variants; rows of an earlier run are replaced, as their keys are the same."""
    now = datetime.datetime.now()
    with connection.cursor() as cursor:
        for campaign, name, kind, budget, audience, _ in CAMPAIGNS:
            end = now + datetime.timedelta(days=30)
            cursor.execute(INSERT_CAMPAIGN, (campaign, name, kind, now, end, budget, audience))
        for variant in VARIANTS:
            cursor.execute(INSERT_VARIANT, variant)
    connection.commit()


def make_event(rng):
    """One event: mostly impressions, some clicks, few conversions; only these have an amount."""
    campaign, *_, utm_campaign = rng.choice(CAMPAIGNS)
    channel, source, medium = rng.choice(CHANNELS)
    kind = rng.choices(["impression", "click", "conversion"], weights=[70, 22, 8])[0]
    amount = rng.uniform(10, 10000) if kind == "conversion" else 0
    event_id = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    return (event_id, rng.randint(1, 10000), campaign, channel, kind, amount, source, medium, utm_campaign)


def insert_events(connection, rng, rate, limit):
    """Yields the number of events after each one."""
    started = time.monotonic()
    sent = 0
    with connection.cursor() as cursor:
        while limit is None or sent < limit:
            cursor.execute(INSERT_EVENT, make_event(rng))
            connection.commit()
            sent += 1
            yield sent
            if rate > 0:
                time.sleep(max(0.0, started + sent / rate - time.monotonic()))


def main():
    arguments = parse_arguments()
    sent = 0
    try:
        connection = psycopg2.connect(
            dbname=arguments.dbname,
            user=arguments.user,
            password=arguments.password,
            host=arguments.host,
            port=arguments.port,
        )
        insert_campaigns(connection)
        print("Inserting events; Ctrl+C stops.", flush=True)
        reported = time.monotonic()
        for sent in insert_events(connection, random.Random(arguments.seed), arguments.rate, arguments.events):
            if time.monotonic() - reported >= 1:
                reported = time.monotonic()
                print(f"{sent} events", flush=True)
    except KeyboardInterrupt:
        # No goodbye: the server must cope with clients that just leave.
        print(f"\nStopped after {sent} events.")
        return 0
    except psycopg2.errors.UndefinedTable as error:
        print(f"{error}Create the tutorial's tables first: sql/marketing/01_tables.sql", file=sys.stderr)
        return 1
    except psycopg2.OperationalError as error:
        print(f"Stopped after {sent} events: {error}", file=sys.stderr)
        return 1
    print(f"Inserted {sent} events.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
