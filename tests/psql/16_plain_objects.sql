CREATE TABLE keyless (a integer, b varchar(40) NOT NULL, c numeric(10,2), d text[], e char(5), f timestamp, g "char");
CREATE TABLE keyed (a bigint, b text, c date, PRIMARY KEY (b, a));
CREATE VIEW over_keyless AS SELECT a, b FROM keyless;
\d keyless
\d+ keyless
\d keyed
\d over_keyless
\dv
DROP VIEW over_keyless;
DROP TABLE keyless, keyed;
