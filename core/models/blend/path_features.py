"""Features of given pairs from the paths between the two products in the training graph.

With A the weighted adjacency, s its row sums, d the degrees and P = A / s:

``three_steps``
    (P³)[i, j], the probability that a walk of three steps from i ends at j.
``three_steps_plain``
    the same without weights, so that all neighbours are equally likely.
``two_steps``
    (P²)[i, j].
``adamic_adar``
    sum over common neighbours u of 1 / log d(u) (Adamic and Adar, 2003).

One traversal of the source's neighbourhood computes them all, without building a power of A. The graph is undirected,
so the probabilities of a walk and of its reversal are in the ratio of their starts, s(i) (P³)[i, j] = s(j) (P³)[j, i],
and one direction of a pair gives both.
"""

from concurrent.futures import ThreadPoolExecutor

import numba as nb
import numpy as np

from core.graph import ProductGraph

PATH_FEATURES = ("three_steps", "three_steps_plain", "two_steps", "adamic_adar")
_BLOCK = 16_384


def path_features(graph: ProductGraph, source: np.ndarray, target: np.ndarray, threads: int = 2) -> np.ndarray:
    """float32 ``[m, 4]``: the columns of ``PATH_FEATURES`` for int32 ``[m]`` node pairs, from source to target.

    Pairs with the same source are computed together, in whatever order they are given. ``threads`` do not change the
    result.
    """
    order = np.argsort(source, kind="stable")
    source, target = (np.asarray(nodes, dtype=np.int32)[order] for nodes in (source, target))
    strength = np.bincount(np.repeat(np.arange(graph.n_nodes), graph.degree), graph.weights, minlength=graph.n_nodes)
    by_source = np.empty((len(order), len(PATH_FEATURES)), dtype=np.float32)

    def work(first: int) -> None:
        block = slice(first, first + _BLOCK)
        _paths(graph.indptr, graph.indices, graph.weights, strength, source[block], target[block], by_source[block])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(0, len(order), _BLOCK)))
    features = np.empty_like(by_source)
    features[order] = by_source
    return features


def reversed_features(paths: np.ndarray, forth: tuple[np.ndarray, ...], back: tuple[np.ndarray, ...]) -> np.ndarray:
    """The features of the reversed pairs, without another traversal.

    Args:
        paths: float32 ``[m, 4]`` from :func:`path_features`.
        forth: strength and degree of the sources, each ``[m]``.
        back: strength and degree of the targets, each ``[m]``.
    """
    weighted, plain = (np.divide(a, b, out=np.zeros(len(a)), where=b > 0) for a, b in zip(forth, back, strict=True))
    features: np.ndarray = paths * np.column_stack([weighted, plain, weighted, np.ones(len(paths))])
    return features.astype(np.float32)


@nb.njit(nogil=True, cache=True)
def _paths(
    indptr: np.ndarray,
    indices: np.ndarray,
    weights: np.ndarray,
    strength: np.ndarray,
    source: np.ndarray,
    target: np.ndarray,
    features: np.ndarray,
) -> None:
    """Fill ``features`` of pairs that are grouped by source."""
    n_nodes = len(strength)
    weighted, plain, shared = np.zeros(n_nodes), np.zeros(n_nodes), np.zeros(n_nodes)
    touched = np.empty(n_nodes, dtype=np.int32)
    first = 0
    while first < len(source):
        node = source[first]
        count = 0
        degree = indptr[node + 1] - indptr[node]
        for e in range(indptr[node], indptr[node + 1]):
            middle = indices[e]
            fan = indptr[middle + 1] - indptr[middle]
            step = weights[e] / strength[node] / strength[middle]
            plain_step = 1.0 / degree / fan
            rarity = 1.0 / np.log(fan) if fan > 1 else 0.0
            for f in range(indptr[middle], indptr[middle + 1]):
                end = indices[f]
                if plain[end] == 0.0:
                    touched[count] = end
                    count += 1
                weighted[end] += step * weights[f]
                plain[end] += plain_step
                shared[end] += rarity
        pair = first
        while pair < len(source) and source[pair] == node:
            other = target[pair]
            three, three_plain = 0.0, 0.0
            for e in range(indptr[other], indptr[other + 1]):
                before = indices[e]
                three += weighted[before] * weights[e] / strength[before]
                three_plain += plain[before] / (indptr[before + 1] - indptr[before])
            features[pair, 0] = three
            features[pair, 1] = three_plain
            features[pair, 2] = weighted[other]
            features[pair, 3] = shared[other]
            pair += 1
        for t in range(count):
            weighted[touched[t]] = plain[touched[t]] = shared[touched[t]] = 0.0
        first = pair
