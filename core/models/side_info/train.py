"""Training of skip-gram with side information on walks and metadata."""

import dataclasses
import time

import numpy as np
import pyarrow as pa

from core.interfaces import LEARNING_CURVE, Inputs, TrainContext, TrainedModel
from core.models.side_info.config import SideInfoConfig, WeightedSideInfoConfig
from core.models.side_info.direct_fit import fit_side_vectors
from core.models.side_info.fields import side_fields
from core.models.side_info.new_products import partner_directions, place_newcomers
from core.models.skipgram.train import train_on_walks
from core.training.corpus import build_corpus
from core.training.sequences import sequences

_FIELDS = ("product", "brand", "categories", "price_band")


def train_mean(inputs: Inputs, config: SideInfoConfig, context: TrainContext) -> TrainedModel:
    """A product is the average, with equal weights, of a vector of its own and the vectors of the fields it has.

    The product vectors come from skip-gram on walks or sessions. Then vectors of brands, categories and price bands,
    one as center and one as context each, are fitted to them, and the product's own vector becomes its deviation from
    these. This is not joint training as in the article. The vectors of products without walks come from what their side
    values say about their partners, or, with ``new_products`` ``alike``, from the average alone. The last row of the
    learning curve is measured after that. ``seen`` marks the products on walks and those with at least one side value
    that was fitted.

    Raises:
        InputError: for the same reasons as skip-gram.
    """
    return _train("skipgram_side_info_mean", inputs, config, context, None, 1)


def train_weighted(inputs: Inputs, config: WeightedSideInfoConfig, context: TrainContext) -> TrainedModel:
    """As :func:`train_mean`, with learned weights per product (EGES; Wang et al., KDD 2018), kept nearly equal."""
    return _train("skipgram_side_info_weighted", inputs, config, context, config.weight_strength, config.rounds)


def _train(
    name: str, inputs: Inputs, config: SideInfoConfig, context: TrainContext, penalty: float | None, rounds: int
) -> TrainedModel:
    """See :func:`train_mean`.

    Args:
        name: registry name of the model.
        inputs: inputs with ``walks`` or ``sessions``, ``graph`` and ``products``.
        config: settings.
        context: circumstances of the run.
        penalty: strength that pulls the weights to equal values; None keeps them equal.
        rounds: alternations between vectors and weights.
    """
    if inputs.products is None or inputs.graph is None:
        raise ValueError(f"{name} needs the products and the training graph")
    rows = sequences(inputs, config.learns_from)
    plain = train_on_walks(name, rows, inputs.n_nodes, config, context)

    started = time.perf_counter()
    with context.clock.phase("training"):
        occurrences = build_corpus(rows, inputs.n_nodes).counts
        fields = side_fields(inputs.products, config.price_bands)
        learned = [part for part in (plain.center, plain.context) if part is not None]
        if config.new_products == "partners":
            learned.append(partner_directions(learned[0], inputs.graph))
        fit = fit_side_vectors(
            np.hstack(learned), occurrences, fields, config.own_strength, config.side_strength, penalty, rounds,
            context.progress,
        )  # fmt: skip
        center, contexts, *direction = (np.ascontiguousarray(part) for part in np.hsplit(fit.vectors, len(learned)))
        placed = center.any(axis=1) & contexts.any(axis=1)
        if direction:
            place_newcomers(center, contexts, direction[0], placed & ~plain.seen, inputs.graph)
    seconds = time.perf_counter() - started

    last = plain.learning_curve.slice(plain.learning_curve.num_rows - 1).to_pylist()[0]
    last |= {"seconds": last["seconds"] + seconds, "loss": None}
    last["roc_auc"] = None
    if context.probe:
        with context.clock.phase("probing"):
            last["roc_auc"] = context.probe(center[context.probe.nodes], contexts[context.probe.nodes])
    curve = pa.concat_tables([plain.learning_curve, pa.Table.from_pylist([last], schema=LEARNING_CURVE)])
    described = plain.seen & (fit.weights[:, 0] < 1)
    mean_weights = fit.weights[described].mean(axis=0, dtype=np.float64) if described.any() else np.zeros(len(_FIELDS))
    info = plain.info | {
        "seconds": plain.info["seconds"] + seconds,
        "side_seconds": seconds,
        "placed_by_side_information": int((placed & ~plain.seen).sum()),
        "mean_weights": dict(zip(_FIELDS, mean_weights.tolist(), strict=True)),
    }
    return dataclasses.replace(
        plain,
        seen=plain.seen | placed,
        center=center,
        context=contexts,
        learning_curve=curve.combine_chunks(),
        info=info,
    )
