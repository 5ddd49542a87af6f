"""The page Baskets: what would have been recommended for a later order, and what of it was right."""
