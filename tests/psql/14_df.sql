\df
\df pg_catalog.make_interval
\df pg_catalog.coalesce
