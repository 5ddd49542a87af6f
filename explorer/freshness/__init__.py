"""The page Freshness: what is materialized, and what is missing or out of date."""
