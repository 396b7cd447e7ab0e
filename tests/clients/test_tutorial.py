"""The tutorial as a user runs it: the generator, kill -9, the demo."""

import os
import signal
import subprocess
import sys

from conftest import BINARY, ROOT, Server

GENERATOR = [sys.executable, str(ROOT / "examples" / "data_generator.py")]

PERFORMANCE_BY_QUERY = """
    SELECT date_trunc('hour', me.timestamp), c.campaign_id,
        COUNT(DISTINCT CASE WHEN event_type = 'impression' THEN me.event_id END),
        COUNT(DISTINCT CASE WHEN event_type = 'click' THEN me.event_id END),
        COUNT(DISTINCT CASE WHEN event_type = 'conversion' THEN me.event_id END),
        SUM(CASE WHEN event_type = 'conversion' THEN amount ELSE 0 END)
    FROM marketing_events me JOIN campaigns c ON me.campaign_id = c.campaign_id
    GROUP BY 1, 2 ORDER BY 1, 2
"""
PERFORMANCE_BY_VIEW = """
    SELECT window_start, campaign_id, impressions, clicks, conversions, revenue
    FROM campaign_performance ORDER BY 1, 2
"""


def rows(server, sql):
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def generate(server, *arguments):
    command = [*GENERATOR, "--port", str(server.port), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_generator_fills_the_views(tutorial):
    done = generate(tutorial, "--events", "200", "--rate", "0", "--seed", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("Inserted 200 events.\n")
    assert rows(tutorial, "SELECT count(*) FROM marketing_events") == [(200,)]
    assert rows(tutorial, "SELECT sum(impressions + clicks + conversions) FROM campaign_performance") == [(200,)]
    assert rows(tutorial, PERFORMANCE_BY_VIEW) == rows(tutorial, PERFORMANCE_BY_QUERY)
    # The same seed makes the same events, and a key that exists is replaced.
    assert generate(tutorial, "--events", "200", "--rate", "0", "--seed", "1").returncode == 0
    assert rows(tutorial, "SELECT count(*) FROM marketing_events") == [(200,)]


def test_the_generator_without_tables_says_what_to_do(server):
    done = generate(server, "--events", "1")
    assert done.returncode == 1
    assert "sql/marketing/01_tables.sql" in done.stderr
    assert "Traceback" not in done.stderr


def test_interrupting_the_generator_is_clean(tutorial):
    command = [*GENERATOR, "--port", str(tutorial.port), "--rate", "1000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("Inserting events")
    assert process.stdout.readline().endswith("events\n")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert "Stopped after" in out
    assert rows(tutorial, PERFORMANCE_BY_VIEW) == rows(tutorial, PERFORMANCE_BY_QUERY)


def test_everything_acknowledged_survives_kill_9(tutorial):
    assert generate(tutorial, "--events", "100", "--rate", "0").returncode == 0
    before = rows(tutorial, PERFORMANCE_BY_VIEW)
    tutorial.kill()
    tutorial.start()
    assert rows(tutorial, "SELECT count(*) FROM marketing_events") == [(100,)]
    assert rows(tutorial, PERFORMANCE_BY_VIEW) == before == rows(tutorial, PERFORMANCE_BY_QUERY)


def demo(server, *arguments):
    command = [BINARY, "demo", "--listen", f"127.0.0.1:{server.port}", "--data-dir", server.data, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL, env=os.environ
    )


def test_the_demo_runs_beside_a_server_again_and_over_old_data():
    server = Server()
    try:
        for run in (1, 2):
            done = demo(server, "--events", "60", "--rate", "200")
            assert (done.returncode, done.stderr) == (0, ""), done
            assert "which was running already" in done.stdout
            assert "COMMIT to visible" in done.stdout
            assert rows(server, "SELECT count(*) FROM marketing_events") == [(60 * run,)]
        server.kill()
        done = demo(server, "--events", "2000", "--rate", "0")
        assert (done.returncode, done.stderr) == (0, ""), done
        assert "which was running already" not in done.stdout
        assert "campaign_performance" in done.stdout
        server.start()
        assert rows(server, "SELECT count(*) FROM marketing_events") == [(2120,)]
        assert rows(server, PERFORMANCE_BY_VIEW) == rows(server, PERFORMANCE_BY_QUERY)
    finally:
        assert server.stop() == 0
