#!/usr/bin/env python3
"""Writes PostgreSQL's built-in catalog rows, as the files beside this script hold them.

Usage: dump.py postgresql://postgres@127.0.0.1:5432/postgres      (a PostgreSQL 15 without user objects; needs psql)

Each file is COPY's text format. The first line names the columns; a column that has one value in every row appears
there as name=value and not in the rows. reg* values are written as oids.
"""
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
SHOWN_TYPES = "t.typtype <> 'c' AND (t.typelem = 0 OR (SELECT e.typtype FROM pg_type e WHERE e.oid = t.typelem) <> 'c')"
SHOWN_CLASSES = "n.nspname IN ('pg_catalog', 'information_schema') AND c.relkind IN ('r', 'v') AND c.relname !~ '^_'"
TABLES = {
    "pg_aggregate": "true ORDER BY aggfnoid",
    "pg_am": "true ORDER BY oid",
    "pg_amop": "true ORDER BY oid",
    "pg_amproc": "true ORDER BY oid",
    "pg_cast": "true ORDER BY oid",
    "pg_collation": "collname IN ('default', 'C', 'POSIX', 'ucs_basic') ORDER BY oid",
    "pg_conversion": "true ORDER BY oid",
    "pg_description": "classoid IN (SELECT oid FROM pg_class WHERE relname IN ('pg_am', 'pg_cast', 'pg_collation',"
    " 'pg_conversion', 'pg_language', 'pg_namespace', 'pg_ts_config', 'pg_ts_dict', 'pg_ts_parser', 'pg_type'))"
    " AND (classoid <> 'pg_collation'::regclass OR objoid IN (100, 950, 951)) ORDER BY classoid, objoid",
    "pg_language": "lanname <> 'plpgsql' ORDER BY oid",
    "pg_opclass": "true ORDER BY oid",
    "pg_operator": "true ORDER BY oid",
    "pg_opfamily": "true ORDER BY oid",
    "pg_proc": "oid < 16384 AND proname !~ '^plpgsql_' ORDER BY oid",
    "pg_range": "true ORDER BY rngtypid",
    "pg_settings": "name !~ '^plpgsql' ORDER BY name",
    "pg_shdescription": "true ORDER BY objoid",
    "pg_tablespace": "true ORDER BY oid",
    "pg_ts_config": "true ORDER BY oid",
    "pg_ts_dict": "true ORDER BY oid",
    "pg_ts_parser": "true ORDER BY oid",
    "pg_ts_template": "true ORDER BY oid",
    "pg_type": SHOWN_TYPES + " ORDER BY oid",
    "sql_features": "true ORDER BY feature_id, sub_feature_id",
    "sql_implementation_info": "true ORDER BY implementation_info_id",
    "sql_sizing": "true ORDER BY sizing_id",
}


# What is written instead of a column: node trees as text, or not at all; settings without this machine's.
OVERRIDES = {
    ("pg_proc", "prosqlbody"): "NULL",
    ("pg_proc", "proargdefaults"): "pg_get_expr(proargdefaults, 0)",
    ("pg_type", "typdefaultbin"): "NULL",
    ("pg_settings", "setting"): "CASE context WHEN 'internal' THEN setting ELSE boot_val END",
    ("pg_settings", "reset_val"): "CASE context WHEN 'internal' THEN setting ELSE boot_val END",
    ("pg_settings", "boot_val"): "CASE context WHEN 'internal' THEN setting ELSE boot_val END",
    ("pg_settings", "source"): "'default'",
    ("pg_settings", "sourcefile"): "NULL",
    ("pg_settings", "sourceline"): "NULL",
}


def query(url, sql):
    run = subprocess.run(["psql", "-X", "-q", "-d", url, "-c", f"COPY ({sql}) TO STDOUT"], check=True, capture_output=True)
    return [line.split("\t") for line in run.stdout.decode().splitlines()]


def columns(url, table):
    return query(
        url,
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        f" WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
    )


def write(name, header, rows):
    constant = [len(rows) > 1 and len({row[i] for row in rows}) == 1 for i in range(len(header))]
    head = [f"{column}={rows[0][i]}" if constant[i] else column for i, column in enumerate(header)]
    with open(HERE / f"{name}.tsv", "w", encoding="utf-8") as out:
        out.write("\t".join(head) + "\n")
        for row in rows:
            out.write("\t".join(value for i, value in enumerate(row) if not constant[i]) + "\n")


def main():
    url = sys.argv[1]
    for name, where in TABLES.items():
        table = f"information_schema.{name}" if name.startswith("sql_") else f"pg_catalog.{name}"
        shape = columns(url, table)
        oids = [OVERRIDES.get((name, c)) or (f"{c}::oid" if t.startswith("reg") else c) for c, t in shape]
        alias = " t" if name == "pg_type" else ""
        write(name, [c for c, _ in shape], query(url, f"SELECT {', '.join(oids)} FROM {table}{alias} WHERE {where}"))
    # The shape of every system relation: one line each, then its columns as name, type, `!` if NOT NULL.
    shapes = query(
        url,
        "SELECT n.nspname, c.relname, c.oid, c.relkind,"
        " (SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod)"
        "  || CASE WHEN a.attnotnull THEN ' !' ELSE '' END, ',' ORDER BY a.attnum)"
        "  FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0)"
        f" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {SHOWN_CLASSES} ORDER BY 1, 2",
    )
    with open(HERE / "relations.tsv", "w", encoding="utf-8") as out:
        for shape in shapes:
            out.write("\t".join(shape) + "\n")


main()
