-- The tutorial's views computed from the events by each query.
CREATE VIEW campaign_performance AS
SELECT toStartOfHour(me.timestamp) AS window_start, toStartOfHour(me.timestamp) + INTERVAL 1 HOUR AS window_end,
    c.campaign_id AS campaign_id, c.campaign_name AS campaign_name, c.campaign_type AS campaign_type,
    uniqExactIf(me.event_id, me.event_type = 'impression') AS impressions,
    uniqExactIf(me.event_id, me.event_type = 'click') AS clicks,
    uniqExactIf(me.event_id, me.event_type = 'conversion') AS conversions,
    sumIf(me.amount, me.event_type = 'conversion') AS revenue,
    clicks / nullIf(impressions, 0) AS ctr, conversions / nullIf(clicks, 0) AS conversion_rate
FROM marketing_events AS me JOIN campaigns AS c ON me.campaign_id = c.campaign_id
GROUP BY window_start, window_end, campaign_id, campaign_name, campaign_type;

CREATE VIEW channel_attribution AS
SELECT toStartOfHour(timestamp) AS window_start, toStartOfHour(timestamp) + INTERVAL 1 HOUR AS window_end,
    channel_type, utm_source, utm_medium, uniqExact(user_id) AS unique_users,
    uniqExactIf(event_id, event_type = 'conversion') AS conversions,
    sumIf(amount, event_type = 'conversion') AS revenue, revenue / nullIf(conversions, 0) AS avg_order_value
FROM marketing_events GROUP BY window_start, window_end, channel_type, utm_source, utm_medium;

CREATE VIEW ab_test_results AS
SELECT toStartOfHour(me.timestamp) AS window_start, toStartOfHour(me.timestamp) + INTERVAL 1 HOUR AS window_end,
    c.campaign_id AS campaign_id, c.campaign_name AS campaign_name, av.variant_name AS variant_name,
    av.variant_type AS variant_type,
    uniqExactIf(me.event_id, me.event_type = 'impression') AS impressions,
    uniqExactIf(me.event_id, me.event_type = 'click') AS clicks,
    uniqExactIf(me.event_id, me.event_type = 'conversion') AS conversions,
    sumIf(me.amount, me.event_type = 'conversion') AS revenue,
    conversions / nullIf(clicks, 0) AS conversion_rate
FROM marketing_events AS me
JOIN campaigns AS c ON me.campaign_id = c.campaign_id
JOIN ab_test_variants AS av ON c.campaign_id = av.campaign_id
WHERE c.campaign_type = 'ab_test'
GROUP BY window_start, window_end, campaign_id, campaign_name, variant_name, variant_type;
