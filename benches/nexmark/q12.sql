-- Bids of each person in windows of the time at which they are processed.
SELECT bidder, COUNT(*) AS bid_count, window_start, window_end
FROM TUMBLE((SELECT *, PROCTIME() AS p_time FROM bid), p_time, INTERVAL '10' SECOND)
GROUP BY bidder, window_start, window_end
