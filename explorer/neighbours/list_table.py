"""One model's list as a table: for the download and for the screen."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import streamlit as st

from explorer.neighbours.known_pairs import HELD_OUT, TRAIN
from explorer.shared import product_names
from explorer.shared.formatting import for_grid, shorten
from explorer.shared.product_index import ProductIndex

MARKS = {TRAIN: "●", HELD_OUT: "★", "": ""}
NO_PAIR = "❄"
MARKS_NOTE = (
    "● known pair, in the training data · ★ held-out pair, found without being shown · "
    "❄ no training pair at all: it stands here by side information alone"
)

_WHY = ":material/route:"
_CELL = 300
"""Characters of a name in a table; the whole title is on the product's own page and in the download."""


def list_rows(
    index: ProductIndex, found: pa.Table, nodes: np.ndarray, marks: Sequence[str], without_pair: Sequence[bool]
) -> pa.Table:
    """One model's list with what is known about each neighbour.

    Args:
        index: the products.
        found: columns neighbour, rank, score, and whatever else is to be kept.
        nodes: int64 node of each neighbour, -1 if the products do not hold it.
        marks: name of each neighbour's mark (``explorer.relations``).
        without_pair: whether each neighbour has no training pair.
    """
    about = index.table.select(["title", "brand", "price", "categories"]).take(pa.array(nodes, mask=nodes < 0))
    paths = [product_names.category_path({"categories": parts}) or None for parts in about["categories"].to_pylist()]
    table = found.select(["rank", "score", "neighbour"])
    table = table.append_column("title", about["title"].cast(pa.string()))
    table = table.append_column("brand", about["brand"].cast(pa.string()))
    table = table.append_column("price", about["price"])
    table = table.append_column("categories", pa.array(paths, pa.string()))
    table = table.append_column("pair", pa.array(marks, pa.string()))
    table = table.append_column("in_training", pa.array([not alone for alone in without_pair], pa.bool_()))
    for column in found.column_names:
        if column not in table.column_names:
            table = table.append_column(column, found[column])
    return table


def in_lists(holding: int, shown: int) -> str:
    """In how many of the lists on the screen a neighbour stands, in words."""
    if shown < 2:
        return ""
    if holding == shown:
        return "both" if shown == 2 else "all"
    return "only here" if holding == 1 else f"{holding} of {shown}"


def screen_columns(table: pa.Table, index: ProductIndex, nodes: np.ndarray, shown: int) -> dict[str, list[Any]]:
    """The same list as columns for the page: readable marks, and a name also for products without a title.

    Args:
        table: of :func:`rows`, with the column lists: how many of the ``shown`` lists hold the neighbour.
        index: the products.
        nodes: int64 node of each neighbour, -1 for unknown.
        shown: number of lists on the screen.
    """
    called = [
        product_names.product_name(index.product(node)) if node >= 0 else str(neighbour)
        for node, neighbour in zip(nodes.tolist(), table["neighbour"].to_pylist(), strict=True)
    ]
    pairs = zip(table["pair"].to_pylist(), table["in_training"].to_pylist(), strict=True)
    columns: dict[str, list[Any]] = {
        "rank": table["rank"].to_pylist(),
        "product": [shorten(for_grid(text), _CELL) for text in called],
        "pair": [MARKS.get(mark, mark) + ("" if trained else NO_PAIR) for mark, trained in pairs],
    }
    if "basket_lists" in table.column_names:
        columns["basket_lists"] = table["basket_lists"].to_pylist()
    columns["why"] = [_WHY] * table.num_rows
    if shown > 1:
        columns["lists"] = [in_lists(holding, shown) for holding in table["lists"].to_pylist()]
    return columns | {
        "score": table["score"].to_pylist(),
        "brand": _cells(table["brand"]),
        "price": table["price"].to_pylist(),
        "category": _cells(table["categories"]),
        "id": _cells(table["neighbour"]),
    }


def _cells(column: pa.ChunkedArray) -> list[str | None]:
    return [None if text is None else shorten(for_grid(str(text)), _CELL) for text in column.to_pylist()]


def list_columns(
    key: str, ids: Sequence[str], opened: Callable[..., None], asked: Callable[..., None], score_help: str
) -> dict[str, Any]:
    """Column settings for :func:`for_screen`; half a page must hold those that matter.

    Args:
        key: tells this table's buttons from those of others.
        ids: neighbour of each row.
        opened, asked: called with the key of the click and ``ids`` when a name, or a "Why?", is clicked.
        score_help: what the scores are.
    """
    column = st.column_config
    return {
        "rank": column.NumberColumn("#", width=28, help="Place in the model's list"),
        "product": column.ButtonColumn(
            "Product", width=164, type="tertiary", alignment="left", help="Click to walk on",
            on_click=opened, args=(f"open {key}", tuple(ids)), key=f"open {key}",
        ),
        "pair": column.TextColumn("Pair", width=42, help=MARKS_NOTE, alignment="center"),
        "lists": column.TextColumn("Lists", width=66, help="In how many of the lists shown it stands"),
        "basket_lists": column.NumberColumn("For", width=38, help="Of how many products in the basket"),
        "why": column.ButtonColumn(
            "Why", width=40, type="tertiary", help="Shared neighbours and the strongest path",
            on_click=asked, args=(f"why {key}", tuple(ids)), key=f"why {key}",
        ),
        "score": column.NumberColumn("Score", format="%.3g", width=60, help=score_help),
        "brand": column.TextColumn("Brand", width=90),
        "price": column.NumberColumn("Price", format="%.2f", width=60),
        "category": column.TextColumn("Category", width=200),
        "id": column.TextColumn("Id", width=110),
    }  # fmt: skip
