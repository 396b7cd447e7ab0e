-- The tutorial in Flink SQL. A window that closes would show its rows only then: grouping by the hour keeps the views
-- up to date while events arrive, as the others' are. {events} is the directory of the batches, {campaigns} and
-- {variants} are files.
CREATE TABLE marketing_events (
    event_id STRING, user_id INT, campaign_id STRING, channel_type STRING, event_type STRING, amount DECIMAL(18, 2),
    utm_source STRING, utm_medium STRING, utm_campaign STRING, `timestamp` TIMESTAMP(6)
) WITH ('connector' = 'filesystem', 'path' = '{events}', 'format' = 'csv');

CREATE TABLE campaigns (campaign_id STRING, campaign_name STRING, campaign_type STRING)
WITH ('connector' = 'filesystem', 'path' = '{campaigns}', 'format' = 'csv');

CREATE TABLE ab_test_variants (variant_id STRING, campaign_id STRING, variant_name STRING, variant_type STRING)
WITH ('connector' = 'filesystem', 'path' = '{variants}', 'format' = 'csv');

CREATE TEMPORARY VIEW campaign_performance AS
SELECT FLOOR(me.`timestamp` TO HOUR) AS window_start, c.campaign_id, c.campaign_name, c.campaign_type,
    COUNT(DISTINCT CASE WHEN event_type = 'impression' THEN me.event_id END) AS impressions,
    COUNT(DISTINCT CASE WHEN event_type = 'click' THEN me.event_id END) AS clicks,
    COUNT(DISTINCT CASE WHEN event_type = 'conversion' THEN me.event_id END) AS conversions,
    SUM(CASE WHEN event_type = 'conversion' THEN amount ELSE 0 END) AS revenue
FROM marketing_events AS me JOIN campaigns AS c ON me.campaign_id = c.campaign_id
GROUP BY FLOOR(me.`timestamp` TO HOUR), c.campaign_id, c.campaign_name, c.campaign_type;

CREATE TEMPORARY VIEW channel_attribution AS
SELECT FLOOR(`timestamp` TO HOUR) AS window_start, channel_type, utm_source, utm_medium,
    COUNT(DISTINCT user_id) AS unique_users,
    COUNT(DISTINCT CASE WHEN event_type = 'conversion' THEN event_id END) AS conversions,
    SUM(CASE WHEN event_type = 'conversion' THEN amount ELSE 0 END) AS revenue
FROM marketing_events GROUP BY FLOOR(`timestamp` TO HOUR), channel_type, utm_source, utm_medium;

CREATE TEMPORARY VIEW ab_test_results AS
SELECT FLOOR(me.`timestamp` TO HOUR) AS window_start, c.campaign_id, c.campaign_name, av.variant_name, av.variant_type,
    COUNT(DISTINCT CASE WHEN event_type = 'impression' THEN me.event_id END) AS impressions,
    COUNT(DISTINCT CASE WHEN event_type = 'click' THEN me.event_id END) AS clicks,
    COUNT(DISTINCT CASE WHEN event_type = 'conversion' THEN me.event_id END) AS conversions,
    SUM(CASE WHEN event_type = 'conversion' THEN amount ELSE 0 END) AS revenue
FROM marketing_events AS me
JOIN campaigns AS c ON me.campaign_id = c.campaign_id
JOIN ab_test_variants AS av ON c.campaign_id = av.campaign_id
WHERE c.campaign_type = 'ab_test'
GROUP BY FLOOR(me.`timestamp` TO HOUR), c.campaign_id, c.campaign_name, av.variant_name, av.variant_type;
