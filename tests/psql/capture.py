#!/usr/bin/env python3
"""Captures what psql prints on PostgreSQL 15 for each NN_name.sql here, into NN_name.expected.

Usage: capture.py postgresql://postgres@127.0.0.1:5432/postgres      (PostgreSQL 15, locale C.UTF-8; needs psql 15)

It makes a role `root` and a database `dev`, and in it the tutorial's objects. PostgreSQL has no TUMBLE, so the views are
made over a stand-in; where psql prints a view's definition, the text from sql/marketing takes its place, because Headwater
keeps definitions as they were written. A `\\l` is captured for `dev` alone: Headwater has no other database.
Compare with `psql -X -h localhost -p 4566 -U root -f NN_name.sql dev 2>&1` on a Headwater with the tutorial created.
"""
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
MARKETING = HERE.parent.parent / "sql" / "marketing"
STAND_IN = (
    "FROM (SELECT *, date_bin('1 hour', timestamp, '2000-01-01+00') AS window_start,"
    " date_bin('1 hour', timestamp, '2000-01-01+00') + interval '1 hour' AS window_end FROM marketing_events) AS me"
)


def psql(url, *args, text=None):
    run = subprocess.run(["psql", "-X", "-q", url, *args], input=text, capture_output=True, text=True, check=False)
    return run.stdout, run.stderr


def psql_file(url, path, text):
    """stdout and stderr interleaved, as a user sees them. Without -q: command tags are part of it."""
    edited = HERE / ".capture.sql"
    edited.write_text(text)
    run = subprocess.run(
        ["psql", "-X", "-f", edited.name, url], cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    edited.unlink()
    return run.stdout.replace(edited.name, path.name)


def definitions():
    """View name -> its query as written."""
    text = (MARKETING / "02_views.sql").read_text()
    return dict(re.findall(r"CREATE MATERIALIZED VIEW (\w+) AS\n(.*?);", text, re.S))


def main():
    admin = sys.argv[1]
    for sql in ["DROP DATABASE IF EXISTS dev", "DROP ROLE IF EXISTS root",
                "CREATE ROLE root SUPERUSER LOGIN CREATEROLE CREATEDB REPLICATION BYPASSRLS",
                "CREATE DATABASE dev OWNER root"]:
        psql(admin, "-c", sql)
    url = re.sub(r"//[^@]*@", "//root@", admin).rsplit("/", 1)[0] + "/dev"
    views = (MARKETING / "02_views.sql").read_text()
    views = re.sub(r"FROM TUMBLE\(marketing_events, timestamp, INTERVAL '1 HOUR'\)( as me)?", STAND_IN, views)
    for script in [(MARKETING / "01_tables.sql").read_text(), views]:
        print(*psql(url, "-v", "ON_ERROR_STOP=1", text=script), end="")
    for path in sorted(HERE.glob("[0-9]*.sql")):
        text = re.sub(r"^\\l$", r"\\l dev", path.read_text(), flags=re.M)
        printed = psql_file(url, path, text)
        for name, query in definitions().items():
            printed = re.sub(
                rf'(Materialized view "public.{name}"\n.*?View definition:\n).*?(\nAccess method)',
                lambda found: f"{found[1]} {query};{found[2]}",
                printed,
                flags=re.S,
            )
        path.with_suffix(".expected").write_text(printed)


main()
