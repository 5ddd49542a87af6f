"""The recommender for people who write Python: it takes a table of pairs and returns lists of products.

::

    from core import Recommender

    recommender = Recommender.fit("pairs.csv", "products.csv")
    recommender.goes_with("A100", k=10)
"""

import dataclasses
import sys
import warnings
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core import settings as settings_module
from core.caller_tables import id_texts, read_tables, two_columns
from core.catalog import Catalog
from core.categories import check_name
from core.configs import CONFIGS
from core.errors import InputError
from core.evaluation import evaluate as measure
from core.evaluation import leaderboard
from core.graph import build_graph
from core.interfaces import CENTER_CENTER, CENTER_CONTEXT, Model, Scorer, TrainedModel
from core.models import MODELS
from core.pairs import ProductPairs, build_pairs
from core.pairs.split import PairSplit, split_product_pairs
from core.progress import Progress, ProgressLine, silent
from core.store.artefacts import Store
from core.store.manifest import Manifest
from core.training.inputs import Stages, section_config

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_CATEGORY = "default"
"""The category in which a recommender is saved unless the caller names one."""
DEFAULT_MODEL = "blend"
DEFAULT_SEED = 42
"""The seed of the asset graph, so that the same pairs are held out."""

_NOT_USED = {
    "sample", "guard", "orders", "neighbours", "projection", "customers", "final_models", "recommendations",
}  # fmt: skip
_SETTINGS = tuple(name for name in CONFIGS if name not in _NOT_USED)
_WRITER = "recommender"
_MAX_NAMED = 5
"""Maximum number of ids that an error message names."""


class Recommender:
    """A model that was trained on a table of product pairs and returns lists of products.

    It is created by :meth:`fit` or :meth:`load`. Product ids are text, and whole numbers stand for their digits. A
    recommender does not change and may be used by several threads.

    Attributes:
        model: name of the model in the registry, e.g. ``blend``.
        category: name of the category from which it was loaded; ``default`` for a fitted one.
        pairs: numbered products and their weighted pairs (:class:`core.pairs.ProductPairs`).
        trained: what the model learned; row i of its arrays belongs to row i of ``pairs.products``.
        settings: section → setting → value, the settings that were given.
        seed: seed of all randomness.
        threads: number of CPU threads.
        quarantine: the rows that could not be used, a DataFrame with file, line, reason and excerpt; None if the
            recommender was loaded.
    """

    def __init__(
        self,
        model: Model,
        pairs: ProductPairs,
        trained: TrainedModel,
        *,
        settings: Mapping[str, Mapping[str, Any]],
        seed: int = DEFAULT_SEED,
        threads: int | None = None,
        device: str = "auto",
        category: str = DEFAULT_CATEGORY,
        quarantine: "pd.DataFrame | None" = None,
        split: PairSplit | None = None,
    ) -> None:
        self.model = model.name
        self.category = category
        self.pairs = pairs
        self.trained = trained
        self.settings = {section: dict(values) for section, values in settings.items()}
        self.seed = seed
        self.threads = threads or _cores()
        self.quarantine = quarantine
        self._entry = model
        self._device = device
        self._split = split
        """The split of a materialized category, whose model was trained on the training pairs only; otherwise None."""
        self._scorers: dict[str, Scorer] = {}

    @classmethod
    def fit(
        cls,
        pairs: Any,
        products: Any = None,
        model: str = DEFAULT_MODEL,
        *,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        seed: int = DEFAULT_SEED,
        threads: int | None = None,
        device: str = "auto",
        progress: bool | Progress = False,
        **model_settings: Any,
    ) -> "Recommender":
        """Train a model on all pairs.

        No pair is held out, because lists should reflect the whole table. :meth:`evaluate` holds pairs out and trains
        the model again.

        Args:
            pairs: a table with the columns ``product1``, ``product2`` and optionally ``relationship``, ``weight`` and
                ``place`` (of product2 in the list of product1);
                or the path or URL of a file in any format that a category's source may have (CSV, Parquet, Amazon
                metadata of McAuley's collection); or a :class:`core.catalog.Catalog`. A table is a pandas or polars
                DataFrame, a pyarrow Table, or any other object that exports an Arrow stream.
            products: a table or file with ``product_id`` and any of the columns ``title``, ``brand``, ``price``,
                ``categories``, ``sales_rank`` and ``image_url``, from which content-based models learn.
            model: name of a model in the registry.
            settings: section → setting → value, as under ``settings`` of a category in categories.yaml.
            seed: seed of all randomness.
            threads: number of CPU threads; by default as many as this process may use.
            device: torch device for models that can use one: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
            progress: True writes progress lines to standard error; a function is called as described in
                ``core.progress``.
            **model_settings: settings of the model, e.g. ``dim=64``. A mapping is a section of ``settings``, e.g.
                ``walks={"walk_length": 20}``.

        Raises:
            InputError: a model or setting is unknown, a value is out of bounds, a table or file cannot be used, or the
                training diverged.
        """
        entry = _known(model)
        given = _checked_settings(entry, settings or {}, model_settings)
        report = _reporter(progress)
        if isinstance(pairs, Catalog):
            catalog = pairs
            if products is not None:
                raise InputError("products: the catalogue given as pairs has its own products; leave this argument out")
        else:
            catalog = read_tables(pairs, products, section_config("catalog", given).max_bad_share, report)
        if bad := catalog.quarantine.num_rows:
            warnings.warn(
                f"{bad:,} rows of {catalog.info['source']} could not be used; the attribute "
                "quarantine lists them with the reasons",
                stacklevel=2,
            )
        numbered = build_pairs(catalog.products, catalog.relationships, section_config("pairs", given))
        graph = build_graph(numbered.products.num_rows, numbered.source, numbered.target, numbered.weight)
        stages = Stages(numbered, graph, given, seed, threads or _cores(), device, report)
        trained = stages.trained(entry)
        return cls(
            entry, numbered, trained,
            settings=given, seed=seed, threads=threads, device=device, quarantine=catalog.quarantine.to_pandas(),
        )  # fmt: skip

    @classmethod
    def load(
        cls,
        path: Any,
        category: str | None = None,
        model: str | None = None,
        *,
        threads: int | None = None,
        device: str = "auto",
    ) -> "Recommender":
        """Load a recommender that :meth:`save` wrote, or a model of a category that the asset graph materialized.

        A materialized model was trained on the training pairs of its category only, so its lists do not reflect the
        pairs that were held out.

        Args:
            path: root of the store, a folder or the URL of a bucket.
            category: may be omitted if the store has only one category.
            model: may be omitted if the category has only one model, or has ``blend``.
            threads, device: see :meth:`fit`.

        Raises:
            InputError: the store has no such category or model, or the model was trained on other pairs than the store
                has now.
        """
        store = Store(path)
        category = _pick("category", category, store.categories("product_pairs"), str(store.root))
        entry = _known(model) if model is not None else None
        stored = [name for name in MODELS if store.manifest(f"embeddings/{name}", category) is not None]
        default = DEFAULT_MODEL if model is None and DEFAULT_MODEL in stored else model
        entry = _known(_pick("model", default, stored, f"{store.root}, category {category}"))
        manifest = _manifest(store, f"embeddings/{entry.name}", category)
        own = manifest.info.get(_WRITER)
        on_all_pairs = own is not None and own["trained_on"] == "all pairs"
        _check_inputs(store, manifest, [] if on_all_pairs else ["pair_split"])
        pairs, trained = store.read("product_pairs", category), store.read(manifest.asset, category)
        if len(trained.seen) != pairs.products.num_rows:
            raise _stale(store, manifest)
        split = None if on_all_pairs else store.read("pair_split", category)
        return cls(
            entry, pairs, trained,
            settings=own["settings"] if own else _evaluation_of(store, entry, category),
            seed=own["seed"] if own else DEFAULT_SEED,
            threads=threads, device=device, category=category, split=split,
        )  # fmt: skip

    def save(self, path: Any, category: str | None = None) -> None:
        """Write the pairs and the trained model into a store, in the format of the asset graph.

        Several models of the same pairs may be saved in one category.

        Args:
            path: root of the store, a folder or the URL of a bucket; it is created if it does not exist.
            category: name in the store; by default the recommender's own category.

        Raises:
            InputError: the category's name is not valid, or the asset graph materialized that category in the store.
        """
        store, category = Store(path), category or self.category
        check_name(category, "category")
        current = store.manifest("product_pairs", category)
        if current is not None and _WRITER not in current.info:
            raise InputError(
                f"{store.root} has the category {category!r} as the asset graph materialized it; save under another "
                "category name or into another folder"
            )
        trained_on = "all pairs" if self._split is None else "training pairs"
        info: dict[str, Any] = {_WRITER: {"settings": self.settings, "seed": self.seed, "trained_on": trained_on}}
        written = store.write("product_pairs", category, self.pairs, info)
        info |= {"products": written.digest, "inputs": {"product_pairs": written.digest}}
        if self._split is not None:
            written = store.write("pair_split", category, self._split, info)
            info["inputs"] = {"pair_split": written.digest}
        store.write(f"embeddings/{self.model}", category, self.trained, info)

    @property
    def products(self) -> "pd.DataFrame":
        """The products with their metadata, if there is any; one row per product."""
        table: pd.DataFrame = self.pairs.products.to_pandas()
        return table

    def similar(self, ids: Any, k: int = 10) -> "pd.DataFrame":
        """Products that are like each of the given products: what a customer might choose instead.

        The score is the cosine of the model's own vectors (``center_center``). A model without such vectors that is
        built from a model that has them uses those. A model with only one score, such as ``popularity``, gives the list
        of :meth:`goes_with`.

        Args:
            ids: one product id or several.
            k: length of the lists.

        Returns:
            A DataFrame with the columns ``product_id``, ``rank`` (from 1), ``neighbour`` and ``score``, in the order
            of ``ids``. Known partners may be among the neighbours, as in the lists that a shop loads. A product that
            the model does not know has no rows.

        Raises:
            InputError: an id is not in the table, or ``k`` is not a whole number of at least 1.
        """
        return self._lists(CENTER_CENTER, ids, k)

    def goes_with(self, ids: Any, k: int = 10) -> "pd.DataFrame":
        """Products that go with each of the given products: what a customer might choose as well.

        The score is ``center_context`` if the model has it, otherwise the model's default score. Arguments, result and
        errors are those of :meth:`similar`.
        """
        return self._lists(CENTER_CONTEXT, ids, k)

    def score(self, pairs: Any) -> np.ndarray:
        """Score how well the two products of each pair go together, as :meth:`goes_with` does.

        Args:
            pairs: a table whose first two columns contain product ids (or with the columns ``product1`` and
                ``product2``), or an iterable of pairs of ids.

        Returns:
            float32 ``[m]``: higher means more related; NaN where the model does not know one of the products.

        Raises:
            InputError: an id is not in the table.
        """
        scorer, entry = self._scorer(CENTER_CONTEXT)
        source, target = (self._nodes(column) for column in two_columns(pairs))
        scores = np.array(scorer.score_pairs(source, target), dtype=np.float32)
        if entry.fallback != "own":
            scores[~(scorer.seen[source] & scorer.seen[target])] = np.nan
        return scores

    def evaluate(self, *, progress: bool | Progress = False, **evaluation_settings: Any) -> "pd.DataFrame":
        """Measure the model: the metrics of the leaderboard, on the leaderboard's split.

        A fitted recommender holds out pairs and trains its model again on the rest. A recommender that was loaded from
        a materialized category is measured as it is, because it was trained on the training pairs only.

        Args:
            progress: see :meth:`fit`.
            **evaluation_settings: settings of the section ``evaluation``, e.g. ``bootstrap=0``.

        Returns:
            A DataFrame with the leaderboard's columns: ``category``, ``model``, ``protocol``, ``subset``, ``scoring``,
            ``metric``, ``value``, ``low`` and ``high`` (95 % bootstrap interval).

        Raises:
            InputError: a setting is unknown, or the training diverged.
        """
        own = {**self.settings.get("evaluation", {}), **_plain(evaluation_settings)}
        config = settings_module.build(CONFIGS["evaluation"], own, "evaluation")
        report = _reporter(progress)
        split = self._split
        if split is None:
            split = split_product_pairs(self.pairs, section_config("split", self.settings), self.seed)
        graph = build_graph(split.n_nodes, split.train.source, split.train.target, split.train.weight)
        trained = self.trained
        if self._split is None:
            stages = Stages(self.pairs, graph, self.settings, self.seed, self.threads, self._device, report, split.keys)
            trained = stages.trained(self._entry)
        evaluation = measure(
            self._entry, trained, split, graph, config, seed=self.seed, threads=self.threads, progress=report
        )
        table: pd.DataFrame = leaderboard({self.model: evaluation.metrics}, self.category).to_pandas()
        return table

    def __repr__(self) -> str:
        return (
            f"Recommender(model={self.model!r}, category={self.category!r}, products={self.pairs.products.num_rows:,}, "
            f"pairs={len(self.pairs.source):,})"
        )

    def _lists(self, wanted: str, ids: Any, k: int) -> "pd.DataFrame":
        import pandas as pd

        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise InputError(f"k: {k!r} is not a whole number of at least 1")
        nodes = self._nodes(ids)
        scorer, _ = self._scorer(wanted)
        neighbours, scores = scorer.top_k(nodes, int(k))
        row, column = np.nonzero(neighbours >= 0)
        names = self._ids.to_numpy(zero_copy_only=False)
        return pd.DataFrame(
            {
                "product_id": names[nodes[row]],
                "rank": (column + 1).astype(np.int16),
                "neighbour": names[neighbours[row, column]],
                "score": scores[row, column].astype(np.float32),
            }
        )

    def _scorer(self, wanted: str) -> tuple[Scorer, Model]:
        """The scorer for a scoring and its model, which is this model or one that it is built from."""
        from core.scoring.factory import scorer

        entry, trained, scoring = self._entry, self.trained, self._entry.scorings[0]
        if wanted in entry.scorings:
            scoring = wanted
        elif wanted == CENTER_CENTER:
            for name, part in trained.parts.items():
                if wanted in MODELS[name].scorings:
                    entry, trained, scoring = MODELS[name], part, wanted
                    break
        key = f"{entry.name} {scoring}"
        if key not in self._scorers:
            self._scorers[key] = scorer(entry, trained, scoring, self.threads)
        return self._scorers[key], entry

    @cached_property
    def _ids(self) -> pa.Array:
        """string ``[n]``, ascending: the product ids in the order of the nodes."""
        return self.pairs.products["product_id"].combine_chunks().cast(pa.string())

    def _nodes(self, ids: Any) -> np.ndarray:
        """int32 ``[m]``: the nodes of product ids. Raises InputError that names the unknown ids."""
        texts = id_texts(ids)
        nodes = pc.index_in(pa.array(texts, pa.string()), value_set=self._ids)
        if nodes.null_count:
            is_known = nodes.is_valid().to_pylist()
            unknown = list(dict.fromkeys(name for name, known in zip(texts, is_known, strict=True) if not known))
            named = ", ".join(map(repr, unknown[:_MAX_NAMED]))
            more = f" and {len(unknown) - _MAX_NAMED:,} more" if len(unknown) > _MAX_NAMED else ""
            raise InputError(
                f"there is no product {named}{more} among the {len(self._ids):,} products of this recommender; "
                "recommender.products lists them"
            )
        numbers: np.ndarray = nodes.to_numpy(zero_copy_only=False)
        return numbers.astype(np.int32)


def _known(model: str) -> Model:
    if model not in MODELS:
        raise InputError(f"model: there is no model {model!r}; the models are {', '.join(MODELS)}")
    return MODELS[model]


def _checked_settings(
    model: Model, sections: Mapping[str, Mapping[str, Any]], model_settings: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """All settings that were given, by section. They are checked before anything is read or trained."""
    given: dict[str, dict[str, Any]] = {}

    def add(section: str, values: Any) -> None:
        if section not in _SETTINGS:
            raise InputError(f"settings: there is no section {section!r}; the sections are {', '.join(_SETTINGS)}")
        if not isinstance(values, Mapping):
            raise InputError(f"settings.{section}: expected a mapping of setting to value, not {values!r}")
        given.setdefault(section, {}).update(_plain(values))

    if not isinstance(sections, Mapping):
        raise InputError(f"settings: expected a mapping of section to settings, not {sections!r}")
    for section, values in sections.items():
        add(section, values)
    for name, value in model_settings.items():
        if isinstance(value, Mapping):
            add(name, value)
        else:
            add(model.name, {name: value})
    for section in given:
        section_config(section, given)
    return given


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with Python numbers instead of NumPy's, as the checks and the store expect them."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()}


def _reporter(progress: bool | Progress) -> Progress:
    if callable(progress):
        return progress
    return ProgressLine(_to_terminal, every=2.0) if progress else silent


def _to_terminal(line: str) -> None:
    sys.stderr.write(line + "\n")


def _cores() -> int:
    """Number of cores that this process may use, within the limits of its container."""
    from joblib import cpu_count  # joblib is a dependency of scikit-learn

    return int(cpu_count())


def _pick(what: str, name: str | None, available: list[str], where: str) -> str:
    """The named item, or the only one if none is named. Raises InputError that names the available items."""
    known = ", ".join(available) or "none"
    if name is not None and name in available:
        return name
    if name is not None:
        raise InputError(f"{what}: {where} has no {what} {name!r}; it has {known}")
    if not available:
        raise InputError(f"{what}: {where} has no {what}; materialize one, or save a recommender there")
    if len(available) != 1:
        raise InputError(f"{what}: {where} has {len(available)} ({known}); choose one with {what}=")
    return available[0]


def _manifest(store: Store, asset: str, category: str) -> Manifest:
    manifest = store.manifest(asset, category)
    if manifest is None:
        raise InputError(f"{asset} of {category} is not materialized in {store.root}; materialize the category first")
    return manifest


def _check_inputs(store: Store, manifest: Manifest, through: list[str]) -> None:
    """Refuse a model that was made from other pairs than the store has, because its rows stand for other products."""
    for asset in [*through, "product_pairs"]:
        current = _manifest(store, asset, manifest.category)
        if manifest.info.get("inputs", {}).get(asset, current.digest) != current.digest:
            raise _stale(store, manifest)
        manifest = current


def _stale(store: Store, manifest: Manifest) -> InputError:
    return InputError(
        f"{manifest.asset} of {manifest.category} was made from other pairs than {store.root} has now; "
        "materialize it again, or fit and save it again"
    )


def _evaluation_of(store: Store, model: Model, category: str) -> dict[str, Any]:
    """The settings with which the category's metrics were measured, as far as they still exist."""
    manifest = store.manifest(f"metrics/{model.name}", category)
    config = (manifest.info.get("config") or {}) if manifest else {}
    known = {field.name for field in dataclasses.fields(CONFIGS["evaluation"])}
    return {"evaluation": {name: value for name, value in config.items() if name in known}}
