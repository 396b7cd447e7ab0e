"""psycopg 3: the extended protocol, binary values, pipelines, server-side cursors, COPY."""

import datetime
import decimal

import psycopg
import pytest


@pytest.fixture
def connection(server):
    with psycopg.connect(server.url()) as connection:
        yield connection


def test_parameters_and_results_in_both_formats(connection):
    moment = datetime.datetime(2026, 10, 27, 21, 11, 9, 699472, tzinfo=datetime.timezone.utc)
    row = (7, "größer", decimal.Decimal("5534.39"), 1.5, True, None, moment, datetime.date(2026, 1, 2))
    for binary in (False, True):
        with connection.cursor(binary=binary) as cursor:
            cursor.execute(
                "SELECT %s::int8, %s::text, %s::numeric, %s::float8, %s::bool, %s::text, %s::timestamptz, %s::date", row
            )
            assert cursor.fetchone() == row


def test_prepared_statements_stay_right_after_ddl(connection):
    connection.execute("CREATE TABLE t (a int PRIMARY KEY)")
    for i in range(10):
        connection.execute("INSERT INTO t VALUES (%s)", (i,))
    connection.commit()
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (10,)


def test_pipeline(connection):
    connection.execute("CREATE TABLE t (a int PRIMARY KEY, b text)")
    connection.commit()
    with connection.pipeline():
        for i in range(100):
            connection.execute("INSERT INTO t VALUES (%s, %s)", (i, "x"))
        total = connection.execute("SELECT count(*) FROM t")
    assert total.fetchone() == (100,)
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        with connection.pipeline():
            connection.execute("SELECT %s::int", ("abc",))
            connection.execute("SELECT 1")
    connection.rollback()
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_nested_transactions_are_savepoints(connection):
    connection.execute("CREATE TABLE t (a int PRIMARY KEY)")
    connection.commit()
    with connection.transaction():
        connection.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(psycopg.errors.DivisionByZero):
            with connection.transaction():
                connection.execute("INSERT INTO t VALUES (2)")
                connection.execute("SELECT 1/0")
    assert connection.execute("SELECT a FROM t").fetchall() == [(1,)]


def test_copy_both_ways(connection):
    connection.execute("CREATE TABLE t (a int PRIMARY KEY, b text)")
    with connection.cursor() as cursor:
        with cursor.copy("COPY t FROM STDIN") as copy:
            for i in range(1000):
                copy.write_row((i, f"row\t{i}" if i else None))
        with cursor.copy("COPY (SELECT a, b FROM t ORDER BY a LIMIT 2) TO STDOUT") as copy:
            assert list(copy.rows()) == [("0", None), ("1", "row\t1")]


def test_rows_stream(connection):
    with connection.cursor() as cursor:
        rows = cursor.stream("SELECT i FROM generate_series(1, 10000) AS s(i)")
        assert sum(row[0] for row in rows) == 50_005_000
