"""What psql prints, against what it printed on PostgreSQL 15 (tests/psql/capture.py)."""

import pathlib
import shutil
import subprocess

import pytest

from conftest import ROOT, Server

CASES = sorted((ROOT / "tests" / "psql").glob("[0-9]*.sql"))


@pytest.fixture(scope="module")
def tutorial_server():
    """One server for all cases, which run in the order they were captured in."""
    server = Server()
    server.create_tutorial()
    yield server
    assert server.stop() == 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_psql_prints_what_postgresql_would(tutorial_server, case: pathlib.Path):
    psql = shutil.which("psql")
    assert psql, "psql is missing: install postgresql-client"
    arguments = ["-X", "-h", "localhost", "-p", str(tutorial_server.port), "-U", "root", "-f", case.name, "dev"]
    run = subprocess.run(
        [psql, *arguments],
        cwd=case.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.stdout == case.with_suffix(".expected").read_text()


def test_conninfo(tutorial_server):
    arguments = ["-X", "-h", "127.0.0.1", "-p", str(tutorial_server.port), "-U", "root", "-c", "\\conninfo", "dev"]
    run = subprocess.run(["psql", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout == (
        'You are connected to database "dev" as user "root" on host "127.0.0.1" '
        f'at port "{tutorial_server.port}".\n'
    )
