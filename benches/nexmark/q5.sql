-- Auctions with most bids in each hopping window.
SELECT auction_bids.auction, auction_bids.num
FROM (
    SELECT bid.auction, COUNT(*) AS num, window_start
    FROM HOP(bid, date_time, INTERVAL '2' SECOND, INTERVAL '10' SECOND)
    GROUP BY window_start, bid.auction
) AS auction_bids
JOIN (
    SELECT MAX(count_bids.num) AS maxn, count_bids.window_start
    FROM (
        SELECT COUNT(*) AS num, window_start
        FROM HOP(bid, date_time, INTERVAL '2' SECOND, INTERVAL '10' SECOND)
        GROUP BY bid.auction, window_start
    ) AS count_bids
    GROUP BY count_bids.window_start
) AS max_bids
ON auction_bids.window_start = max_bids.window_start AND auction_bids.num >= max_bids.maxn
