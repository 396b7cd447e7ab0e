"""psycopg2: the simple protocol, implicit transactions, COPY, cursors."""

import datetime
import decimal
import io

import psycopg2
import psycopg2.errors
import psycopg2.extras
import pytest


def value(connection, sql, parameters=None):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone()[0]


def test_values_arrive_as_python_has_them(server):
    connection = server.connect()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1, 2::bigint, 1.50::numeric, 0.1::float8, 'x', true, NULL, DATE '2026-10-27',"
            " TIMESTAMP '2026-10-27 21:11:09.699472', TIMESTAMPTZ '2026-10-27 21:11:09+00', ARRAY[1, 2]"
        )
        row = cursor.fetchone()
    utc = datetime.timezone.utc
    assert row == (
        1,
        2,
        decimal.Decimal("1.50"),
        0.1,
        "x",
        True,
        None,
        datetime.date(2026, 10, 27),
        datetime.datetime(2026, 10, 27, 21, 11, 9, 699472),
        datetime.datetime(2026, 10, 27, 21, 11, 9, tzinfo=utc),
        [1, 2],
    )
    assert str(row[2]) == "1.50"


def test_ddl_waits_for_commit_and_rolls_back(server):
    connection, other = server.connect(), server.connect()
    other.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a int PRIMARY KEY)")
        cursor.execute("INSERT INTO t VALUES (1)")
        assert value(connection, "SELECT count(*) FROM t") == 1
        with pytest.raises(psycopg2.errors.UndefinedTable):
            value(other, "SELECT count(*) FROM t")
    connection.rollback()
    with pytest.raises(psycopg2.errors.UndefinedTable):
        value(connection, "SELECT count(*) FROM t")
    connection.rollback()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a int PRIMARY KEY)")
        cursor.execute("INSERT INTO t VALUES (1)")
    connection.commit()
    assert value(other, "SELECT count(*) FROM t") == 1


def test_an_error_fails_the_transaction_until_rollback(server):
    connection = server.connect()
    with pytest.raises(psycopg2.errors.DivisionByZero):
        value(connection, "SELECT 1/0")
    with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
        value(connection, "SELECT 1")
    connection.rollback()
    assert value(connection, "SELECT 1") == 1
    with pytest.raises(psycopg2.errors.InvalidTextRepresentation) as caught:
        value(connection, "SELECT %s::int", ("abc",))
    assert caught.value.diag.message_primary == 'invalid input syntax for type integer: "abc"'
    connection.rollback()


def test_copy_both_ways(server):
    connection = server.connect()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a int PRIMARY KEY, b text)")
        cursor.copy_expert("COPY t FROM STDIN (FORMAT csv)", io.StringIO('1,one\n2,"two, too"\n3,\n'))
        assert cursor.rowcount == 3
        out = io.StringIO()
        cursor.copy_expert("COPY (SELECT * FROM t ORDER BY a) TO STDOUT", out)
        assert out.getvalue() == "1\tone\n2\ttwo, too\n3\t\\N\n"
    connection.commit()


def test_savepoints(server):
    connection = server.connect()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a int PRIMARY KEY)")
        cursor.execute("SAVEPOINT s")
        cursor.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(psycopg2.errors.DivisionByZero):
            cursor.execute("SELECT 1/0")
        cursor.execute("ROLLBACK TO SAVEPOINT s")
        cursor.execute("INSERT INTO t VALUES (2)")
    connection.commit()
    with connection.cursor() as cursor:
        cursor.execute("SELECT a FROM t")
        assert cursor.fetchall() == [(2,)]


def test_many_rows_and_returning(server):
    connection = server.connect()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a int PRIMARY KEY, b text DEFAULT 'd')")
        returned = psycopg2.extras.execute_values(
            cursor, "INSERT INTO t (a) VALUES %s RETURNING a, b", [(i,) for i in range(1000)], page_size=1000, fetch=True
        )
    connection.commit()
    assert len(returned) == 1000 and returned[0] == (0, "d")


def test_cancel(server):
    import threading

    connection = server.connect()
    done = threading.Event()

    def keep_canceling():
        # Requests that come before the statement hit nothing.
        while not done.wait(0.05):
            connection.cancel()

    thread = threading.Thread(target=keep_canceling)
    thread.start()
    try:
        with pytest.raises(psycopg2.errors.QueryCanceled):
            value(connection, "SELECT pg_sleep(50)")
    finally:
        done.set()
        thread.join()
    connection.rollback()
    assert value(connection, "SELECT 1") == 1


def test_notices(server):
    connection = server.connect()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a int PRIMARY KEY)")
        cursor.execute("CREATE TABLE IF NOT EXISTS t (a int PRIMARY KEY)")
    assert connection.notices == ['NOTICE:  relation "t" already exists, skipping\n']
