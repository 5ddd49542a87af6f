"""Between rebuilds: the final models for new products and new pairs, without training."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from core.arrays import positions
from core.errors import InputError
from core.graph import build_graph
from core.models import MODELS
from core.pairs import ProductPairs
from core.pairs.product_pairs import product_hashes
from core.progress import Progress, silent
from core.recommendations.config import FinalModelsConfig
from core.recommendations.final import everything_known, search_candidates
from core.recommendations.fingerprints import pair_fingerprints
from core.recommendations.form import FinalModels
from core.store import Store
from core.training.fold_in import renumbered
from core.training.inputs import Stages

_EARLIER = (
    "the final models were made by an earlier version, which did not store to which products they belong; rebuild them "
    "once before anything is folded in"
)


def check_foldable(store: Store, category: str) -> None:
    """Raises InputError if a category has no final models, or none that anything can be folded into."""
    manifest = store.manifest("final_models", category)
    if manifest is None:
        raise InputError(
            f"{category} has no final models yet; run `make materialize CATEGORY={category} SELECT='+recommendations'` "
            "first"
        )
    if "keys" not in manifest.fields:
        raise InputError(f"{category}: {_EARLIER}")


def fold_in(
    final: FinalModels,
    pairs: ProductPairs,
    history: pa.Table,
    settings: Mapping[str, Mapping[str, Any]],
    config: FinalModelsConfig,
    *,
    seed: int = 42,
    threads: int = 2,
    progress: Progress = silent,
) -> FinalModels:
    """The final models for today's products and pairs.

    Models that learn nothing are computed again, vectors of known products stay as they are, and networks judge today's
    graph as they learned to. Candidates are searched again for new products, and for those that have won, lost or
    changed a pair; a new product comes into the lists of others through these. Products that no longer exist are gone
    from everything. What an earlier call placed is placed again from all of its pairs.

    Args:
        final: what was trained, and possibly folded in since.
        pairs, history: of today.
        settings: section → setting → value, by which walks and sessions are made if a model needs them.
        config: settings of the candidates.
        seed, threads, progress: as everywhere.

    Raises:
        InputError: an earlier version made the final models, which does not say what they know.
    """
    if final.keys is None or final.known is None or final.fingerprints is None:
        raise InputError(_EARLIER)
    pairs, history = everything_known(pairs, history, settings, threads, progress)
    graph = build_graph(pairs.products.num_rows, pairs.source, pairs.target, pairs.weight)
    keys = product_hashes(pairs.products)
    old = positions(np.asarray(final.keys), keys)
    known = _moved(np.asarray(final.known), old, False)
    models = {name: renumbered(trained, old) for name, trained in final.models.items()}
    configs: dict[str, Mapping[str, Any]] = {}
    for trained in models.values():
        configs |= {name: part.info["config"] for name, part in {trained.model: trained, **trained.parts}.items()}
    stages = Stages(pairs, graph, {**settings, **configs}, seed, threads, "cpu", progress, keys=keys, history=history)
    models = {name: stages.folded_in(MODELS[name], trained, known) for name, trained in models.items()}
    fingerprints = pair_fingerprints(keys, graph)
    changed = (old < 0) | (_moved(np.asarray(final.fingerprints), old, 0) != fingerprints)
    folded = dataclasses.replace(
        final, models=models, candidates={}, candidate_scores={}, keys=keys, known=known, fingerprints=fingerprints,
        folded_in={
            "new_products": int(np.count_nonzero(old < 0)),
            "removed_products": len(final.keys) - int(np.count_nonzero(old >= 0)),
            "products_with_other_pairs": int(np.count_nonzero(changed & (old >= 0))),
            "products_since_training": int(np.count_nonzero(~known & (graph.degree > 0))),
        },
    )  # fmt: skip
    return _with_candidates(folded, final, old, changed, config, threads, seed, progress)


def _moved(values: np.ndarray, old: np.ndarray, empty: Any) -> np.ndarray:
    """The values in the order of today's products; ``empty`` for new ones."""
    moved = np.full(len(old), empty, values.dtype)
    moved[old >= 0] = values[old[old >= 0]]
    return moved


def _with_candidates(
    folded: FinalModels,
    final: FinalModels,
    old: np.ndarray,
    changed: np.ndarray,
    config: FinalModelsConfig,
    threads: int,
    seed: int,
    progress: Progress,
) -> FinalModels:
    """Keep the candidates of products of which nothing changed, and search those of the others."""
    new_of_old = np.full(len(final.fingerprints) + 1, -1, np.int32)  # type: ignore[arg-type]
    new_of_old[old[old >= 0]] = np.flatnonzero(old >= 0)  # and -1, an empty place, stays -1
    kept = np.flatnonzero(~changed)
    candidates, scores = {}, {}
    for slot in folded.slots if config.candidates else ():
        k = min(config.candidates, max(len(old) - 1, 1))
        before = final.candidates.get(slot)
        nodes, values = np.full((len(old), k), -1, np.int32), np.full((len(old), k), np.nan, np.float32)
        search = np.ones(len(old), bool)
        if before is not None and before.shape[1] == k:
            rows = np.asarray(before)[old[kept]]
            moved = new_of_old[rows]
            whole = ~((moved < 0) & (rows >= 0)).any(axis=1)  # no candidate has gone
            nodes[kept[whole]] = moved[whole]
            values[kept[whole]] = np.asarray(final.candidate_scores[slot])[old[kept[whole]]]
            search[kept[whole]] = False
        candidates[slot], scores[slot] = nodes, values
        sources = np.flatnonzero(search).astype(np.int32)
        search_candidates(folded, slot, sources, nodes, values, config.exact_up_to, threads, seed, progress)
    return dataclasses.replace(folded, candidates=candidates, candidate_scores=scores)
