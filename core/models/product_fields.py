"""The values in the metadata fields of products, and how rare each value is."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.catalog.clean import PLACEHOLDER_BRANDS


def brands(products: pa.Table) -> tuple[np.ndarray, pa.Array]:
    """int64 owners and lower-case brands, or null; placeholders such as "Unknown" are not brands."""
    brand = pc.utf8_lower(pc.utf8_trim_whitespace(products["brand"].combine_chunks().cast(pa.string())))
    unusable = pa.array(["", *sorted(PLACEHOLDER_BRANDS)])
    brand = pc.if_else(pc.is_in(brand, value_set=unusable), pa.scalar(None, pa.string()), brand)
    return np.arange(products.num_rows), brand


def categories(products: pa.Table) -> tuple[np.ndarray, pa.Array]:
    """int64 owners and category names, one entry per listing."""
    lists = products["categories"].combine_chunks()
    return pc.list_parent_indices(lists).to_numpy(), pc.list_flatten(lists).cast(pa.string())


def price_bands(products: pa.Table, bands: int) -> tuple[np.ndarray, pa.Array]:
    """int64 owners and price bands, "0" to ``bands - 1`` or null; all bands have about the same number of products."""
    price = products["price"].combine_chunks().to_numpy(zero_copy_only=False).astype(np.float64)
    known = np.isfinite(price)
    edges = np.unique(np.quantile(price[known], np.arange(1, bands) / bands)) if known.any() else np.empty(0)
    band = np.searchsorted(edges, price, side="right")
    return np.arange(products.num_rows), pa.array(band, mask=~known).cast(pa.string())


def distinct_values(owner: np.ndarray, value: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct (product, value) pairs of one field, and the inverse document frequency (IDF) of its values.

    Args:
        owner: int ``[m]`` nodes.
        value: string ``[m]``; nulls are left out.

    Returns:
        int64 nodes and value numbers, of equal length; float64 IDF per value: log(products that have the field /
        products that have the value), which is 0 for a value that all have.
    """
    present = value.is_valid().to_numpy(zero_copy_only=False)
    owner = owner[present].astype(np.int64)
    encoded = value.drop_null().dictionary_encode()
    n_values = len(encoded.dictionary)
    keys = np.unique(owner * max(n_values, 1) + encoded.indices.to_numpy())
    node, number = keys // max(n_values, 1), keys % max(n_values, 1)
    owners = len(np.unique(node))
    return node, number, np.log(owners / np.bincount(number, minlength=n_values))
