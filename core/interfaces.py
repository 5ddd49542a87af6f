"""What all models share: the registry entry, the inputs, the trained result and the scorer."""

import dataclasses
import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from core.clock import Clock
from core.graph import ProductGraph
from core.pairs import ProductPairs
from core.progress import Progress, silent

CENTER_CENTER = "center_center"
"""cos(center[i], center[j]): "is like" (substitutes)."""
CENTER_CONTEXT = "center_context"
"""cos(center[i], context[j]) + cos(center[j], context[i]): "goes with" (complements)."""
NATIVE = "native"
"""The model's own score of a pair: that of a baseline or ranker without vectors, or the inner product of vectors."""

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

WALKS, SESSIONS, BOTH = "walks", "sessions", "both"
"""What a model of sequences learns from: its setting ``learns_from``."""

PRECISIONS = {"float32": "highest", "tf32": "high", "bf16": "medium"}
"""How exactly torch multiplies float32 matrices: our name → the value for ``torch.set_float32_matmul_precision``."""


class Probe(Protocol):
    """Measures the ROC-AUC on a fixed sample of validation pairs for a row of a learning curve; it never trains.

    Attributes:
        nodes: int64 ``[m]``, ascending: the products of the sample. The probe needs only their vectors.
    """

    nodes: np.ndarray

    def __call__(self, center: np.ndarray, context: np.ndarray | None, cosine: bool = True) -> float:
        """The ROC-AUC of half-trained vectors.

        Args:
            center: float32 ``[m, dim]``: the rows of :attr:`nodes`.
            context: the same shape, or None for a model without context vectors.
            cosine: True compares vectors by their cosine, False by their inner product.
        """
        ...


@dataclass(frozen=True)
class Inputs:
    """What a model may learn from: the training part only. A model gets the fields its entry names; the rest is None.

    Attributes:
        n_nodes: number of products of the category, including those that occur in no walk and no pair.
        products: node-aligned metadata: row i describes node i (columns of ``core.pairs.PRODUCT_COLUMNS``).
        graph: the graph of the training pairs.
        transition: float64 CSR: the transition matrix of the graph.
        walks: int32 ``[n_walks, walk_length]`` node ids, padded with -1 after a dead end.
        node2vec_walks: second-order walks of the same shape.
        sessions: int32 ``[rows, length]`` node ids of real orders, sessions or customers in time, padded likewise;
            ``[0, 2]`` where there are no orders.
        orders: the history of orders (schema ``core.orders.history.HISTORY``) without the lines that are held out.
        models: registry name → what that model learned from the same training part.
        training_pairs: returns the training pairs with their listings, whose places count each other only; for models
            that need the products and the graph. None if no listing has a place.
    """

    n_nodes: int
    products: pa.Table | None = None
    graph: ProductGraph | None = None
    transition: sp.csr_matrix | None = None
    walks: np.ndarray | None = None
    node2vec_walks: np.ndarray | None = None
    sessions: np.ndarray | None = None
    orders: pa.Table | None = None
    models: dict[str, "TrainedModel"] = field(default_factory=dict)
    training_pairs: Callable[[], ProductPairs] | None = None


@dataclass(frozen=True)
class TrainContext:
    """Circumstances of a training run that are not hyperparameters.

    Attributes:
        seed: seed of all randomness.
        threads: CPU threads to use.
        device: torch device name ("cpu", "cuda", "cuda:0", "mps").
        precision: precision of matrix products on the device, a key of :data:`PRECISIONS`; the compiled back end
            always uses float32.
        progress: progress callback.
        probe: learning-curve probe, or None.
        checkpoints: folder in which an interrupted training leaves its checkpoints and finds them again, or None.
        keys: uint64 ``[n_nodes]``: identifies the product of each node (see ``PairSplit.keys``); None if unknown.
        previous: what the model learned last time, from which a warm start continues; None if there is nothing.
        version: version of the model; what another version learned is not reused.
        clock: records how the time is divided among training, probing, set-up and compilation.
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
        seen: bool ``[n_nodes]``: the model knows something about the node, because it is in the training data.
        center: float32 ``[n_nodes, dim]`` or None; rows of unseen nodes are zero unless the model has a fallback.
        context: float32 ``[n_nodes, dim]`` or None.
        matrices: sparse matrices by name, for models without vectors; the entry's scorer knows what they mean.
        arrays: other arrays by name, for models that need them.
        parts: registry name → what that model learned, for models that are built of others.
        learning_curve: table of schema ``LEARNING_CURVE`` (empty for models that are not trained in steps).
        info: JSON-serializable facts: at least ``config``, ``device`` and the model's ``version``; for trained models
            ``seconds`` (of training, including those before an interruption) and ``examples_per_second``; for models
            that learn from walks or sessions ``found_pairs``, whether there was anything to learn from;
            ``untrained``: a sentence that says why the model was not trained, only if it was not; ``timing``: a
            phase of ``core.clock.PHASES`` → seconds, whose sum is the time that the whole call took.
        keys: the ``keys`` of the training's context, by which the rows are found again when nodes are renumbered.
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
    """One way to score pairs with a model; the interface that evaluation and neighbours use.

    Attributes:
        seen: bool ``[n_nodes]``: nodes that the model can score. Scores of other nodes are meaningless.
    """

    seen: np.ndarray

    def score_pairs(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """float32 ``[m]`` scores of int32 ``[m]`` node pairs; higher means more related; symmetric."""
        ...

    def top_k(
        self, sources: np.ndarray, k: int, progress: Progress = silent, mask: sp.csr_matrix | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k best seen nodes for each source, best first, without the source itself.

        Args:
            sources: int32 ``[s]`` node ids.
            k: list length.
            progress: progress callback.
            mask: CSR ``[s, n_nodes]``; its stored entries are left out of the lists (training pairs in ranking).

        Returns:
            int32 ids and float32 scores, both ``[s, k]``; missing entries hold -1 and -inf. Nodes to which a sparse
            model gives no score (zero) are missing. Ties go to the smaller node id.
        """
        ...


@dataclass(frozen=True)
class Model:
    """A registry entry, from which assets, metrics, neighbours and the explorer's columns follow.

    Attributes:
        name: asset-safe name.
        title: what people call it, in lower case unless it is a proper name; by default the name with spaces.
        description: one sentence that users read in the UI.
        train: ``module:function`` with signature ``(Inputs, config, TrainContext) -> TrainedModel``; a string, so
            that listing the models imports no heavy library.
        config: ``module:class`` of its settings, a dataclass of ``core.settings.setting`` fields.
        inputs: names of the ``Inputs`` fields it needs.
        scorings: the ways in which it scores pairs; the first is its default.
        scorer: ``module:function`` with signature ``(TrainedModel, scoring, threads) -> Scorer``; the default is the
            scorer of models with vectors.
        models: registry names of the models it is built of; it is given what they learned.
        needs: the input (``sessions`` or ``orders``) for which it is there, so that it is not trained in a category
            where this is empty; None for models that every category has.
        gpu: whether training can use a torch device.
        fallback: how a pair with an unseen product is scored: ``median`` of its scores of seen pairs (the
            article's rule) or ``own`` (the model has a real answer, e.g. degree 0 or side information).
        fold_in: ``module:function`` that brings what was learned to today's products and pairs without training, see
            ``core.training.fold_in``. By default new products are given vectors, and a model without vectors, which
            has nothing to learn, is computed again.
        learns: whether it trains in steps, so that a learning curve is measured with a probe.
        article: whether its default settings are the article's; otherwise measurements chose them.
        version: raised whenever its results change; Dagster then shows earlier results as out of date.
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
    needs: str | None = None
    gpu: bool = False
    fallback: str = "median"
    fold_in: str | None = None
    learns: bool = False
    article: bool = False
    version: str = "1"
    kinds: tuple[str, ...] = ()
    title: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", self.title or self.name.replace("_", " "))

    @property
    def config_class(self) -> type:
        config_class: type = import_target(self.config)
        return config_class

    def fit(
        self, inputs: Inputs, config: Any, context: TrainContext | None = None, clock: Clock | None = None
    ) -> TrainedModel:
        """Train the model.

        A model that needs sessions or orders, or whose settings ask for sessions only, is not trained where there are
        none. It has then seen no product, ``info`` has ``untrained``, and it is left out of leaderboards.

        Args:
            inputs: the inputs that the entry names.
            config: an instance of :attr:`config_class`.
            context: circumstances of the run.
            clock: a running clock, whose time so far counts as well; by default a new clock starts with this call.
        """
        clock = clock or Clock()
        context = dataclasses.replace(context or TrainContext(), version=self.version, clock=clock)
        trained = self._untrained(inputs, config)
        if trained is None:
            with clock.compilation():
                trained = import_target(self.train)(inputs, config, context)
        timing = clock.seconds()
        info = {"seconds": timing["training"]} | trained.info | {"version": self.version, "timing": timing}
        return dataclasses.replace(trained, keys=context.keys, info=info)

    def _untrained(self, inputs: Inputs, config: Any) -> TrainedModel | None:
        """The result if there is nothing that it could learn from, or None if it can be trained."""
        info: dict[str, Any] = {"config": dataclasses.asdict(config), "device": "cpu"}
        learns_from = getattr(config, "learns_from", None)
        if learns_from != WALKS and self.needs is not None and not _length(getattr(inputs, self.needs)):
            info["untrained"] = f"it is trained only where there are {self.needs}, and this category has none"
        elif learns_from == SESSIONS and not _length(inputs.sessions):
            info["untrained"] = "there are no sessions to learn from; set learns_from to walks"
            info["found_pairs"] = False
        else:
            return None
        nothing = np.zeros((inputs.n_nodes, 1), np.float32)
        return TrainedModel(self.name, np.zeros(inputs.n_nodes, bool), nothing, nothing, info=info)


def _length(rows: Any) -> int:
    return 0 if rows is None else len(rows)


def import_target(target: str) -> Any:
    """The object that ``module:name`` names; imports the module."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
