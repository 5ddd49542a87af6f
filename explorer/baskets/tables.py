"""The tables of the page Baskets and their column settings."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.evaluation.display_names import model_title
from explorer.baskets.recommendations import SHOWN, Recommendation
from explorer.search.product_index import ProductIndex
from explorer.shared.formatting import for_grid
from explorer.shared.product_names import name_in_table

HIT = "★"


def list_rows(index: ProductIndex, model_list: Recommendation, asked: np.ndarray) -> pd.DataFrame:
    """The first ten entries of a list: rank, hit, product, score and id."""
    shown = list(zip(model_list.nodes[:SHOWN].tolist(), model_list.ids[:SHOWN], strict=True))
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(shown) + 1),
            "hit": [HIT if hit else "" for hit in model_list.hits(asked).tolist()],
            "product": [name_in_table(index, node, product_id) for node, product_id in shown],
            "score": model_list.scores[:SHOWN],
            "id": [for_grid(product_id) for _, product_id in shown],
        }
    )


def list_columns(hit: str, score: str) -> dict[str, Any]:
    """Column settings for :func:`list_rows`; ``hit`` and ``score`` say what these columns mean."""
    column = st.column_config
    return {
        "rank": column.NumberColumn("#", width=28, help="Rank in the list"),
        "hit": column.TextColumn("Hit", width=34, alignment="center", help=hit),
        "product": column.TextColumn("Product", width=176),
        "score": column.NumberColumn("Score", format="%.3g", width=60, help=score),
        "id": column.TextColumn("Id", width=100),
    }


def basket_rows(
    index: ProductIndex, asked: np.ndarray, lists: Sequence[Recommendation], reasons: Sequence[str]
) -> pd.DataFrame:
    """The products that were asked for, the missed ones last: name, rank in each model's list, why missed, id."""
    ids = [str(index.product(node)["product_id"]) for node in asked.tolist()]
    columns: dict[str, Any] = {
        "product": [name_in_table(index, node, i) for node, i in zip(asked.tolist(), ids, strict=True)]
    }
    for model_list in lists:
        columns[model_list.model] = pd.array(model_list.ranks(asked), dtype="Int64")
    rows = pd.DataFrame(columns | {"missed": list(reasons), "id": [for_grid(i) for i in ids]})
    return rows.sort_values("missed", key=lambda missed: missed != "", kind="stable", ignore_index=True)


def basket_columns(lists: Sequence[Recommendation]) -> dict[str, Any]:
    """Column settings for :func:`basket_rows`."""
    column = st.column_config
    ranks = {
        model_list.model: column.NumberColumn(
            model_title(model_list.model), width=110, help="Place in this model's list"
        )
        for model_list in lists
    }
    return {
        "product": column.TextColumn("Product", width=300),
        **ranks,
        "missed": column.TextColumn("Why missed", width=240),
        "id": column.TextColumn("Id", width=100),
    }
