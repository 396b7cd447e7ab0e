CREATE TABLE marketing_events (
    event_id varchar PRIMARY KEY,
    user_id integer,
    campaign_id varchar,
    channel_type varchar, -- email, social, search, display
    event_type varchar, -- impression, click, conversion
    amount numeric, -- conversion amount if applicable
    utm_source varchar,
    utm_medium varchar,
    utm_campaign varchar,
    timestamp timestamptz DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE campaigns (campaign_id varchar PRIMARY KEY, campaign_name varchar, campaign_type varchar, -- regular, ab_test
    start_date timestamptz, end_date timestamptz, budget numeric, target_audience varchar);
CREATE TABLE ab_test_variants (variant_id varchar PRIMARY KEY, campaign_id varchar, variant_name varchar, -- A, B, Control
    variant_type varchar, -- subject_line, creative, landing_page
    content_details varchar);
