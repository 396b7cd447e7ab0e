-- The Nexmark benchmark's streams as tables. A bid has no key of its own.
CREATE TABLE person (
    id bigint PRIMARY KEY, name varchar, email_address varchar, credit_card varchar, city varchar, state varchar,
    date_time timestamp, extra varchar
);
CREATE TABLE auction (
    id bigint PRIMARY KEY, item_name varchar, description varchar, initial_bid bigint, reserve bigint,
    date_time timestamp, expires timestamp, seller bigint, category bigint, extra varchar
);
CREATE TABLE bid (
    auction bigint, bidder bigint, price bigint, channel varchar, url varchar, date_time timestamp, extra varchar
);
-- What q13 joins to.
CREATE TABLE side_input (key bigint PRIMARY KEY, value varchar);
INSERT INTO side_input SELECT i, 'value of ' || i FROM generate_series(0, 9999) AS t (i);
