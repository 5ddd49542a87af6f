"""Lists of several models for a product or a basket: read, marked and compared."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from core.errors import InputError
from core.evaluation.metrics import RANKING
from core.scoring import baskets
from explorer.neighbours import list_table
from explorer.search.product_index import ProductIndex
from explorer.shared import neighbour_file, store_reader
from explorer.shared.known_pairs import TRAIN, KnownPairs, Partners
from explorer.shared.leaderboard import read_leaderboard
from explorer.shared.neighbour_file import NeighbourFile
from explorer.shared.scorings import GOES_WITH, QUESTIONS, answers, scoring_for

_DEPTH = 50
"""Number of entries read from the list of each product in a basket."""
_WHOLE = 1_000
"""More entries than a stored list has."""
_BEST = "blend"
_PREFERRED = ("skipgram", "rp3beta")


@dataclass(frozen=True)
class Question:
    """What lists are asked for.

    Attributes:
        category: partition key.
        sources: ids of the products, all of which exist.
        basket: whether the lists of the sources are fused; otherwise there is one source.
        asks: one of ``scorings.QUESTIONS``.
        k: entries per list.
        new_only: whether pairs that the models saw in training are left out, as in the evaluation.
    """

    category: str
    sources: tuple[str, ...]
    basket: bool
    asks: str
    k: int
    new_only: bool


@dataclass(frozen=True)
class ModelList:
    """The list of one model.

    Attributes:
        model: name.
        scoring: the scoring of the list.
        rows: table of ``list_table.list_rows`` with the column lists; empty if there is no list.
        nodes: int64 node of each row, -1 for a product that is not in the category.
        left_out: number of stored neighbours that were left out because they are known pairs.
        answers: the questions that the model answers; without the question that was asked, there is no list.
        missing: whether the model's neighbours are not materialized.
        problem: why the list could not be read, or None.
    """

    model: str
    scoring: str
    rows: pa.Table
    nodes: np.ndarray
    left_out: int = 0
    answers: tuple[str, ...] = ()
    missing: bool = False
    problem: str | None = None


def read_first_models(available: Sequence[str], category: str) -> dict[str, list[str]]:
    """The models shown for each question until somebody chooses. What is damaged is told where it is shown."""
    offered: dict[str, list[str]] = {}
    for name in available:
        with suppress(InputError):
            offered[name] = read_scorings(name, category)
    leaderboard = None
    with suppress(InputError, OSError, pa.ArrowException):
        leaderboard = read_leaderboard(category)
    return {asks: first_models(offered, leaderboard, asks) for asks in QUESTIONS}


def first_models(offered: Mapping[str, Sequence[str]], leaderboard: pa.Table | None, asks: str) -> list[str]:
    """The model shown for a question until somebody chooses: blend, else the best of the leaderboard, else any.

    Args:
        offered: available model → the scorings that it has lists for.
        leaderboard: with the columns of ``core.evaluation.METRICS``.
        asks: the question.
    """
    fitting = [name for name, scorings in offered.items() if any(answers(scoring) == asks for scoring in scorings)]
    best = _best(leaderboard, fitting, asks) if leaderboard is not None else []
    order = [*([_BEST] if asks == GOES_WITH else []), *best, *_PREFERRED, *fitting]
    return [name for name in order if name in fitting][:1] or list(offered)[:1]


def _best(leaderboard: pa.Table, models: Sequence[str], asks: str) -> list[str]:
    """Those of the models that have a recall@10 for the question, the best first."""
    values = {
        row["model"]: row["value"]
        for row in sorted(leaderboard.to_pylist(), key=lambda row: row["value"] or 0.0)
        if (row["protocol"], row["subset"], row["metric"]) == (RANKING, "all", "recall@10")
        and row["value"] is not None
        and answers(row["scoring"]) == asks
    }
    return sorted((name for name in models if name in values), key=lambda name: -values[name])


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
        offered = read_scorings(model, question.category)
        scoring = scoring_for(question.asks, model, offered)
        if scoring is None:
            return ModelList(model, "", *empty, answers=tuple(dict.fromkeys(map(answers, offered))))
        neighbours, nodes = (_basket if question.basket else _single)(file, scoring, question, index)
    except (
        ValueError,
        LookupError,
        OSError,
        pa.ArrowException,
    ) as error:  # ValueError includes InputError
        return ModelList(model, "", *empty, problem=str(error))
    marks = np.array(known.marks(nodes) if known else [""] * len(nodes), dtype=object)
    hidden = (marks == TRAIN) & question.new_only
    kept = np.flatnonzero(~hidden)[: question.k]
    neighbours, nodes, marks = neighbours.take(pa.array(kept)), nodes[kept], marks[kept]
    ranks = pa.array(np.arange(1, len(kept) + 1), pa.int16())
    neighbours = neighbours.set_column(neighbours.column_names.index("rank"), "rank", ranks)
    unpaired = pairs.without_pair(nodes).tolist() if pairs else [False] * len(nodes)
    rows = list_table.list_rows(index, neighbours, nodes, marks.tolist(), unpaired)
    return ModelList(model, scoring, rows, nodes, int(hidden.sum()))


def read_scorings(model: str, category: str) -> list[str]:
    """The scorings that a model has lists for."""
    return list(store_reader.read_info(f"neighbours/{model}", category))


def _single(file: NeighbourFile, scoring: str, question: Question, index: ProductIndex) -> tuple[pa.Table, np.ndarray]:
    neighbours = file.lookup(question.sources[0], scoring, _WHOLE)
    return neighbours, index.nodes(neighbours["neighbour"].to_pylist())


def _basket(file: NeighbourFile, scoring: str, question: Question, index: ProductIndex) -> tuple[pa.Table, np.ndarray]:
    parts = [file.lookup(source, scoring, _DEPTH)["neighbour"].to_pylist() for source in question.sources]
    fused = baskets.combine([index.nodes(part) for part in parts], index.nodes(list(question.sources)).tolist(), _WHOLE)
    ids = index.table["product_id"].take(pa.array(fused.nodes))
    ranks = np.arange(1, len(fused.nodes) + 1, dtype=np.int16)
    columns = {"neighbour": ids.cast(pa.string()), "rank": ranks, "score": fused.scores, "basket_lists": fused.lists}
    return pa.table(columns), fused.nodes


def others_with_a_list(models: Sequence[str], question: Question) -> list[str]:
    """Those of ``models`` that have a list for the first product and the question."""
    holding = []
    for model in models:
        try:
            file = neighbour_file.read_neighbour_file(model, question.category)
            scoring = scoring_for(question.asks, model, read_scorings(model, question.category))
            if file is not None and scoring and file.lookup(question.sources[0], scoring, 1).num_rows:
                holding.append(model)
        except (InputError, OSError, pa.ArrowException):
            continue  # the model's own section of the page says what is wrong
    return holding


def count_lists_holding(lists: list[np.ndarray]) -> list[list[int]]:
    """For every entry of every list of nodes, the number of lists that hold it; 1 for unknown products (-1)."""
    counts = Counter(node for nodes in lists for node in set(nodes.tolist()) - {-1})
    return [[counts.get(node, 1) for node in nodes.tolist()] for nodes in lists]
