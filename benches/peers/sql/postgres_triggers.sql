-- The tutorial's views kept by hand: summary tables that a statement trigger adds to. Right for appends only: an UPDATE or
-- a DELETE of events or of campaigns would need as much again. COUNT(DISTINCT event_id) is a count, as event_id is the key.
CREATE TABLE campaign_totals (
    campaign_id varchar, window_start timestamptz,
    impressions bigint NOT NULL, clicks bigint NOT NULL, conversions bigint NOT NULL, revenue numeric NOT NULL,
    PRIMARY KEY (campaign_id, window_start)
) WITH (fillfactor = 50);

CREATE TABLE channel_totals (
    window_start timestamptz, channel_type varchar, utm_source varchar, utm_medium varchar,
    unique_users bigint NOT NULL, conversions bigint NOT NULL, revenue numeric NOT NULL,
    PRIMARY KEY (window_start, channel_type, utm_source, utm_medium)
) WITH (fillfactor = 50);

CREATE TABLE channel_users (
    window_start timestamptz, channel_type varchar, utm_source varchar, utm_medium varchar, user_id integer,
    PRIMARY KEY (window_start, channel_type, utm_source, utm_medium, user_id)
);

CREATE FUNCTION add_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO campaign_totals AS t
    SELECT campaign_id, date_trunc('hour', timestamp),
        COUNT(*) FILTER (WHERE event_type = 'impression'), COUNT(*) FILTER (WHERE event_type = 'click'),
        COUNT(*) FILTER (WHERE event_type = 'conversion'),
        SUM(CASE WHEN event_type = 'conversion' THEN amount ELSE 0 END)
    FROM added GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (campaign_id, window_start) DO UPDATE SET
        impressions = t.impressions + excluded.impressions, clicks = t.clicks + excluded.clicks,
        conversions = t.conversions + excluded.conversions, revenue = t.revenue + excluded.revenue;

    WITH fresh AS (
        INSERT INTO channel_users
        SELECT DISTINCT date_trunc('hour', timestamp), channel_type, utm_source, utm_medium, user_id FROM added
        ORDER BY 1, 2, 3, 4, 5
        ON CONFLICT DO NOTHING
        RETURNING window_start, channel_type, utm_source, utm_medium
    ), users AS (
        SELECT window_start, channel_type, utm_source, utm_medium, COUNT(*) AS unique_users
        FROM fresh GROUP BY 1, 2, 3, 4
    ), sums AS (
        SELECT date_trunc('hour', timestamp) AS window_start, channel_type, utm_source, utm_medium,
            COUNT(*) FILTER (WHERE event_type = 'conversion') AS conversions,
            SUM(CASE WHEN event_type = 'conversion' THEN amount ELSE 0 END) AS revenue
        FROM added GROUP BY 1, 2, 3, 4
    )
    INSERT INTO channel_totals AS t
    SELECT window_start, channel_type, utm_source, utm_medium, COALESCE(unique_users, 0), conversions, revenue
    FROM sums LEFT JOIN users USING (window_start, channel_type, utm_source, utm_medium) ORDER BY 1, 2, 3, 4
    ON CONFLICT (window_start, channel_type, utm_source, utm_medium) DO UPDATE SET
        unique_users = t.unique_users + excluded.unique_users,
        conversions = t.conversions + excluded.conversions, revenue = t.revenue + excluded.revenue;
    RETURN NULL;
END $$;

CREATE TRIGGER add_events AFTER INSERT ON marketing_events
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION add_events();

CREATE VIEW campaign_performance AS
SELECT window_start, window_start + INTERVAL '1 HOUR' AS window_end, c.campaign_id, c.campaign_name, c.campaign_type,
    impressions, clicks, conversions, revenue,
    clicks::float / NULLIF(impressions, 0) AS ctr, conversions::float / NULLIF(clicks, 0) AS conversion_rate
FROM campaign_totals JOIN campaigns c USING (campaign_id);

CREATE VIEW channel_attribution AS
SELECT window_start, window_start + INTERVAL '1 HOUR' AS window_end, channel_type, utm_source, utm_medium,
    unique_users, conversions, revenue, revenue / NULLIF(conversions, 0) AS avg_order_value
FROM channel_totals;

CREATE VIEW ab_test_results AS
SELECT window_start, window_start + INTERVAL '1 HOUR' AS window_end, c.campaign_id, c.campaign_name,
    v.variant_name, v.variant_type, impressions, clicks, conversions, revenue * COUNT(*) AS revenue,
    conversions::float / NULLIF(clicks, 0) AS conversion_rate
FROM campaign_totals JOIN campaigns c USING (campaign_id) JOIN ab_test_variants v USING (campaign_id)
WHERE c.campaign_type = 'ab_test'
GROUP BY window_start, c.campaign_id, c.campaign_name, v.variant_name, v.variant_type,
    impressions, clicks, conversions, revenue;
