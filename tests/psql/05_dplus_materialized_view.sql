\d+ campaign_performance
\d+ channel_attribution
\d+ ab_test_results
