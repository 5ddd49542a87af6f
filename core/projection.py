"""A map of the products: the vectors of a model laid out in two dimensions.

The layout is t-SNE by openTSNE, whose gradient is interpolated on a grid with FFTs (FIt-SNE; Linderman et al., Nature
Methods 2019), so that 100,000 products take a minute on two cores. It starts from the first two principal components
and keeps extra attraction until the end (exaggeration), which preserves the global arrangement and makes large maps
easier to read (Kobak and Berens, "The art of using t-SNE for single-cell transcriptomics", Nature Communications 2019).
"""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from core.errors import InputError
from core.interfaces import CENTER_CENTER, Model, TrainedModel
from core.models import MODELS
from core.progress import Progress, silent
from core.settings import setting

VERSION = "1"
"""Raised whenever the same vectors and settings give a different map."""

_COMPONENTS = 50
"""Number of principal components in which neighbours are searched."""
_SMALLEST = 10
"""Below this number of products there are no neighbourhoods, and the map shows the first two principal components."""
_EXACT_SEARCH_UP_TO = 20_000
"""Number of products up to which nearest neighbours are exact."""
_GRID_FROM = 10_000
"""Number of products from which the FFT grid is faster than the Barnes-Hut tree."""
_EARLY, _LATE, _STEP = 100, 200, 25
"""Number of iterations with early exaggeration, after it, and between two reports of progress."""
_ANCHORS = 5
"""A product that was not laid out is placed at the median of this many nearest products that were."""


@dataclass(frozen=True)
class ProjectionConfig:
    """Settings of the maps."""

    models: str = setting(
        "skipgram",
        "Models whose maps a rebuild makes, separated by spaces; 'all' stands for every model that has vectors.",
    )
    fit_up_to: int = setting(
        100_000,
        "Maximum number of products that are laid out. In a larger category this is a random sample, and the other "
        "products are placed next to the nearest ones of the sample.",
        ge=100,
        le=2_000_000,
    )
    neighbours: int = setting(15, "Number of neighbours of a product that the layout keeps close to it.", ge=2, le=200)

    def __post_init__(self) -> None:
        wanted(self)  # refuses a wrong name when the settings are read, not in the middle of a rebuild


@dataclass(frozen=True)
class Projection:
    """A map of the products that a model has seen.

    Attributes:
        model: registry name.
        nodes: int32 ``[m]``, ascending: the products that the model has seen.
        position: float32 ``[m, 2]`` in -1..1; distances have no unit and are meaningful only between close products.
        fitted: bool ``[m]``: the product was laid out; others were placed next to their nearest laid-out products.
        info: JSON-able facts: ``config``, ``seconds``, ``products``, ``fitted``.
    """

    model: str
    nodes: np.ndarray
    position: np.ndarray
    fitted: np.ndarray
    info: dict[str, Any] = field(default_factory=dict)


def has_map(model: Model) -> bool:
    """Whether a model can have a map: it needs a scoring that compares the products' own vectors with each other."""
    return CENTER_CENTER in model.scorings


def wanted(config: ProjectionConfig) -> list[str]:
    """The models whose maps are to be made, in the registry's order.

    Raises:
        InputError: a name is not that of a model, or the model has no vectors.
    """
    possible = [name for name, model in MODELS.items() if has_map(model)]
    names = config.models.split()
    if names == ["all"]:
        return possible
    for name in names:
        if name not in possible:
            raise InputError(
                f"setting projection.models: {name!r} has no map; use {', '.join(possible)}, or 'all' for all of these"
            )
    return [name for name in possible if name in names]


def project(
    trained: TrainedModel, config: ProjectionConfig, threads: int = 2, seed: int = 42, progress: Progress = silent
) -> Projection:
    """Lay out the products that a model has seen by the cosines of their center vectors.

    The same seed and number of threads give the same map.

    Raises:
        InputError: the model has no center vectors, or they are not finite (its training diverged).
    """
    started = time.perf_counter()
    if trained.center is None:
        raise InputError(f"a map needs the vectors of a model, but {trained.model} has no vectors")
    nodes = np.flatnonzero(trained.seen).astype(np.int32)
    vectors = _components(np.asarray(trained.center)[nodes], trained.model, seed)
    fitted = np.ones(len(nodes), dtype=bool)
    if len(nodes) > config.fit_up_to:
        chosen = np.random.default_rng(seed).choice(len(nodes), config.fit_up_to, replace=False)
        fitted[:] = False
        fitted[chosen] = True
    position = np.zeros((len(nodes), 2))
    position[fitted] = _layout(vectors[fitted], config.neighbours, threads, seed, progress)
    if not fitted.all():
        near = _nearest(vectors[fitted], vectors[~fitted], _ANCHORS, threads)
        position[~fitted] = np.median(position[fitted][near], axis=1)
    info = {
        "config": {"fit_up_to": config.fit_up_to, "neighbours": config.neighbours},
        "seconds": time.perf_counter() - started,
        "products": len(nodes),
        "fitted": int(fitted.sum()),
    }
    return Projection(trained.model, nodes, _in_unit_square(position), fitted, info)


def _components(vectors: np.ndarray, model: str, seed: int) -> np.ndarray:
    """The first principal components of the vectors scaled to length 1: float32 ``[m, <= 50]``."""
    from sklearn.decomposition import PCA

    if not np.isfinite(vectors).all():
        raise InputError(f"the vectors of {model} are not all finite: its training diverged; lower its learning rate")
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, length, out=np.zeros(vectors.shape, np.float32), where=length > 0)
    count = min(_COMPONENTS, *unit.shape)
    if count < 2 or not unit.var(axis=0).any():
        return np.zeros((len(unit), 2), np.float32)
    solver = "randomized" if count < min(unit.shape) else "full"
    components: np.ndarray = PCA(count, svd_solver=solver, random_state=seed).fit_transform(unit)
    return components.astype(np.float32)


def _layout(vectors: np.ndarray, neighbours: int, threads: int, seed: int, progress: Progress) -> np.ndarray:
    """float64 ``[m, 2]``: t-SNE positions, initialized by the first two components."""
    n = len(vectors)
    start = vectors[:, :2].astype(np.float64)
    if n < _SMALLEST or not start.any():
        return start
    import openTSNE

    total = _EARLY + _LATE
    progress("map", 0, total, "iterations")
    # Equal weights on the edges of the nearest-neighbour graph work as well as calibrated ones, without a perplexity
    # (Böhm, Berens and Kobak, "Attraction-repulsion spectrum in neighbor embeddings", JMLR 2022, section 3).
    near = _nearest(vectors, vectors, min(neighbours, n - 1) + 1, threads)
    rows = np.repeat(np.arange(n), near.shape[1])
    edges = sp.csr_matrix((np.ones(near.size), (rows, near.ravel())), shape=(n, n))
    edges = edges.maximum(edges.T)
    edges.setdiag(0)
    edges.eliminate_zeros()
    grid = n >= _GRID_FROM
    layout = openTSNE.TSNEEmbedding(
        openTSNE.initialization.rescale(start),
        openTSNE.affinity.PrecomputedAffinities(edges),
        negative_gradient_method="fft" if grid else "bh",
        theta=0.8,
        n_jobs=threads if grid else 1,  # for fewer products, threads cost more than they gain
        random_state=seed,
    )
    for done in range(0, total, _STEP):
        early = done < _EARLY
        layout = layout.optimize(
            _STEP,
            exaggeration=12.0 if early else _late_exaggeration(n),
            momentum=0.5 if early else 0.8,
            learning_rate="auto",
        )
        progress("map", done + _STEP, total, "iterations")
    return np.asarray(layout)


def _late_exaggeration(n: int) -> float:
    """1 (plain t-SNE) up to 10,000 products, then growing with their logarithm up to 3 at 100,000 products."""
    return float(np.interp(np.log10(max(n, 1)), [4, 5], [1.0, 3.0]))


def _nearest(vectors: np.ndarray, queries: np.ndarray, k: int, threads: int) -> np.ndarray:
    """int64 ``[len(queries), k]``: the rows of ``vectors`` that are nearest to each query, nearest first."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        k = min(k, len(vectors))
        index: Any = faiss.IndexFlatL2(vectors.shape[1])
        if len(vectors) > _EXACT_SEARCH_UP_TO:
            n_cells = round(2 * np.sqrt(len(vectors)))
            index = faiss.IndexIVFFlat(index, vectors.shape[1], n_cells)
            index.train(vectors)
            index.nprobe = 12
        index.add(vectors)
        _, nearest = index.search(queries, k)
    finally:
        faiss.omp_set_num_threads(before)
    # Probed cells with too few vectors leave gaps (-1), which the nearest row fills.
    filled: np.ndarray = np.where(nearest >= 0, nearest, nearest[:, :1])
    return filled


def _in_unit_square(position: np.ndarray) -> np.ndarray:
    """float32 positions, centred and scaled by one factor so that the largest coordinate is 1."""
    if not len(position):
        return position.astype(np.float32)
    centred = position - (position.max(axis=0) + position.min(axis=0)) / 2
    scaled: np.ndarray = centred / max(float(np.abs(centred).max()), 1e-12)
    return scaled.astype(np.float32)
