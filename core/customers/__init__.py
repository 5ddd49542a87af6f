"""Customers: their histories, their vectors among the products, and lists for each of them."""
