COMMENT ON TABLE campaigns IS 'what we run';
COMMENT ON COLUMN campaigns.budget IS 'in euros';
COMMENT ON MATERIALIZED VIEW channel_attribution IS 'by hour';
\d+ campaigns
SELECT obj_description('campaigns'::regclass), col_description('campaigns'::regclass, 6);
SELECT obj_description('channel_attribution'::regclass, 'pg_class');
COMMENT ON TABLE campaigns IS NULL;
COMMENT ON COLUMN campaigns.budget IS NULL;
COMMENT ON MATERIALIZED VIEW channel_attribution IS NULL;
