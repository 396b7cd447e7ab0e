-- The ten highest bids of each auction.
SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.date_time
FROM (SELECT DISTINCT auction FROM bid) AS a,
    LATERAL (SELECT * FROM bid WHERE bid.auction = a.auction ORDER BY price DESC, date_time LIMIT 10) AS b
