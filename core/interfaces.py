"""What every model has in common: its registry entry, what it is given, what it returns and how it scores."""

import dataclasses
import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from core.clock import Clock
from core.graph import ProductGraph
from core.progress import Progress, silent

CENTER_CENTER = "center_center"
"""cos(center[i], center[j]): "is like" (substitutes)."""
CENTER_CONTEXT = "center_context"
"""cos(center[i], context[j]) + cos(center[j], context[i]): "goes with" (complements)."""
NATIVE = "native"
"""The model's own pair score: of baselines and rankers without vectors, or a plain inner product of vectors."""

LEARNING_CURVE = pa.schema(
    [
        ("epoch", pa.int32()),  # 1-based epoch the row was measured in
        ("batch", pa.int64()),  # batches (or shards of walks) done since the start of training
        ("examples", pa.int64()),  # words (or pairs) trained on since the start of training
        ("seconds", pa.float64()),  # training wall time so far, probes excluded
        ("learning_rate", pa.float32()),
        ("loss", pa.float32()),  # mean training loss per example since the last row; null if not measured
        ("roc_auc", pa.float32()),  # ROC-AUC on a fixed validation sample; null if not measured
    ]
)

PRECISIONS = {"float32": "highest", "tf32": "high", "bf16": "medium"}
"""How exactly torch may multiply float32 matrices: our name → that of ``torch.set_float32_matmul_precision``."""


class Probe(Protocol):
    """ROC-AUC of a fixed sample of validation pairs, one row of a learning curve; only measures, never trains.

    Attributes:
        nodes: int64 ``[m]``, ascending: the products of the sample, whose vectors it wants to see.
    """

    nodes: np.ndarray

    def __call__(self, center: np.ndarray, context: np.ndarray | None, cosine: bool = True) -> float:
        """The number for half-trained vectors.

        Args:
            center: float32 ``[m, dim]``: the rows of :attr:`nodes`.
            context: the same shape, or None for a model without context vectors.
            cosine: whether vectors are compared by their cosine, or else by their inner product.
        """
        ...


@dataclass(frozen=True)
class Inputs:
    """What a model may learn from: the training part only. A model gets those its entry names, the rest is None.

    Attributes:
        n_nodes: number of products of the category, those that stand in no walk and no pair included.
        products: node-aligned metadata, row i describes node i (columns of ``core.pairs.PRODUCT_COLUMNS``).
        graph: the graph of the training pairs.
        transition: float64 CSR, its transition matrix.
        walks: int32 ``[n_walks, walk_length]`` node ids, padded with -1 after a dead end.
        node2vec_walks: the same shape, second-order.
        models: registry name → what other models learned from the same training part.
    """

    n_nodes: int
    products: pa.Table | None = None
    graph: ProductGraph | None = None
    transition: sp.csr_matrix | None = None
    walks: np.ndarray | None = None
    node2vec_walks: np.ndarray | None = None
    models: dict[str, "TrainedModel"] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainContext:
    """Circumstances of a training run that are no hyperparameters.

    Attributes:
        seed: seed of all randomness.
        threads: CPU threads to use.
        device: torch device name ("cpu", "cuda", "cuda:0", "mps").
        precision: of matrix products on it, a key of :data:`PRECISIONS`; the compiled back end always has float32.
        progress: progress callback.
        probe: learning-curve probe, or None.
        checkpoints: folder in which an interrupted training leaves and finds its checkpoints, or None.
        keys: uint64 ``[n_nodes]``: which product each node is, see ``PairSplit.keys``; None if unknown.
        previous: what the model learned last, from which a warm start goes on; None if there is nothing.
        version: the model's; what another version learned is not taken up.
        clock: knows how the time is divided among training, probing, set-up and compilation.
    """

    seed: int = 42
    threads: int = 2
    device: str = "cpu"
    precision: str = "float32"
    progress: Progress = silent
    probe: Probe | None = None
    checkpoints: Path | None = None
    keys: np.ndarray | None = None
    previous: "TrainedModel | None" = None
    version: str = "1"
    clock: Clock = field(default_factory=Clock)


@dataclass(frozen=True)
class TrainedModel:
    """What a model learned.

    Attributes:
        model: registry name.
        seen: bool ``[n_nodes]``: the model has something to say about the node (it stood in the training data).
        center: float32 ``[n_nodes, dim]`` or None; rows of unseen nodes are zero unless the model has a fallback.
        context: float32 ``[n_nodes, dim]`` or None.
        matrices: sparse matrices of models without vectors, by name; the entry's scorer knows them.
        arrays: other arrays by name, of models that need such.
        parts: registry name → what a model learned that this one is built of.
        learning_curve: table of schema ``LEARNING_CURVE`` (empty for models that do not learn by steps).
        info: JSON-able facts: at least ``config``, ``device`` and the model's ``version``; for trained models
            ``seconds`` (of training, those before an interruption included) and ``examples_per_second``; for models
            that learn from walks ``found_pairs``, whether there was anything to learn from; ``timing``: a
            phase of ``core.clock.PHASES`` → seconds, whose sum is the time that the whole call took.
        keys: the ``keys`` of the training's context: by them the rows are found again when nodes are numbered anew.
    """

    model: str
    seen: np.ndarray
    center: np.ndarray | None = None
    context: np.ndarray | None = None
    matrices: dict[str, sp.csr_matrix] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    parts: dict[str, "TrainedModel"] = field(default_factory=dict)
    learning_curve: pa.Table = field(default_factory=LEARNING_CURVE.empty_table)
    info: dict[str, Any] = field(default_factory=dict)
    keys: np.ndarray | None = None


class Scorer(Protocol):
    """One way to score pairs of one model; the interface that evaluation and neighbours see.

    Attributes:
        seen: bool ``[n_nodes]``: nodes the model can place. Scores of other nodes are meaningless.
    """

    seen: np.ndarray

    def score_pairs(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """float32 ``[m]`` scores of int32 ``[m]`` node pairs; higher means more related; symmetric."""
        ...

    def top_k(
        self, sources: np.ndarray, k: int, progress: Progress = silent, mask: sp.csr_matrix | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k best seen nodes for each source, never the source itself, best first.

        Args:
            sources: int32 ``[s]`` node ids.
            k: list length.
            mask: CSR ``[s, n_nodes]``; its stored entries are left out of the lists (training pairs in ranking).

        Returns:
            int32 ids and float32 scores, both ``[s, k]``; missing places hold -1 and -inf. Nodes that a sparse
            model gives no score at all (zero) are missing. Ties are broken by the smaller node id.
        """
        ...


@dataclass(frozen=True)
class Model:
    """A registry entry; assets, metrics, neighbours and the explorer's columns all follow from it.

    Attributes:
        name: asset-safe name.
        description: one sentence a user reads in the UI.
        train: ``module:function`` with signature ``(Inputs, config, TrainContext) -> TrainedModel``; a string, so
            that listing the models imports no heavy library.
        config: ``module:class`` of its settings, a dataclass of ``core.settings.setting`` fields.
        inputs: names of the ``Inputs`` fields it needs.
        models: registry names of the models it is built of; it is given what they learned.
        scorings: the forms in which it scores pairs; the first is its default.
        scorer: ``module:function`` with signature ``(TrainedModel, scoring, threads) -> Scorer``; by default that of
            models with vectors.
        gpu: whether training can use a torch device.
        fallback: how a pair with an unseen product is scored: ``median`` of its scores of seen pairs (the
            article's rule) or ``own`` (the model has a real answer, e.g. degree 0 or side information).
        learns: whether it trains by steps, so that a learning curve is measured with a probe.
        article: whether its default settings are the article's; else they are what measurement recommends.
        version: raised whenever its results change; Dagster then shows what was trained before as out of date.
        kinds: extra kinds shown in the Dagster UI.
    """

    name: str
    description: str
    train: str
    config: str
    inputs: tuple[str, ...]
    scorings: tuple[str, ...]
    scorer: str = "core.scoring.vectors:scorer"
    models: tuple[str, ...] = ()
    gpu: bool = False
    fallback: str = "median"
    learns: bool = False
    article: bool = False
    version: str = "1"
    kinds: tuple[str, ...] = ()

    @property
    def config_class(self) -> type:
        return import_target(self.config)

    def fit(
        self, inputs: Inputs, config: Any, context: TrainContext | None = None, clock: Clock | None = None
    ) -> TrainedModel:
        """Train the model.

        Args:
            inputs: what the entry names.
            config: an instance of :attr:`config_class`.
            context: circumstances.
            clock: one that runs already, whose time so far counts as well; by default it starts with this call.
        """
        clock = clock or Clock()
        context = dataclasses.replace(context or TrainContext(), version=self.version, clock=clock)
        with clock.compilation():
            trained: TrainedModel = import_target(self.train)(inputs, config, context)
        timing = clock.seconds()
        info = {"seconds": timing["training"]} | trained.info | {"version": self.version, "timing": timing}
        return dataclasses.replace(trained, keys=context.keys, info=info)


def import_target(target: str) -> Any:
    """What ``module:name`` names; imports the module."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
