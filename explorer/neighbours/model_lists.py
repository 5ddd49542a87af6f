"""Lists of several models for a product or a basket: read, marked and compared."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from core.errors import InputError
from core.interfaces import CENTER_CENTER, CENTER_CONTEXT
from core.scoring import baskets
from explorer.neighbours import list_table
from explorer.shared import neighbour_file, store_reader
from explorer.shared.known_pairs import KnownPairs, Partners
from explorer.shared.neighbour_file import NeighbourFile
from explorer.shared.product_index import ProductIndex
from explorer.shared.scorings import default_scoring

VIEW_SCORINGS = {"complements": CENTER_CONTEXT, "substitutes": CENTER_CENTER}
"""View → scoring. A model without that scoring is shown with its default scoring."""
OWN_VIEW = "model's own"
_DEPTH = 50
"""Number of entries read from the list of each product in a basket."""
_PREFERRED = ("blend", "skipgram", "rp3beta")


@dataclass(frozen=True)
class Question:
    """What lists are asked for.

    Attributes:
        category: partition key.
        sources: ids of the products, all of which exist.
        basket: whether the lists of the sources are fused; otherwise there is one source.
        view: a key of :data:`VIEW_SCORINGS` or :data:`OWN_VIEW`.
        k: entries per list.
    """

    category: str
    sources: tuple[str, ...]
    basket: bool
    view: str
    k: int


@dataclass(frozen=True)
class ModelList:
    """The list of one model.

    Attributes:
        model: name.
        scoring: the scoring of the list.
        rows: table of ``list_table.list_rows`` with the column lists; empty if there is no list.
        nodes: int64 node of each row, -1 for a product that is not in the category.
        missing: whether the model's neighbours are not materialized.
        problem: why the list could not be read, or None.
    """

    model: str
    scoring: str
    rows: pa.Table
    nodes: np.ndarray
    missing: bool = False
    problem: str | None = None


def first_models(available: Sequence[str], count: int = 2) -> list[str]:
    """The models shown until somebody chooses: available preferred models, then other available ones."""
    preferred = [name for name in _PREFERRED if name in available]
    return list(dict.fromkeys([*preferred, *available]))[:count]


def scoring_of(model: str, view: str, offered: Sequence[str]) -> str:
    """The scoring of ``view`` if it is among those ``offered``, otherwise the default scoring of the model."""
    wanted = VIEW_SCORINGS.get(view, "")
    return wanted if wanted in offered else default_scoring(model, offered)


def read_model_lists(
    models: Sequence[str], question: Question, index: ProductIndex, pairs: KnownPairs | None, known: Partners | None
) -> list[ModelList]:
    """The lists of ``models``, in this order. A list that cannot be read does not affect the others."""
    lists = [_read_one(model, question, index, pairs, known) for model in models]
    with_rows = [number for number, model_list in enumerate(lists) if model_list.rows.num_rows]
    holding = count_lists_holding([lists[number].nodes for number in with_rows])
    for number, counts in zip(with_rows, holding, strict=True):
        rows = lists[number].rows
        lists[number] = replace(lists[number], rows=rows.append_column("lists", pa.array(counts, pa.int64())))
    return lists


def _read_one(
    model: str, question: Question, index: ProductIndex, pairs: KnownPairs | None, known: Partners | None
) -> ModelList:
    empty = pa.table({}), np.empty(0, np.int64)
    try:
        file = neighbour_file.read_neighbour_file(model, question.category)
        if file is None:
            return ModelList(model, "", *empty, missing=True)
        offered = list(store_reader.read_info(f"neighbours/{model}", question.category))
        scoring = scoring_of(model, question.view, offered)
        neighbours, nodes = (_basket if question.basket else _single)(file, scoring, question, index)
    except (
        ValueError,
        LookupError,
        OSError,
        pa.ArrowException,
    ) as error:  # ValueError includes InputError
        return ModelList(model, "", *empty, problem=str(error))
    marks = known.marks(nodes) if known else [""] * len(nodes)
    unpaired = pairs.without_pair(nodes).tolist() if pairs else [False] * len(nodes)
    return ModelList(model, scoring, list_table.list_rows(index, neighbours, nodes, marks, unpaired), nodes)


def _single(file: NeighbourFile, scoring: str, question: Question, index: ProductIndex) -> tuple[pa.Table, np.ndarray]:
    neighbours = file.lookup(question.sources[0], scoring, question.k)
    return neighbours, index.nodes(neighbours["neighbour"].to_pylist())


def _basket(file: NeighbourFile, scoring: str, question: Question, index: ProductIndex) -> tuple[pa.Table, np.ndarray]:
    parts = [file.lookup(source, scoring, _DEPTH)["neighbour"].to_pylist() for source in question.sources]
    fused = baskets.combine(
        [index.nodes(part) for part in parts], index.nodes(list(question.sources)).tolist(), question.k
    )
    ids = index.table["product_id"].take(pa.array(fused.nodes))
    ranks = np.arange(1, len(fused.nodes) + 1, dtype=np.int16)
    columns = {"neighbour": ids.cast(pa.string()), "rank": ranks, "score": fused.scores, "basket_lists": fused.lists}
    return pa.table(columns), fused.nodes


def others_with_a_list(models: Sequence[str], question: Question) -> list[str]:
    """Those of ``models`` that have a list for the first product of the question, with any scoring."""
    holding = []
    for model in models:
        try:
            file = neighbour_file.read_neighbour_file(model, question.category)
            offered = list(store_reader.read_info(f"neighbours/{model}", question.category))
            scoring = scoring_of(model, question.view, offered)
            if file is not None and file.lookup(question.sources[0], scoring, 1).num_rows:
                holding.append(model)
        except (InputError, OSError, pa.ArrowException):
            continue  # the model's own section of the page says what is wrong
    return holding


def count_lists_holding(lists: list[np.ndarray]) -> list[list[int]]:
    """For every entry of every list of nodes, the number of lists that hold it; 1 for unknown products (-1)."""
    counts = Counter(node for nodes in lists for node in set(nodes.tolist()) - {-1})
    return [[counts.get(node, 1) for node in nodes.tolist()] for nodes in lists]
