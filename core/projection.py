"""A map of the products: the vectors of a model laid out in two dimensions, so that a person can look at them.

The layout is t-SNE by openTSNE, whose gradient is interpolated on a grid with FFTs (FIt-SNE; Linderman et al., Nature
Methods 2019), so that 100,000 products take a minute on two cores. It starts from the first two principal components
and keeps up some attraction to the end (exaggeration), which keeps the global arrangement and reads better in large
maps (Kobak and Berens, "The art of using t-SNE for single-cell transcriptomics", Nature Communications 2019).
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
"""Raised whenever the same vectors and settings give another map."""

_COMPONENTS = 50
"""Principal components in which neighbours are looked for."""
_SMALLEST = 10
"""Fewer products than this lie on their first two principal components: there is no neighbourhood to keep."""
_EXACT_SEARCH_UP_TO = 20_000
_GRID_FROM = 10_000
"""Products from which the FFT grid is faster than the Barnes-Hut tree."""
_EARLY, _LATE, _STEP = 100, 200, 25
"""Iterations of early exaggeration and after it, and how many are done between two reports of progress."""
_PLACED_BY = 5
"""A product that was not laid out stands at the median of this many nearest products that were."""


@dataclass(frozen=True)
class ProjectionConfig:
    """Settings of the maps."""

    models: str = setting(
        "skipgram", "models whose maps a rebuild makes, separated by spaces; 'all': every model that has vectors"
    )
    fit_up_to: int = setting(
        100_000,
        "products laid out; of a larger category a random sample, and the others are placed beside their nearest ones",
        ge=100,
        le=2_000_000,
    )
    neighbours: int = setting(15, "neighbours of a product that the layout keeps near", ge=2, le=200)

    def __post_init__(self) -> None:
        wanted(self)  # a wrong name is refused when the settings are read, not in the middle of a rebuild


@dataclass(frozen=True)
class Projection:
    """A map.

    Attributes:
        model: registry name.
        nodes: int32 ``[m]``, ascending: the products that the model has seen.
        position: float32 ``[m, 2]`` in -1..1; distances have no unit and mean something only nearby.
        fitted: bool ``[m]``: laid out; the others were placed beside their nearest laid-out products.
        info: JSON-able facts: ``config``, ``seconds``, ``products``, ``fitted``.
    """

    model: str
    nodes: np.ndarray
    position: np.ndarray
    fitted: np.ndarray
    info: dict[str, Any] = field(default_factory=dict)


def has_map(model: Model) -> bool:
    """Whether a model can be laid out: only products whose own vectors are compared lie near each other."""
    return CENTER_CENTER in model.scorings


def wanted(config: ProjectionConfig) -> list[str]:
    """The models whose maps are to be made, in the registry's order.

    Raises:
        InputError: a name is no model, or a model without vectors.
    """
    able = [name for name, model in MODELS.items() if has_map(model)]
    names = config.models.split()
    if names == ["all"]:
        return able
    for name in names:
        if name not in able:
            raise InputError(f"setting projection.models: {name!r} has no map; those that have: {', '.join(able)}, all")
    return [name for name in able if name in names]


def project(
    trained: TrainedModel, config: ProjectionConfig, threads: int = 2, seed: int = 42, progress: Progress = silent
) -> Projection:
    """Lay out the seen products of a model by their center vectors, nearness being the cosine.

    The same seed and number of threads give the same map.

    Raises:
        InputError: the model has no center vectors, or they are not finite (its training diverged).
    """
    started = time.perf_counter()
    if trained.center is None:
        raise InputError(f"{trained.model} has no vectors of its own to make a map of")
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
        near = _nearest(vectors[fitted], vectors[~fitted], _PLACED_BY, threads)
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
    return PCA(count, svd_solver=solver, random_state=seed).fit_transform(unit).astype(np.float32)


def _layout(vectors: np.ndarray, neighbours: int, threads: int, seed: int, progress: Progress) -> np.ndarray:
    """float64 ``[m, 2]``: t-SNE positions, from the first two components on."""
    n = len(vectors)
    start = vectors[:, :2].astype(np.float64)
    if n < _SMALLEST or not start.any():
        return start
    import openTSNE

    total = _EARLY + _LATE
    progress("map", 0, total, "iterations")
    # Equal weights on the edges of the nearest-neighbour graph do as well as calibrated ones, without a perplexity
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
        n_jobs=threads if grid else 1,  # below, threads cost more than they bring
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
    """1 (plain t-SNE) up to 10,000 products, rising with their logarithm to 3 at 100,000 and staying there."""
    return float(np.interp(np.log10(max(n, 1)), [4, 5], [1.0, 3.0]))


def _nearest(among: np.ndarray, of: np.ndarray, k: int, threads: int) -> np.ndarray:
    """Rows of ``among`` nearest to each row of ``of``, the nearest first: int64 ``[len(of), k]``."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        k = min(k, len(among))
        index: Any = faiss.IndexFlatL2(among.shape[1])
        if len(among) > _EXACT_SEARCH_UP_TO:
            lists = round(2 * np.sqrt(len(among)))
            index = faiss.IndexIVFFlat(index, among.shape[1], lists)
            index.train(among)
            index.nprobe = 12
        index.add(among)
        _, place = index.search(of, k)
    finally:
        faiss.omp_set_num_threads(before)
    # A probe of too small lists leaves gaps (-1): the nearest one stands in for them.
    return np.where(place >= 0, place, place[:, :1])


def _in_unit_square(position: np.ndarray) -> np.ndarray:
    """Centred and scaled by one factor so that the farthest coordinate is 1."""
    if not len(position):
        return position.astype(np.float32)
    centred = position - (position.max(axis=0) + position.min(axis=0)) / 2
    return (centred / max(float(np.abs(centred).max()), 1e-12)).astype(np.float32)
