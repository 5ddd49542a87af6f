"""The page Customers: what a customer bought, what is recommended and why, and what came next."""
