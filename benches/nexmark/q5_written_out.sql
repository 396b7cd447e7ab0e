-- q5 without HOP: each bid is in the five windows of ten seconds that began in the last ten.
WITH hops AS (
    SELECT auction, date_bin(INTERVAL '2 seconds', date_time, TIMESTAMP '2000-01-01') - hop * INTERVAL '2 seconds'
        AS window_start
    FROM bid, generate_series(0, 4) AS hop
), auction_bids AS (
    SELECT auction, window_start, COUNT(*) AS num FROM hops GROUP BY auction, window_start
), max_bids AS (
    SELECT window_start, MAX(num) AS maxn FROM auction_bids GROUP BY window_start
)
SELECT a.auction, a.num FROM auction_bids AS a JOIN max_bids AS m ON a.window_start = m.window_start AND a.num >= m.maxn
