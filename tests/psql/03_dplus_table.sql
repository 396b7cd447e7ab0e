\d+ marketing_events
