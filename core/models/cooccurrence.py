"""Item-item co-occurrence on the walks: its settings and the registry's entry point.

Belongs here: what a user sets, and checking the input. Does not belong here: counting
(``core.models.cooccurrence_counts``), which needs Numba, and scores of pairs and lists (``core.models.scorers``).
"""

import time
from dataclasses import asdict, dataclass

from core.models.base import Embeddings, Inputs, TrainContext
from core.settings import setting


@dataclass(frozen=True)
class CooccurrenceConfig:
    """Settings of the co-occurrence model."""

    window: int = setting(9, "How far apart on a walk two products may stand to occur together.", ge=1, le=1000)
    keep: int = setting(
        1000, "Most partners kept per product, the best by score; bounds memory and file size.", ge=1, le=100_000
    )


def train(inputs: Inputs, config: CooccurrenceConfig, context: TrainContext) -> Embeddings:
    """Score of a list entry = C[i, j] / sqrt(C[i] C[j]): the cosine of item-item collaborative filtering.

    C[i, j] counts how often i and j (two different products) stand at most ``window`` steps apart on a walk, and
    C[i] is the sum of its row; so the score is the cosine of two products' occurrences in the pairs that skip-gram
    with the same window would train on (Ochiai's coefficient). Sarwar, Karypis, Konstan and Riedl, "Item-based
    collaborative filtering recommendation algorithms" (WWW 2001), section 3.1.1, with pairs on walks for users.

    A row keeps its ``keep`` best entries; a pair scores the mean of both directions.

    Returns:
        Embeddings with ``chain_0``, float32 ``[n_nodes, n_nodes]``.

    Raises:
        InputError: no walks, or walks of another graph.
    """
    from core.models.cooccurrence_counts import cosine
    from core.models.corpus import build_corpus

    started = time.perf_counter()
    corpus = build_corpus(inputs.walks, inputs.n_nodes)
    matrix = cosine(corpus, config.window, config.keep, context.threads, context.progress)
    return Embeddings(
        model="cooccurrence",
        seen=corpus.seen,
        matrices={"chain_0": matrix},
        info={
            "config": asdict(config),
            "device": "cpu",
            "seconds": time.perf_counter() - started,
            "stored": int(matrix.nnz),
        },
    )
