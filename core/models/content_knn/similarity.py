"""Which products are alike in brand and categories: weighted features and a sparse cosine join.

The join never looks at all pairs. A pair whose cosine reaches the floor must share a feature that is not among the
most frequent ones of the first product: those at the end of its list, whose weights together are shorter than the
floor, cannot reach it alone (prefix filtering; Bayardo, Ma and Srikant, "Scaling up all pairs similarity search", WWW
2007). So common categories are mostly not searched at all, exactly; where one must be, ``fan_out`` bounds the search.
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
    """IDF-weighted brands and categories of every product, rows of unit length; columns from rare to frequent.

    A feature is worth log(n / number of products that have it), with n the products that have a brand (for brands)
    or a category (for categories). So the root category, which all have, is worth nothing and gets no column; neither
    does a missing value: products do not become alike by what nobody wrote down. Brands are compared without regard
    to case; placeholders such as "Unknown" are no brand. A category listed twice counts once.

    Args:
        products: node-aligned metadata with columns ``brand`` (string) and ``categories`` (list of string).

    Returns:
        float32 CSR ``[n_nodes, n_features]``; rows of products without a feature of any worth are empty. Column
        numbers rise with the number of products that have the feature.
    """
    n_nodes = products.num_rows
    parts = [distinct_values(*brands(products)), distinct_values(*categories(products))]
    rows = np.concatenate([part[0] for part in parts])
    columns = np.concatenate([parts[0][1], parts[1][1] + len(parts[0][2])])
    weight = np.concatenate([part[2] for part in parts])
    used = weight > 0  # what every product has, and gaps in the numbering
    frequency = np.bincount(columns, minlength=len(weight))
    order = np.lexsort((np.arange(len(weight)), frequency))
    order = order[used[order]]
    place = np.full(len(weight), -1)
    place[order] = np.arange(len(order))
    kept = place[columns] >= 0
    rows, columns = rows[kept], columns[kept]
    matrix = sp.csr_matrix((weight[columns], (rows, place[columns])), shape=(n_nodes, len(order)))
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    matrix.data /= np.repeat(length, np.diff(matrix.indptr))
    matrix.sort_indices()
    return matrix.astype(np.float32)


def alike(
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
        described: unit rows as of :func:`features`.
        degree: int ``[n_nodes]``: number of training pairs. Products without one are nobody's neighbours, not even
            their own: they would add nothing to a score.
        floor: least cosine, above 0.
        power: of the cosine.
        keep: most entries per row, those of the highest cosine; of equals, those with more pairs.
        fan_out: of the products that share a feature at most so many are looked at, those with the most pairs.
        threads: CPU threads; they do not change the result.
        progress: reports products done.

    Returns:
        float32 CSR ``[n_nodes, n_nodes]``.
    """
    n_nodes, n_features = described.shape
    by_degree = np.argsort(-degree, kind="stable")[: np.count_nonzero(degree)].astype(np.int32)
    # Places are ranks by degree, so that the first of a feature's products are those with the most pairs.
    owners = described[by_degree].T.tocsr()
    owners.sort_indices()
    arrays = tuple(
        np.ascontiguousarray(array, kind)
        for matrix in (described, described[by_degree], owners)
        for array, kind in ((matrix.indptr, np.int64), (matrix.indices, np.int32), (matrix.data, np.float32))
    )

    def rows(first: int, last: int) -> Rows:
        return _rows(
            arrays[0:3], arrays[3:6], arrays[6:8], n_features, by_degree, degree > 0,
            first, last, floor, power, keep, fan_out,
        )  # fmt: skip

    matrix = matrix_by_blocks(n_nodes, _BLOCK, rows, threads, "alike products", progress)
    matrix.sort_indices()
    return matrix


@njit(nogil=True, cache=True)
def _rows(described, ranked, owners, n_features, by_degree, has_pair, first, last, floor, power, keep, fan_out):
    """Rows ``first..last-1``: int64 lengths, int32 columns and float32 values.

    Args:
        described: CSR triple by node.
        ranked: CSR triple of the products with a pair, by rank of degree.
        owners: CSR index arrays, feature → ranks, ascending.
    """
    indptr, indices, weights = described
    ranked_indptr, ranked_indices, ranked_weights = ranked
    owners_indptr, owners_ranks = owners
    own = np.zeros(n_features, np.float32)  # the row at hand, dense
    looked_at = np.full(len(by_degree), -1, np.int32)  # by which node last
    cosines = np.empty(len(by_degree), np.float32)
    # A candidate is one number, cosine before rank, so that the best are found without sorting.
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
            own[indices[e]] = weights[e]
        n_found = 0
        for e in range(begin, searched):
            feature = indices[e]
            limit = min(owners_indptr[feature] + fan_out, owners_indptr[feature + 1])
            for o in range(owners_indptr[feature], limit):
                rank = owners_ranks[o]
                if looked_at[rank] == node or by_degree[rank] == node:
                    continue
                looked_at[rank] = node
                cosine = np.float32(0)
                for r in range(ranked_indptr[rank], ranked_indptr[rank + 1]):
                    cosine += own[ranked_indices[r]] * ranked_weights[r]
                if cosine >= floor - 1e-6:  # float32 sums: equal products may miss a floor of 1 by a rounding
                    cosines[rank] = cosine
                    candidates[n_found] = (np.int64(cosine * (1 << 30)) << 32) | (_LAST_RANK - rank)
                    n_found += 1
        for e in range(begin, end):
            own[indices[e]] = 0

        room = keep - 1 if has_pair[node] else keep
        n_kept = min(n_found, room)
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
        best = candidates[:n_found]
        if n_found > room:
            best = np.partition(best, n_found - room)[n_found - room :] if room else best[:0]
        for candidate in best:
            rank = _LAST_RANK - (candidate & _LAST_RANK)
            columns[used] = by_degree[rank]
            values[used] = min(cosines[rank], np.float32(1)) ** power
            used += 1
        lengths[node - first] = used - begin
    return lengths, columns[:used].copy(), values[:used].copy()
