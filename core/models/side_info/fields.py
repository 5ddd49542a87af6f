"""Side information as fields: the share of every value in each field of a product."""

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from core.models.product_fields import brands, categories, distinct_values, price_bands


def side_fields(products: pa.Table, bands: int) -> list[sp.csr_matrix]:
    """Brand, categories and price band of every product.

    The values of a field share it in proportion to their IDF, so a rare category counts more than a common one and
    the root category, which all have, counts nothing. A missing field is an empty row; there is no value for "missing".

    Args:
        products: node-aligned metadata with columns ``brand``, ``categories`` and ``price``.
        bands: number of price bands.

    Returns:
        Per field a float32 CSR ``[n_nodes, n_values]`` whose rows sum to 1 or are empty.
    """
    values = (brands(products), categories(products), price_bands(products, bands))
    return [_shares(products.num_rows, *distinct_values(*field)) for field in values]


def _shares(n_nodes: int, node: np.ndarray, number: np.ndarray, idf: np.ndarray) -> sp.csr_matrix:
    matrix = sp.csr_matrix((idf[number], (node, number)), shape=(n_nodes, len(idf)))
    matrix.eliminate_zeros()
    total = np.asarray(matrix.sum(axis=1)).ravel()
    matrix.data /= np.repeat(total, np.diff(matrix.indptr))
    return matrix.astype(np.float32)
