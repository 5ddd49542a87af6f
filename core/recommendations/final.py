"""Training the chosen models again, on all pairs and orders, with the settings that were judged."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from core.evaluation.result import TIME
from core.graph import build_graph
from core.interfaces import TrainedModel
from core.models import MODELS
from core.orders.relationships import order_relationships
from core.pairs import ProductPairs, build_pairs
from core.pairs.product_pairs import product_hashes
from core.progress import Progress, silent
from core.recommendations.choice import Choice
from core.recommendations.config import FinalModelsConfig
from core.recommendations.fingerprints import pair_fingerprints
from core.recommendations.form import FinalModels
from core.store.manifest import Manifest
from core.training.inputs import Stages, section_config

CONTENT = "content_knn"
"""The model that gives lists to products for which the chosen models have none."""

_BLOCK = 16_384
_INPUT_SECTIONS = {"walks": "walks", "node2vec_walks": "node2vec_walks", "sessions": "sessions"}
"""Input of a model → section of the settings that it is made with; the asset has the same name."""
_PAIR_SECTIONS = {"pairs": "product_pairs", "orders": "order_relationships"}


def needed_models(choices: Iterable[Choice]) -> list[str]:
    """Registry names of the chosen models and of those that they are built of, and of the content model."""
    names: dict[str, None] = {}

    def add(name: str) -> None:
        for part in MODELS[name].models:
            add(part)
        names.setdefault(name)

    for choice in choices:
        add(choice.model)
    add(CONTENT)
    return list(names)


def judged_settings(names: Iterable[str], manifest: Callable[[str], Manifest | None]) -> dict[str, dict[str, Any]]:
    """The settings with which models were trained before they were judged: section → setting → value.

    They are taken from the manifests, because values of the launchpad may have replaced those of categories.yaml.

    Args:
        names: registry names.
        manifest: returns the current manifest of an asset.
    """
    assets = dict(_PAIR_SECTIONS)
    for name in names:
        assets[name] = f"embeddings/{name}"
        assets |= {_INPUT_SECTIONS[field]: field for field in MODELS[name].inputs if field in _INPUT_SECTIONS}
    found = {section: manifest(asset) for section, asset in assets.items()}
    return {section: dict(made.info.get("config") or {}) for section, made in found.items() if made is not None}


def judged_seconds(names: Iterable[str], board: pa.Table) -> float:
    """Seconds that the training of the judged models took, probes left out."""
    wanted = set(names)
    rows = (row for row in board.to_pylist() if row["protocol"] == TIME and row["model"] in wanted)
    return float(sum(row["value"] for row in rows if row["metric"] != "probing"))


def everything_known(
    pairs: ProductPairs,
    history: pa.Table,
    settings: Mapping[str, Mapping[str, Any]],
    threads: int = 2,
    progress: Progress = silent,
) -> tuple[ProductPairs, pa.Table]:
    """The pairs and the history of orders with nothing held out; the numbering of the products stays.

    Pairs that are held out at random are among ``pairs`` anyway. Those of later orders are not: the orders are counted
    again, all of them.

    Args:
        pairs: the category's pairs.
        history: table of schema ``core.orders.history.HISTORY``; may be empty.
        settings: section → setting → value; ``pairs`` and ``orders`` are used.
        threads, progress: as everywhere.
    """
    later = np.asarray(history["later"].combine_chunks())
    if not later.any():
        return pairs, history
    place = history.schema.get_field_index("later")
    history = history.set_column(place, history.schema.field(place), pa.array(np.zeros(len(later), bool)))
    counted = order_relationships(history, section_config("orders", settings), threads, progress)
    catalog = pairs.products.drop_columns(["has_metadata"])
    again = build_pairs(catalog, counted.relationships, section_config("pairs", settings))
    return dataclasses.replace(again, products=pairs.products), history


def train_final(
    choices: Mapping[str, Choice],
    pairs: ProductPairs,
    history: pa.Table,
    settings: Mapping[str, Mapping[str, Any]],
    *,
    seed: int = 42,
    threads: int = 2,
    device: str = "auto",
    precision: str = "float32",
    checkpoints: Path | None = None,
    progress: Progress = silent,
) -> FinalModels:
    """Train the models of all slots, and the content model, on everything that is known.

    A model that several slots or models need is trained once. No training starts from the judged model: it has not
    been measured whether that holds the metrics.

    Args:
        choices: slot → model and scoring.
        pairs, history: what they learn from; see :func:`everything_known`.
        settings: those that were judged.
        seed, threads, device, precision, checkpoints, progress: circumstances of the training.

    Raises:
        InputError: a model could not be trained, or its training diverged.
    """
    pairs, history = everything_known(pairs, history, settings, threads, progress)
    graph = build_graph(pairs.products.num_rows, pairs.source, pairs.target, pairs.weight)
    keys = product_hashes(pairs.products)
    stages = Stages(
        pairs, graph, settings, seed, threads, device, progress,
        keys=keys, history=history, precision=precision, checkpoints=checkpoints,
    )  # fmt: skip
    names = dict.fromkeys([*(choice.model for choice in choices.values()), CONTENT])
    models: dict[str, TrainedModel] = {name: stages.trained(MODELS[name]) for name in names}
    return FinalModels(
        models, {slot: choice.as_dict() for slot, choice in choices.items()},
        keys=keys, known=graph.degree > 0, fingerprints=pair_fingerprints(keys, graph),
    )  # fmt: skip


def training_seconds(models: Mapping[str, TrainedModel]) -> tuple[list[str], dict[str, float]]:
    """Names of all trained models, those that others are built of included, and phase → seconds of their trainings."""
    timings: dict[str, Mapping[str, float]] = {}

    def add(models: Mapping[str, TrainedModel]) -> None:
        for name, trained in models.items():
            timings[name] = trained.info.get("timing", {})
            add(trained.parts)

    add(models)
    phases = dict.fromkeys(phase for timing in timings.values() for phase in timing)
    return list(timings), {phase: sum(timing.get(phase, 0.0) for timing in timings.values()) for phase in phases}


def with_candidates(
    final: FinalModels, config: FinalModelsConfig, threads: int = 2, seed: int = 42, progress: Progress = silent
) -> FinalModels:
    """The final models with the candidates of every product, so that a change of rules asks no model again."""

    candidates: dict[str, np.ndarray] = {}
    scores: dict[str, np.ndarray] = {}
    for slot, choice in final.slots.items() if config.candidates else ():
        n_nodes = len(final.models[choice["model"]].seen)
        k = min(config.candidates, max(n_nodes - 1, 1))
        candidates[slot] = np.full((n_nodes, k), -1, np.int32)
        scores[slot] = np.full((n_nodes, k), np.nan, np.float32)
        everyone = np.arange(n_nodes, dtype=np.int32)
        search_candidates(
            final, slot, everyone, candidates[slot], scores[slot], config.exact_up_to, threads, seed, progress
        )
    return dataclasses.replace(final, candidates=candidates, candidate_scores=scores)


def search_candidates(
    final: FinalModels,
    slot: str,
    sources: np.ndarray,
    nodes: np.ndarray,
    scores: np.ndarray,
    exact_up_to: int,
    threads: int = 2,
    seed: int = 42,
    progress: Progress = silent,
) -> None:
    """Fill the rows of some products with their best candidates.

    Args:
        final: the models.
        slot: whose model and scoring are asked.
        sources: int32 ``[s]``: the products.
        nodes, scores: int32 and float32 ``[n, m]``, filled in place.
        exact_up_to: number of products up to which vector search is exact.
        threads, seed, progress: as everywhere.
    """
    from core.recommendations.search import Search

    choice, k = final.slots[slot], nodes.shape[1]
    if not len(sources):
        return
    search = Search(final.models[choice["model"]], choice["scoring"], exact_up_to, k, threads, seed, progress)
    for first in range(0, len(sources), _BLOCK):
        block = sources[first : first + _BLOCK]
        nodes[block], scores[block] = search.top_k(block, k)
        progress(f"candidates of {slot}", first + len(block), len(sources), "products")
