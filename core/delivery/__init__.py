"""Delivers a shop's lists to the places that it reads them from, one module for each place."""
