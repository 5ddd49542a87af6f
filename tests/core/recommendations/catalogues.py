"""Small catalogues for the tests of lists."""

import numpy as np
import pyarrow as pa

from core.pairs import ProductPairs


def product_table(ids, titles=None, brands=None, prices=None, categories=None):
    """A table with ``core.pairs.PRODUCT_COLUMNS``."""
    n = len(ids)
    return pa.table(
        {
            "product_id": pa.array(ids, pa.string()),
            "title": pa.array(titles or [None] * n, pa.string()),
            "brand": pa.array(brands or [None] * n, pa.string()),
            "price": pa.array(prices or [None] * n, pa.float32()),
            "categories": pa.array(categories or [[] for _ in ids], pa.list_(pa.string())),
            "sales_rank": pa.nulls(n, pa.int64()),
            "image_url": pa.nulls(n, pa.string()),
            "has_metadata": pa.array([True] * n),
        }
    )


def pairs_of(products, edges):
    """Product pairs with a weight each."""
    edges = sorted((min(a, b), max(a, b), w) for a, b, w in edges)
    source, target, weight = (np.array(column) for column in zip(*edges, strict=True))
    return ProductPairs(products, source.astype(np.int32), target.astype(np.int32), weight.astype(np.float32))
