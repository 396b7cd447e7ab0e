"""Real clients against a server process. `cargo xtask test` says in HEADWATER_BINARY which binary that is."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import psycopg2
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("HEADWATER_BINARY", str(ROOT / "target" / "debug" / "headwater"))
TUTORIAL = [ROOT / "sql" / "marketing" / name for name in ("01_tables.sql", "02_views.sql")]


class Server:
    """A server on a port and a directory of its own."""

    def __init__(self, port=0):
        self.data = tempfile.mkdtemp(prefix="headwater-")
        self.port = port
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [BINARY, "serve", "--listen", f"127.0.0.1:{self.port}", "--data-dir", self.data],
            stdout=subprocess.PIPE,
            text=True,
        )
        for line in self.process.stdout:
            if found := re.match(r"\s*listening\s+\S+:(\d+)", line):
                self.port = int(found[1])
            if line.startswith("Ctrl+C"):
                return
        raise RuntimeError("the server did not start")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        finally:
            shutil.rmtree(self.data, ignore_errors=True)
        return self.process.returncode

    def connect(self, **options):
        return psycopg2.connect(host="localhost", port=self.port, user="root", password="", dbname="dev", **options)

    def url(self):
        return f"postgresql://root@localhost:{self.port}/dev"

    def create_tutorial(self):
        with self.connect() as connection, connection.cursor() as cursor:
            for path in TUTORIAL:
                cursor.execute(path.read_text())


@pytest.fixture
def server():
    """A fresh server; its end must be clean."""
    running = Server()
    yield running
    assert running.stop() == 0


@pytest.fixture
def tutorial(server):
    """A fresh server with the tutorial's tables and views."""
    server.create_tutorial()
    return server
