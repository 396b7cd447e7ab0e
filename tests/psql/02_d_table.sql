\d marketing_events
\d campaigns
\d ab_test_variants
