-- Aggregates and joins over the tutorial's events that none of its views answers. Each query is named by the comment
-- before it. Run by `cargo xtask bench adhoc`, and by `benches/peers` beside DuckDB, whose answers must be equal.

-- count
SELECT COUNT(*) FROM marketing_events;

-- revenue by type
SELECT event_type, COUNT(*), SUM(amount) FROM marketing_events GROUP BY event_type;

-- one hour
SELECT COUNT(*), SUM(amount) FROM marketing_events
WHERE timestamp >= '2026-10-27 10:00:00+00' AND timestamp < '2026-10-27 11:00:00+00';

-- filter on text and numbers
SELECT COUNT(*), MAX(amount) FROM marketing_events
WHERE utm_source = 'google' AND channel_type = 'email' AND amount > 400;

-- events by hour and channel
SELECT date_trunc('hour', timestamp) AS hour, channel_type, COUNT(*), SUM(amount) FROM marketing_events GROUP BY 1, 2;

-- users of each campaign
SELECT campaign_id, COUNT(DISTINCT user_id) FROM marketing_events GROUP BY campaign_id;

-- ten best customers
SELECT user_id, SUM(amount) AS spent FROM marketing_events WHERE event_type = 'conversion'
GROUP BY user_id ORDER BY spent DESC, user_id LIMIT 10;

-- join to campaigns
SELECT c.campaign_type, e.channel_type, COUNT(*), SUM(e.amount)
FROM marketing_events e JOIN campaigns c ON e.campaign_id = c.campaign_id GROUP BY 1, 2;

-- impressions of who bought much
SELECT COUNT(*) FROM marketing_events e WHERE e.event_type = 'impression' AND EXISTS (
    SELECT 1 FROM marketing_events b WHERE b.user_id = e.user_id AND b.event_type = 'conversion' AND b.amount > 450);
