"""The list of one model as a table, for the download and for the screen."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import streamlit as st

from explorer.shared import product_names
from explorer.shared.formatting import for_grid, shorten
from explorer.shared.known_pairs import HELD_OUT, TRAIN
from explorer.shared.product_index import ProductIndex

MARKS = {TRAIN: "●", HELD_OUT: "★", "": ""}
NO_PAIR = "❄"
MARKS_NOTE = (
    "● known pair, in the training data · ★ held-out pair, found although no model was shown it · "
    "❄ no training pair at all: it is here because of side information alone"
)

_WHY = ":material/route:"
_MAX_CELL = 300
"""Maximum length of a name in a table; the whole title is on the product's own page and in the download."""


def list_rows(
    index: ProductIndex, neighbours: pa.Table, nodes: np.ndarray, marks: Sequence[str], without_pair: Sequence[bool]
) -> pa.Table:
    """The list of one model with what is known about each neighbour.

    Args:
        index: the products.
        neighbours: columns neighbour, rank and score; further columns are kept.
        nodes: int64 node of each neighbour, -1 if it is not among the products.
        marks: name of each neighbour's mark, as ``Partners.marks`` returns them.
        without_pair: whether each neighbour has no training pair.
    """
    metadata = index.table.select(["title", "brand", "price", "categories"]).take(pa.array(nodes, mask=nodes < 0))
    paths = [product_names.category_path({"categories": parts}) or None for parts in metadata["categories"].to_pylist()]
    table = neighbours.select(["rank", "score", "neighbour"])
    table = table.append_column("title", metadata["title"].cast(pa.string()))
    table = table.append_column("brand", metadata["brand"].cast(pa.string()))
    table = table.append_column("price", metadata["price"])
    table = table.append_column("categories", pa.array(paths, pa.string()))
    table = table.append_column("pair", pa.array(marks, pa.string()))
    table = table.append_column("in_training", pa.array([not unpaired for unpaired in without_pair], pa.bool_()))
    for column in neighbours.column_names:
        if column not in table.column_names:
            table = table.append_column(column, neighbours[column])
    return table


def in_lists(holding: int, shown: int) -> str:
    """How many of the lists on the screen contain a neighbour, in words."""
    if shown < 2:
        return ""
    if holding == shown:
        return "both" if shown == 2 else "all"
    return "only here" if holding == 1 else f"{holding} of {shown}"


def screen_columns(table: pa.Table, index: ProductIndex, nodes: np.ndarray, shown: int) -> dict[str, list[Any]]:
    """The same list as columns for the screen, with readable marks and with names for products without a title.

    Args:
        table: table of :func:`list_rows` with the column lists, the number of ``shown`` lists that hold the neighbour.
        index: the products.
        nodes: int64 node of each neighbour, -1 for an unknown product.
        shown: number of lists on the screen.
    """
    called = [
        product_names.product_name(index.product(node)) if node >= 0 else str(neighbour)
        for node, neighbour in zip(nodes.tolist(), table["neighbour"].to_pylist(), strict=True)
    ]
    pairs = zip(table["pair"].to_pylist(), table["in_training"].to_pylist(), strict=True)
    columns: dict[str, list[Any]] = {
        "rank": table["rank"].to_pylist(),
        "product": [shorten(for_grid(text), _MAX_CELL) for text in called],
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
    return [None if text is None else shorten(for_grid(str(text)), _MAX_CELL) for text in column.to_pylist()]


def list_columns(
    key: str, ids: Sequence[str], opened: Callable[..., None], asked: Callable[..., None], score_help: str
) -> dict[str, Any]:
    """Column settings for :func:`screen_columns`; the important columns must fit into half a page.

    Args:
        key: distinguishes the buttons of this table from those of other tables.
        ids: product id of each row.
        opened, asked: called with the key of the click and ``ids`` when a name or a "Why" is clicked.
        score_help: what the scores mean.
    """
    column = st.column_config
    return {
        "rank": column.NumberColumn("#", width=28, help="Rank in the model's list"),
        "product": column.ButtonColumn(
            "Product", width=164, type="tertiary", alignment="left", help="Click to open it",
            on_click=opened, args=(f"open {key}", tuple(ids)), key=f"open {key}",
        ),
        "pair": column.TextColumn("Pair", width=42, help=MARKS_NOTE, alignment="center"),
        "lists": column.TextColumn("Lists", width=66, help="How many of the lists shown contain it"),
        "basket_lists": column.NumberColumn("For", width=38, help="How many products of the basket list it"),
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
