-- The tutorial's views as ClickHouse keeps them: materialized views add the states of each block that is inserted to
-- AggregatingMergeTree tables. Right for appends only, and where no event comes twice.
CREATE TABLE campaign_totals (
    campaign_id LowCardinality(String), window_start DateTime('UTC'),
    impressions SimpleAggregateFunction(sum, UInt64), clicks SimpleAggregateFunction(sum, UInt64),
    conversions SimpleAggregateFunction(sum, UInt64), revenue SimpleAggregateFunction(sum, Decimal(38, 2))
) ENGINE = AggregatingMergeTree ORDER BY (campaign_id, window_start);

CREATE MATERIALIZED VIEW campaign_totals_added TO campaign_totals AS
SELECT campaign_id, toStartOfHour(timestamp) AS window_start,
    countIf(event_type = 'impression') AS impressions, countIf(event_type = 'click') AS clicks,
    countIf(event_type = 'conversion') AS conversions, sumIf(amount, event_type = 'conversion') AS revenue
FROM marketing_events GROUP BY campaign_id, window_start;

CREATE TABLE channel_totals (
    window_start DateTime('UTC'), channel_type LowCardinality(String), utm_source LowCardinality(String),
    utm_medium LowCardinality(String), users AggregateFunction(uniqExact, UInt32),
    conversions SimpleAggregateFunction(sum, UInt64), revenue SimpleAggregateFunction(sum, Decimal(38, 2))
) ENGINE = AggregatingMergeTree ORDER BY (window_start, channel_type, utm_source, utm_medium);

CREATE MATERIALIZED VIEW channel_totals_added TO channel_totals AS
SELECT toStartOfHour(timestamp) AS window_start, channel_type, utm_source, utm_medium,
    uniqExactState(user_id) AS users, countIf(event_type = 'conversion') AS conversions,
    sumIf(amount, event_type = 'conversion') AS revenue
FROM marketing_events GROUP BY window_start, channel_type, utm_source, utm_medium;

CREATE VIEW campaign_performance AS
SELECT t.window_start AS window_start, t.window_start + INTERVAL 1 HOUR AS window_end, t.campaign_id AS campaign_id,
    c.campaign_name AS campaign_name, c.campaign_type AS campaign_type, t.impressions AS impressions,
    t.clicks AS clicks, t.conversions AS conversions, t.revenue AS revenue,
    t.clicks / nullIf(t.impressions, 0) AS ctr, t.conversions / nullIf(t.clicks, 0) AS conversion_rate
FROM (
    SELECT campaign_id, window_start, sum(impressions) AS impressions, sum(clicks) AS clicks,
        sum(conversions) AS conversions, sum(revenue) AS revenue
    FROM campaign_totals GROUP BY campaign_id, window_start
) AS t JOIN campaigns AS c ON t.campaign_id = c.campaign_id;

CREATE VIEW channel_attribution AS
SELECT window_start, window_start + INTERVAL 1 HOUR AS window_end, channel_type, utm_source, utm_medium, unique_users,
    conversions, revenue, revenue / nullIf(conversions, 0) AS avg_order_value
FROM (
    SELECT window_start, channel_type, utm_source, utm_medium, uniqExactMerge(users) AS unique_users,
        sum(conversions) AS conversions, sum(revenue) AS revenue
    FROM channel_totals GROUP BY window_start, channel_type, utm_source, utm_medium
) AS t;

CREATE VIEW ab_test_results AS
SELECT t.window_start AS window_start, t.window_start + INTERVAL 1 HOUR AS window_end, t.campaign_id AS campaign_id,
    v.variant_name AS variant_name, v.variant_type AS variant_type, t.impressions AS impressions, t.clicks AS clicks,
    t.conversions AS conversions, t.revenue * v.copies AS revenue,
    t.conversions / nullIf(t.clicks, 0) AS conversion_rate
FROM (
    SELECT campaign_id, window_start, sum(impressions) AS impressions, sum(clicks) AS clicks,
        sum(conversions) AS conversions, sum(revenue) AS revenue
    FROM campaign_totals GROUP BY campaign_id, window_start
) AS t
JOIN (
    SELECT campaign_id, variant_name, variant_type, count() AS copies FROM ab_test_variants
    WHERE campaign_id IN (SELECT campaign_id FROM campaigns WHERE campaign_type = 'ab_test')
    GROUP BY campaign_id, variant_name, variant_type
) AS v ON t.campaign_id = v.campaign_id;
