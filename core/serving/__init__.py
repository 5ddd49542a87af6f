"""Answers for a shop from the stored lists: a product, a basket, a customer, or a product that was never sold."""
