-- The winning bid of each auction.
SELECT DISTINCT ON (a.id) a.id, a.item_name, a.description, a.initial_bid, a.reserve, a.date_time, a.expires, a.seller,
    a.category, b.auction, b.bidder, b.price, b.date_time AS bid_date_time
FROM auction AS a JOIN bid AS b ON a.id = b.auction
WHERE b.date_time BETWEEN a.date_time AND a.expires
ORDER BY a.id, b.price DESC, b.date_time
