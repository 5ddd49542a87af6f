"""Products that are similar in brand and categories: weighted features and a sparse cosine join.

The join does not look at all pairs. A pair whose cosine reaches the floor must share a feature that is not among the
most frequent ones of the first product: the features at the end of its list, whose weights together are shorter than
the floor, cannot reach it alone (prefix filtering; Bayardo, Ma and Srikant, "Scaling up all pairs similarity search",
WWW 2007). So most common categories need no search, and the result stays exact; where one must be searched,
``fan_out`` limits the search.
"""

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numba import njit

from core.models.product_fields import brands, categories, distinct_values
from core.models.sparse_rows import Rows, matrix_by_blocks
from core.progress import Progress, silent

_BLOCK = 1_024
_LAST_RANK = (1 << 31) - 1


def features(products: pa.Table) -> sp.csr_matrix:
    """IDF-weighted brands and categories of every product, as rows of unit length; columns go from rare to frequent.

    The weight of a feature is log(n / number of products that have it), where n is the number of products that have a
    brand (for brands) or a category (for categories). So the root category, which all have, has weight 0 and gets no
    column. A missing value gets no column either, because products are not similar just because a value is missing for
    both. Brands are compared without regard to case; placeholders such as "Unknown" are not brands. A category that is
    listed twice counts once.

    Args:
        products: node-aligned metadata with columns ``brand`` (string) and ``categories`` (list of string).

    Returns:
        float32 CSR ``[n_nodes, n_features]``; rows of products without a feature of positive weight are empty. Column
        numbers rise with the number of products that have the feature.
    """
    n_nodes = products.num_rows
    parts = [distinct_values(*brands(products)), distinct_values(*categories(products))]
    rows = np.concatenate([part[0] for part in parts])
    columns = np.concatenate([parts[0][1], parts[1][1] + len(parts[0][2])])
    weight = np.concatenate([part[2] for part in parts])
    used = weight > 0  # leaves out values that every product has
    frequency = np.bincount(columns, minlength=len(weight))
    order = np.lexsort((np.arange(len(weight)), frequency))
    order = order[used[order]]
    new_column = np.full(len(weight), -1)
    new_column[order] = np.arange(len(order))
    kept = new_column[columns] >= 0
    rows, columns = rows[kept], columns[kept]
    matrix = sp.csr_matrix((weight[columns], (rows, new_column[columns])), shape=(n_nodes, len(order)))
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    matrix.data /= np.repeat(length, np.diff(matrix.indptr))
    matrix.sort_indices()
    return matrix.astype(np.float32)


def similar_products(
    described: sp.csr_matrix,
    degree: np.ndarray,
    floor: float,
    power: float,
    keep: int,
    fan_out: int,
    threads: int = 2,
    progress: Progress = silent,
) -> sp.csr_matrix:
    """cos(i, k) ** power of all products k with a pair whose cosine with i is at least ``floor``; 1 for k = i.

    Args:
        described: rows of unit length from :func:`features`.
        degree: int ``[n_nodes]``: number of training pairs. Products without pairs are left out, even from their own
            rows, because they would add nothing to a score.
        floor: minimum cosine, above 0.
        power: power of the cosine.
        keep: maximum number of entries per row: those with the highest cosine, and among equals those with more pairs.
        fan_out: maximum number of products that are looked at per feature: those with the most pairs.
        threads: CPU threads; they do not change the result.
        progress: progress callback, called with the number of finished products.

    Returns:
        float32 CSR ``[n_nodes, n_nodes]``.
    """
    n_nodes, n_features = described.shape
    by_degree = np.argsort(-degree, kind="stable")[: np.count_nonzero(degree)].astype(np.int32)
    # Products are numbered by degree here, so that the first products of a feature are those with the most pairs.
    owners = described[by_degree].T.tocsr()
    owners.sort_indices()
    arrays = tuple(
        np.ascontiguousarray(array, kind)
        for matrix in (described, described[by_degree], owners)
        for array, kind in ((matrix.indptr, np.int64), (matrix.indices, np.int32), (matrix.data, np.float32))
    )

    def rows(first: int, last: int) -> Rows:
        block: Rows = _rows(
            arrays[0:3], arrays[3:6], arrays[6:8], n_features, by_degree, degree > 0,
            first, last, floor, power, keep, fan_out,
        )  # fmt: skip
        return block

    matrix = matrix_by_blocks(n_nodes, _BLOCK, rows, threads, "similar products", progress)
    matrix.sort_indices()
    return matrix


@njit(nogil=True, cache=True)
def _rows(
    described: tuple[np.ndarray, ...],
    ranked: tuple[np.ndarray, ...],
    owners: tuple[np.ndarray, ...],
    n_features: int,
    by_degree: np.ndarray,
    has_pair: np.ndarray,
    first: int,
    last: int,
    floor: float,
    power: float,
    keep: int,
    fan_out: int,
) -> Rows:
    """Rows ``first..last-1``: int64 lengths, int32 columns and float32 values.

    Args:
        described: CSR arrays (indptr, indices, data) by node.
        ranked: CSR arrays of the products with a pair, by rank of degree.
        owners: CSR index arrays, feature → ranks, ascending.
    """
    indptr, indices, weights = described
    ranked_indptr, ranked_indices, ranked_weights = ranked
    owners_indptr, owners_ranks = owners
    dense_row = np.zeros(n_features, np.float32)  # of the current node
    last_visitor = np.full(len(by_degree), -1, np.int32)  # the last node that looked at each rank
    cosines = np.empty(len(by_degree), np.float32)
    # A candidate is one number, cosine before rank, so that the best are selected without sorting.
    candidates = np.empty(len(by_degree), np.int64)
    lengths = np.zeros(last - first, np.int64)
    capacity = 1024
    columns, values = np.empty(capacity, np.int32), np.empty(capacity, np.float32)
    used = 0
    for node in range(first, last):
        begin, end = indptr[node], indptr[node + 1]
        # The most frequent features, at the end of the row, need no search if they cannot reach the floor alone.
        searched, rest = end, 0.0
        while searched > begin:
            rest += weights[searched - 1] * weights[searched - 1]
            if rest >= (floor - 1e-5) * (floor - 1e-5):
                break
            searched -= 1
        for e in range(begin, end):
            dense_row[indices[e]] = weights[e]
        n_candidates = 0
        for e in range(begin, searched):
            feature = indices[e]
            limit = min(owners_indptr[feature] + fan_out, owners_indptr[feature + 1])
            for o in range(owners_indptr[feature], limit):
                rank = owners_ranks[o]
                if last_visitor[rank] == node or by_degree[rank] == node:
                    continue
                last_visitor[rank] = node
                cosine = np.float32(0)
                for r in range(ranked_indptr[rank], ranked_indptr[rank + 1]):
                    cosine += dense_row[ranked_indices[r]] * ranked_weights[r]
                if cosine >= floor - 1e-6:  # because rounding in float32 may keep equal products below a floor of 1
                    cosines[rank] = cosine
                    candidates[n_candidates] = (np.int64(cosine * (1 << 30)) << 32) | (_LAST_RANK - rank)
                    n_candidates += 1
        for e in range(begin, end):
            dense_row[indices[e]] = 0

        room = keep - 1 if has_pair[node] else keep
        n_kept = min(n_candidates, room)
        if used + n_kept + 1 > capacity:
            capacity = max(2 * capacity, used + n_kept + 1)
            more_columns, more_values = np.empty(capacity, np.int32), np.empty(capacity, np.float32)
            more_columns[:used], more_values[:used] = columns[:used], values[:used]
            columns, values = more_columns, more_values
        begin = used
        if has_pair[node]:
            columns[used] = node
            values[used] = 1
            used += 1
        best = candidates[:n_candidates]
        if n_candidates > room:
            best = np.partition(best, n_candidates - room)[n_candidates - room :] if room else best[:0]
        for candidate in best:
            rank = _LAST_RANK - (candidate & _LAST_RANK)
            columns[used] = by_degree[rank]
            values[used] = min(cosines[rank], np.float32(1)) ** power
            used += 1
        lengths[node - first] = used - begin
    return lengths, columns[:used].copy(), values[:used].copy()
