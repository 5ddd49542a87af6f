"""The blend: several models' candidates and scores, paths and metadata, ranked by a small supervised ranker.

Belongs here: its settings and what is kept of a training. Does not belong here: the training itself
(``core.models.blend_training``) and scoring (``core.models.blend_scorer``); this module is imported for its settings
alone.

The ranker must see scores of pairs that the models were not trained on, or it would learn to trust what they know by
heart. So the training pairs are split once more, as the category's were; the models are trained again on the inner
training part, and the inner held-out pairs (and inner cold products) are the ranker's examples. Afterwards it is
applied to the scores of the models that were trained on all training pairs. Held-out pairs of the category itself are
not among its inputs.
"""

import time
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa

from core.models.base import LEARNING_CURVE, Embeddings, Inputs, TrainContext
from core.settings import setting


@dataclass(frozen=True)
class BlendConfig:
    """Settings of the blend."""

    held_back_share: float = setting(0.15, "Share of the training pairs that the ranker learns from.", ge=0.05, le=0.5)
    cold_share: float = setting(
        0.05, "Share of the products with metadata whose pairs are all held back, so that it learns to place new ones.",
        ge=0.0, le=0.5,
    )  # fmt: skip
    candidates: int = setting(100, "Candidates per product and source of candidates.", ge=1, le=10_000)
    lists: int = setting(10_000, "Most lists that the ranker learns from.", ge=1, le=10_000_000)
    pairs: int = setting(60_000, "Most pairs of each kind that the ranker learns from.", ge=1, le=10_000_000)
    networks: int = setting(4, "Networks whose mean is the score.", ge=1, le=100)
    hidden: int = setting(64, "Width of their two hidden layers.", ge=1, le=4096)
    epochs: int = setting(8, "Passes over the lists.", ge=1, le=1000)
    learning_rate: float = setting(0.01, "At the start; falls to zero along a cosine.", ge=1e-6, le=1.0)


def train(inputs: Inputs, config: BlendConfig, context: TrainContext) -> Embeddings:
    """Train the ranker; see this module's header.

    Returns:
        Embeddings with ``parts``: what the blended models learned from all training pairs; ``matrices``: ``pairs`` (the
        adjacency) and ``content``; ``arrays``: ``brand``, ``log_price`` and the networks, ``ranker.*``. ``seen`` are
        the products that any part has seen. The learning curve holds the ranker's loss per epoch.

    Raises:
        InputError: as of the blended models.
    """
    from core.models import blend_training

    started = time.perf_counter()
    trained = blend_training.train(inputs, config, context)
    curve = [{"epoch": epoch, "loss": loss} for epoch, loss in enumerate(trained.losses, start=1)]
    return Embeddings(
        model="blend",
        seen=np.logical_or.reduce([part.seen for part in inputs.models.values()]),
        parts=inputs.models,
        matrices=trained.matrices,
        arrays=trained.arrays,
        learning_curve=pa.Table.from_pylist(curve, schema=LEARNING_CURVE),
        info={
            "config": asdict(config),
            "device": context.device,
            "seconds": time.perf_counter() - started,
            **trained.facts,
        },
    )
