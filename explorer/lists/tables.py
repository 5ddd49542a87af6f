"""The tables of the page Lists and their column settings."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.recommendations.form import BOUGHT_TOGETHER, GOES_WITH, SIMILAR
from core.recommendations.rules.pins import BLOCK, PIN
from explorer.lists import actions
from explorer.lists.actions import Target
from explorer.search.product_index import ProductIndex
from explorer.shared.formatting import for_grid
from explorer.shared.product_names import name_in_table

SLOT_WORDS = {GOES_WITH: "goes with", SIMILAR: "similar", BOUGHT_TOGETHER: "bought together"}
SOURCE_WORDS = {"pinned": "pinned", "model": "model", "content": "alike", "popular": "popular"}
_PIN, _RELEASE, _BLOCK = ":material/keep:", ":material/keep_off:", ":material/block:"
_SOURCE_HELP = (
    "Where the entry comes from: **pinned** by a merchandiser; the **model**; **alike** (the same brand and "
    "categories), where the model has no more; or **popular**, where there is nothing else"
)


def list_rows(
    index: ProductIndex, entries: Sequence[tuple[str, str]], moved: Sequence[str], pinned: set[str] | None = None
) -> pd.DataFrame:
    """One list: place, product, what moved, source and id; buttons to edit it if ``pinned`` is given.

    Args:
        index: the products.
        entries: neighbour and source of each entry.
        moved: what moved, in words.
        pinned: ids of the products that the file of pins has pinned here.
    """
    ids = [product_id for product_id, _ in entries]
    columns: dict[str, Any] = {
        "rank": list(range(1, len(ids) + 1)),
        "product": _names(index, ids),
        "moved": list(moved),
        "source": [SOURCE_WORDS.get(source, source) for _, source in entries],
    }
    if pinned is not None:
        columns["pin"] = [_RELEASE if product_id in pinned else _PIN for product_id in ids]
        columns["block"] = [_BLOCK] * len(ids)
    return pd.DataFrame(columns | {"id": [for_grid(product_id) for product_id in ids]})


def list_columns(
    key: str,
    ids: Sequence[str],
    moved: str,
    name_pixels: int,
    target: Target | None = None,
    pinned: set[str] | None = None,
) -> dict[str, Any]:
    """Column settings for :func:`list_rows`.

    Args:
        key: distinguishes the buttons of this table from those of others.
        ids: product of each row.
        moved: what the column of moves compares with.
        name_pixels: width of the products' names.
        target: the list that the buttons edit.
        pinned: as for :func:`list_rows`.
    """
    column = st.column_config
    columns: dict[str, Any] = {
        "rank": column.NumberColumn("#", width=28, help="Place in the list"),
        "product": column.ButtonColumn(
            "Product", width=name_pixels, type="tertiary", alignment="left", help="Click to see its lists",
            on_click=actions.clicked_product, args=(f"open {key}", tuple(ids)), key=f"open {key}",
        ),
        "moved": column.TextColumn("Moved", width=56, help=moved),
        "source": column.TextColumn("From", width=58, help=_SOURCE_HELP),
        "id": column.TextColumn("Id", width=100),
    }  # fmt: skip
    if target is not None:
        toggles = tuple(None if product_id in (pinned or ()) else PIN for product_id in ids)
        for name, label, width, what, help_text in (
            ("pin", "Pin", 36, toggles, "Pin it at this place, or release it"),
            ("block", "Block", 48, (BLOCK,) * len(ids), "Never list it here"),
        ):
            columns[name] = column.ButtonColumn(
                label, width=width, type="tertiary", help=help_text, on_click=actions.clicked_edit,
                args=(f"{name} {key}", target, tuple(ids), what), key=f"{name} {key}",
            )  # fmt: skip
    return columns


def pin_rows(index: ProductIndex, pins: Sequence[tuple[int, str, int | None]], editable: bool) -> pd.DataFrame:
    """What the file says of one list: product, what holds, and a button to release it.

    Args:
        index: the products.
        pins: node, ``pin`` or ``block``, and place.
        editable: whether there are buttons.
    """
    ids = [str(index.product(node)["product_id"]) for node, _, _ in pins]
    rows: dict[str, Any] = {
        "product": _names(index, ids),
        "holds": [
            "blocked" if action == BLOCK else "pinned" + ("" if rank is None else f" at place {rank}")
            for _, action, rank in pins
        ],
    }
    if editable:
        rows["release"] = [_RELEASE] * len(ids)
    return pd.DataFrame(rows | {"id": [for_grid(product_id) for product_id in ids]})


def pin_columns(key: str, ids: Sequence[str], target: Target | None) -> dict[str, Any]:
    """Column settings for :func:`pin_rows`."""
    column = st.column_config
    columns: dict[str, Any] = {
        "product": column.TextColumn("Product", width=260),
        "holds": column.TextColumn("In the file", width=110),
        "id": column.TextColumn("Id", width=110),
    }
    if target is not None:
        columns["release"] = column.ButtonColumn(
            "Release", width=62, type="tertiary", help="Neither pin nor block it", on_click=actions.clicked_edit,
            args=(f"release {key}", target, tuple(ids), (None,) * len(ids)), key=f"release {key}",
        )  # fmt: skip
    return columns


def _names(index: ProductIndex, ids: Sequence[str]) -> list[str]:
    nodes = index.nodes(list(ids)).tolist()
    return [name_in_table(index, node, product_id) for node, product_id in zip(nodes, ids, strict=True)]
