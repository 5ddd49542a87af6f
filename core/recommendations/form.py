"""The form of the final models and of a shop's lists, which deliveries, the API and the explorer read."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from core.interfaces import TrainedModel
from core.store.manifest import ADDED_LATER

GOES_WITH = "goes_with"
"""Slot of what a customer might choose as well."""
SIMILAR = "similar"
"""Slot of what a customer might choose instead."""
BOUGHT_TOGETHER = "bought_together"
"""Slot of what was in the same orders; only where there are orders."""
SLOTS = (GOES_WITH, SIMILAR, BOUGHT_TOGETHER)

SOURCES = ("pinned", "model", "content", "popular")
"""Where an entry of a list comes from; stored as the place in this tuple."""

RECOMMENDATIONS = pa.schema(
    [
        ("product", pa.string()),
        ("slot", pa.string()),
        ("rank", pa.int16()),  # 1-based
        ("neighbour", pa.string()),
        ("score", pa.float32()),  # comparable within one list only; null for entries that no model scored
        ("source", pa.string()),  # one of SOURCES
    ]
)
"""Sorted by slot (in the order of ``SLOTS``), product and rank."""

_ROWS = 1 << 18


@dataclass(frozen=True)
class FinalModels:
    """The chosen models, trained on all pairs. They are never judged themselves.

    Attributes:
        models: registry name → what the model learned.
        slots: slot → ``model``, ``scoring`` and ``vouched_by``, the metrics of the evaluation that chose it (that of
            the same model with the same settings, trained on the training pairs).
        candidates: slot → int32 ``[n, m]`` nodes: the best candidates of every product without any rule, best first;
            -1 marks an empty place. A slot may be missing.
        candidate_scores: slot → float32 ``[n, m]``: their scores; NaN in empty places.
        keys: uint64 ``[n]``: identifies the product of each row; None in models of an earlier version, like the next
            two.
        known: bool ``[n]``: the product had a pair when the models were trained.
        fingerprints: uint64 ``[n]`` of :func:`core.recommendations.fingerprints.pair_fingerprints`.
        folded_in: numbers of products that were new, removed or had other pairs when the models were last folded in
            (``core.recommendations.fold_in``), and of all that were new since the training; None after a training.
    """

    models: dict[str, TrainedModel]
    slots: dict[str, Any] = field(default_factory=dict)
    candidates: dict[str, np.ndarray] = field(default_factory=dict)
    candidate_scores: dict[str, np.ndarray] = field(default_factory=dict)
    keys: np.ndarray | None = field(default=None, metadata=ADDED_LATER)
    known: np.ndarray | None = field(default=None, metadata=ADDED_LATER)
    fingerprints: np.ndarray | None = field(default=None, metadata=ADDED_LATER)
    folded_in: dict[str, int] | None = field(default=None, metadata=ADDED_LATER)


@dataclass(frozen=True)
class Recommendations:
    """The lists of every product, for every slot of the category.

    Attributes:
        products: one row per product (``core.pairs.PRODUCT_COLUMNS``), ``product_id`` ascending; its row number is the
            product's node.
        neighbours: slot → int32 ``[n, k]`` nodes, best first; -1 marks an empty place at the end of a list.
        scores: slot → float32 ``[n, k]``; NaN where no model gave a score.
        sources: slot → uint8 ``[n, k]``, the place in ``SOURCES``.
        info: JSON-serializable facts, among them the models, the rules and the counts by source.
    """

    products: pa.Table
    neighbours: dict[str, np.ndarray]
    scores: dict[str, np.ndarray]
    sources: dict[str, np.ndarray]
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def slots(self) -> tuple[str, ...]:
        """The slots that there are lists for, in the order of ``SLOTS``."""
        return tuple(slot for slot in SLOTS if slot in self.neighbours)

    @property
    def rows(self) -> int:
        """Number of entries of all lists."""
        return sum(int(np.count_nonzero(nodes >= 0)) for nodes in self.neighbours.values())

    def batches(self, rows: int = _ROWS) -> Iterator[pa.RecordBatch]:
        """The lists in the schema ``RECOMMENDATIONS``, in batches of about ``rows`` rows, so that memory is bounded."""
        ids = self.products["product_id"].combine_chunks().cast(pa.string())
        for slot in self.slots:
            nodes, scores, sources = self.neighbours[slot], self.scores[slot], self.sources[slot]
            step = max(1, rows // max(1, nodes.shape[1]))
            for first in range(0, len(nodes), step):
                part = slice(first, first + step)
                row, place = np.nonzero(nodes[part] >= 0)
                if not len(row):
                    continue
                values = scores[part][row, place]
                names = pa.array(SOURCES).take(pa.array(sources[part][row, place]))
                yield pa.RecordBatch.from_arrays(
                    [
                        ids.take(pa.array(row + first)),
                        pa.repeat(pa.scalar(slot), len(row)),
                        pa.array((place + 1).astype(np.int16)),
                        ids.take(pa.array(nodes[part][row, place])),
                        pa.array(values, mask=np.isnan(values)),
                        names,
                    ],
                    schema=RECOMMENDATIONS,
                )
