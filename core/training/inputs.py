"""The inputs that a model learns from, by the names in its registry entry."""

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from core import checks, settings
from core.configs import CONFIGS
from core.errors import InputError
from core.graph import ProductGraph, transition_matrix
from core.interfaces import Inputs, Model, TrainContext, TrainedModel, import_target
from core.models import MODELS
from core.orders.history import known_lines
from core.pairs import ProductPairs
from core.pairs.split import WeightedPairs, nothing_held_out, training_pairs
from core.progress import Progress
from core.training.device_choice import choose_device

_FOLD_IN = "core.training.fold_in:place_new_products"


def model_inputs(model: Model, n_nodes: int, given: Mapping[str, Any]) -> Inputs:
    """The inputs of one training.

    Args:
        model: the model's registry entry.
        n_nodes: number of products.
        given: field of ``Inputs``, or name of a model that this one is built of → its value; ``products`` may be the
            product pairs, whose products are used. Lines of ``orders`` that are held out are left out.
    """
    fields = {name: given[name] for name in model.inputs}
    if isinstance(pairs := fields.get("products"), ProductPairs):
        fields["products"] = pairs.products
        if pairs.listings is not None and (graph := fields.get("graph")) is not None:
            fields["training_pairs"] = lambda: training_pairs(pairs, WeightedPairs(*graph.edges()))
    if fields.get("orders") is not None:
        fields["orders"] = known_lines(fields["orders"])
    return Inputs(n_nodes=n_nodes, **fields, models={name: given[name] for name in model.models})


def section_config(section: str, given: Mapping[str, Mapping[str, Any]]) -> Any:
    """The config of a section: its defaults, overridden by ``given``. Raises InputError."""
    return settings.build(CONFIGS[section], given.get(section, {}), section)


class Stages:
    """The stages that models learn from, each built when it is first needed: the asset graph in this process.

    The attributes that a registry entry names are called like the fields of ``core.interfaces.Inputs``.

    Args:
        pairs: the products and their pairs.
        graph: the graph to learn from: of all pairs, or of the training pairs.
        given: section → setting → value, already checked.
        seed: seed of all randomness.
        threads: CPU threads.
        device: see :func:`core.training.device_choice.choose_device`.
        progress: progress callback for every stage.
        keys: see ``core.interfaces.TrainContext``.
        history: the history of orders (schema ``core.orders.history.HISTORY``) from which nothing is held out; None if
            pairs are all that there is.
        precision: see ``core.interfaces.TrainContext``.
        checkpoints: folder below which each model has a folder for its checkpoints, or None.
    """

    def __init__(
        self,
        pairs: ProductPairs,
        graph: ProductGraph,
        given: Mapping[str, Mapping[str, Any]],
        seed: int,
        threads: int,
        device: str,
        progress: Progress,
        keys: np.ndarray | None = None,
        history: pa.Table | None = None,
        precision: str = "float32",
        checkpoints: Path | None = None,
    ) -> None:
        self.products = pairs
        self.graph = graph
        self._given = given
        self._seed, self._threads, self._device, self._progress, self._keys = seed, threads, device, progress, keys
        self._history, self._precision, self._checkpoints = history, precision, checkpoints
        self._trained: dict[str, TrainedModel] = {}

    @cached_property
    def transition(self) -> sp.csr_matrix:
        return transition_matrix(self.graph)

    @property
    def orders(self) -> pa.Table:
        """The history of orders; empty if pairs are all that this process is given."""
        from core.orders.history import HISTORY

        return HISTORY.empty_table() if self._history is None else self._history

    @cached_property
    def walks(self) -> np.ndarray:
        from core.walks import random_walks

        return random_walks(self.transition, section_config("walks", self._given), **self._circumstances)

    @cached_property
    def node2vec_walks(self) -> np.ndarray:
        from core.walks import node2vec_walks

        return node2vec_walks(self.graph, section_config("node2vec_walks", self._given), **self._circumstances)

    @cached_property
    def sessions(self) -> np.ndarray:
        """The products of each order, session or customer in time; there are none if pairs come without orders."""
        from core.orders.sessions import sessions

        ids = self.products.products["product_id"].combine_chunks()
        return sessions(self.orders, ids, nothing_held_out(self.products), section_config("sessions", self._given)).rows

    @property
    def _circumstances(self) -> dict[str, Any]:
        return {"seed": self._seed, "threads": self._threads, "progress": self._progress}

    def trained(self, model: Model) -> TrainedModel:
        """The trained model; the models that it is built of are trained first. Raises InputError if it diverged."""
        if model.name not in self._trained:
            stages: dict[str, Any] = {name: getattr(self, name) for name in model.inputs}
            stages |= {name: self.trained(MODELS[name]) for name in model.models}
            inputs = model_inputs(model, self.graph.n_nodes, stages)
            trained = model.fit(inputs, section_config(model.name, self._given), self._context(model))
            if reason := trained.info.get("untrained"):
                raise InputError(f"{model.name}: {reason}")
            failed = [check for check in checks.check_vectors(trained, self.graph.n_nodes) if not check.passed]
            if failed:
                reasons = "; ".join(f"{check.name}: {check.sentence}" for check in failed)
                raise InputError(f"the training of {model.name} failed its checks ({reasons}); lower its learning rate")
            self._trained[model.name] = trained
        return self._trained[model.name]

    def folded_in(self, model: Model, trained: TrainedModel, known: np.ndarray) -> TrainedModel:
        """What a model learned earlier, brought to these products and pairs without training.

        Args:
            model: its registry entry.
            trained: what was learned, with its rows in the order of these products
                (:func:`core.training.fold_in.renumbered`).
            known: bool ``[n_nodes]``: the product had a pair when the model was trained.
        """
        if model.fold_in is None and trained.center is None:
            return self.trained(model)
        parts = {name: self.folded_in(MODELS[name], trained.parts[name], known) for name in model.models}
        inputs = Inputs(self.graph.n_nodes, self.products.products, self.graph, models=parts)
        folded: TrainedModel = import_target(model.fold_in or _FOLD_IN)(trained, known, inputs, self._context(model))
        return dataclasses.replace(folded, keys=self._keys)

    def _context(self, model: Model) -> TrainContext:
        return TrainContext(
            device=choose_device(self._device, "device").name if model.gpu else "cpu",
            precision=self._precision,
            keys=self._keys,
            checkpoints=self._checkpoints / model.name if self._checkpoints else None,
            **self._circumstances,
        )
