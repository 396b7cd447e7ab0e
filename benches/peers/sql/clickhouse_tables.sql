-- The tutorial's tables with the types that ClickHouse's manual advises.
CREATE TABLE marketing_events (
    event_id UUID, user_id UInt32, campaign_id LowCardinality(String), channel_type LowCardinality(String),
    event_type LowCardinality(String), amount Decimal(18, 2), utm_source LowCardinality(String),
    utm_medium LowCardinality(String), utm_campaign LowCardinality(String), timestamp DateTime64(6, 'UTC')
) ENGINE = MergeTree ORDER BY (campaign_id, timestamp);

CREATE TABLE campaigns (campaign_id LowCardinality(String), campaign_name String, campaign_type LowCardinality(String))
ENGINE = MergeTree ORDER BY campaign_id;

CREATE TABLE ab_test_variants (
    variant_id String, campaign_id LowCardinality(String), variant_name LowCardinality(String),
    variant_type LowCardinality(String)
) ENGINE = MergeTree ORDER BY (campaign_id, variant_id);
