"""The list of one model as a table, for the download and for the screen."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from explorer.search.product_index import ProductIndex
from explorer.shared import product_names
from explorer.shared.formatting import counted, shorten, significant
from explorer.shared.known_pairs import HELD_OUT, TRAIN

_TAGS = {
    TRAIN: {"kind": "known", "text": "● known pair", "help": "It is in the training data"},
    HELD_OUT: {"kind": "held-out", "text": "★ held-out pair", "help": "It is in the data, but no model was shown it"},
}
_UNPAIRED = {
    "kind": "unpaired", "text": "❄ no training pair", "help": "It is here because of side information alone"
}  # fmt: skip
_MAX_NAME = 300
"""Maximum length of a name in a list; the whole title is on the product's own page and in the download."""


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


def screen_rows(
    table: pa.Table, index: ProductIndex, nodes: np.ndarray, shown: int, address: Callable[[str], str]
) -> list[dict[str, Any]]:
    """The same list as rows for the screen; ``list_rows.js`` draws them.

    Args:
        table: table of :func:`list_rows` with the column lists, the number of ``shown`` lists that hold the neighbour.
        index: the products.
        nodes: int64 node of each neighbour, -1 for an unknown product.
        shown: number of lists on the screen.
        address: from a product's id to the address of its page.

    Returns:
        for each row: id, rank, name, detail, href, tags, score (text with two digits) and share, between 0 and 1: the
        length of the score's bar.
    """
    entries = table.to_pylist()
    scores = [entry["score"] for entry in entries]
    low, high = min(0.0, *scores, 0.0), max(scores, default=0.0)
    rows = []
    for entry, node in zip(entries, nodes.tolist(), strict=True):
        product = index.product(node) if node >= 0 else None
        tags = [tag for tag in [_TAGS.get(entry["pair"]), None if entry["in_training"] else _UNPAIRED] if tag]
        if shown > 1:
            tags.append({"kind": "lists", "text": in_lists(entry["lists"], shown), "help": "Of the lists shown"})
        if "basket_lists" in entry:
            text = f"for {counted(entry['basket_lists'], 'product')}"
            tags.append({"kind": "lists", "text": text, "help": "How many products of the basket list it"})
        rows.append(
            {
                "id": entry["neighbour"],
                "rank": str(entry["rank"]),
                "name": shorten(product_names.product_name(product), _MAX_NAME) if product else entry["neighbour"],
                "detail": " · ".join(product_names.details(product)) if product else "",
                "href": address(entry["neighbour"]),
                "tags": tags,
                "score": significant(entry["score"]),
                "share": (entry["score"] - low) / (high - low) if high > low else 0.0,
            }
        )
    return rows
