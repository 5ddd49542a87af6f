"""Weighted product pairs from relationships, and their split into training and validation."""

from core.pairs.product_pairs import PRODUCT_COLUMNS, VERSION, PairsConfig, ProductPairs, build_pairs, product_hashes

__all__ = ["PRODUCT_COLUMNS", "VERSION", "PairsConfig", "ProductPairs", "build_pairs", "product_hashes"]
