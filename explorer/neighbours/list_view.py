"""The lists of the neighbours page: choices, lists side by side, the way on and the download."""

import pandas as pd
import pyarrow as pa
import streamlit as st

from core.models import MODELS
from core.untrusted.markdown import plain
from explorer.neighbours import actions, list_table, model_lists
from explorer.neighbours.known_pairs import HELD_OUT, TRAIN, Partners
from explorer.neighbours.model_lists import ModelList, Question
from explorer.shared import csv_export, product_names, store_reader
from explorer.shared.dagster_links import materialize_command
from explorer.shared.formatting import error_text
from explorer.shared.product_index import ProductIndex

_ROW_PIXELS = 35
_MOST_NAMED = 3
_MODELS_OWN = "Comparable within one model and view"
_FUSED = "Sum of 1 / (60 + rank) over the lists of the basket's products: near the top of several lists comes first"
_LENGTHS = [10, 20, 50]


def choose_lists(available: list[str]) -> tuple[list[str], str, str, int]:
    """Which models, for the product or the basket, which view, and how many neighbours."""
    options = list(dict.fromkeys([*available, *MODELS]))
    about = [f"**{plain(name)}**: {plain(MODELS[name].description)}" for name in options if name in MODELS]
    models = st.multiselect(
        "Models",
        options,
        default=model_lists.first_models(available),
        key="models",
        bind="query-params",
        help="  \n".join(about),
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        of = st.segmented_control(
            "Lists for",
            [actions.FOR_PRODUCT, actions.FOR_BASKET],
            default=actions.FOR_PRODUCT,
            required=True,
            key="of",
            bind="query-params",
        )
        view = st.segmented_control(
            "View",
            [*model_lists.VIEW_SCORINGS, model_lists.OWN_VIEW],
            default="complements",
            required=True,
            key="view",
            bind="query-params",
            help="**complements** go with the product: its center vector against other products' context vectors. "
            "**substitutes** are like it: center against center. Models without vectors have a score of their own.",
        )
        k = st.segmented_control("Length", _LENGTHS, default=10, required=True, key="length", bind="query-params")
    return models, of or actions.FOR_PRODUCT, view or "complements", int(k or 10)


def show_lists(index: ProductIndex, question: Question, shown: list[ModelList], known: Partners | None) -> None:
    """All lists, two in a row, then the legend, the way on and the download."""
    with_rows = [one for one in shown if one.rows.num_rows]
    for start in range(0, len(shown), 2):
        row = shown[start : start + 2]
        for column, one in zip(st.columns(len(row)), row, strict=True):
            with column:
                st.markdown(f"##### {plain(one.model)}")
                if one in with_rows:
                    _list(index, question, one, known, len(with_rows))
                else:
                    _instead_of_a_list(question, one, known)
    if not with_rows:
        if not question.basket:
            _who_else(question, [one.model for one in shown])
        return
    st.caption(list_table.MARKS_NOTE)
    _way_on(index, with_rows)
    _download(question, with_rows)


def _list(index: ProductIndex, question: Question, one: ModelList, known: Partners | None, n_lists: int) -> None:
    st.caption(plain(" · ".join(_summary(question, one, known, n_lists))))
    ids = one.rows["neighbour"].to_pylist()
    # What the list is about is part of the key: a click must never meet the rows of another list.
    key = f"{one.model} {one.scoring} {' '.join(question.sources)}"
    st.dataframe(
        pd.DataFrame(list_table.screen_columns(one.rows, index, one.nodes, n_lists)),
        column_config=list_table.list_columns(
            key, ids, actions.clicked_product, actions.clicked_why, _FUSED if question.basket else _MODELS_OWN
        ),
        hide_index=True,
        height=_ROW_PIXELS * (one.rows.num_rows + 1) + 3,
        key=f"list {key}",
        placeholder="",
        alt=f"Neighbours of {' and '.join(question.sources)} according to {one.model}",
    )


def _summary(question: Question, one: ModelList, known: Partners | None, n_lists: int) -> list[str]:
    wanted = model_lists.VIEW_SCORINGS.get(question.view, one.scoring)
    parts = [one.scoring if one.scoring == wanted else f"{one.scoring}, no {question.view} view"]
    if known is not None:
        marks = one.rows["pair"].to_pylist()
        parts.append(f"{marks.count(TRAIN)} known")
        parts.append(f"{marks.count(HELD_OUT)} of {len(known.held_out)} held-out")
    if n_lists > 1:
        in_all = one.rows["lists"].to_pylist().count(n_lists)
        parts.append(f"{in_all} in {'both' if n_lists == 2 else 'all'}")
    return parts


def _instead_of_a_list(question: Question, one: ModelList, known: Partners | None) -> None:
    if one.problem:
        st.error(f"The list cannot be read: {error_text(one.problem)}", icon=":material/error:")
    elif one.missing:
        st.info("It is not materialized in this category yet. To make it:", icon=":material/inventory_2:")
        st.code(materialize_command(question.category, f"+neighbours/{one.model}"), language="bash")
    else:
        st.info(_why_empty(question, known), icon=":material/block:")


def _why_empty(question: Question, known: Partners | None) -> str:
    if question.basket:
        return "None of the basket's products has a list in this model."
    if known is not None and not len(known.train):
        return "It has no list: the product has no pair in the training graph."
    return "It has no list for this product."


def _who_else(question: Question, asked: list[str]) -> None:
    available = store_reader.models_with("neighbours", question.category)
    others = model_lists.others_with_a_list([name for name in available if name not in asked], question)
    if others:
        more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
        st.caption(f"A list of it is in: {plain(', '.join(others[:_MOST_NAMED]))}{more}.")


def _way_on(index: ProductIndex, shown: list[ModelList]) -> None:
    """The same two steps as a click on a name or a "Why?", for those who use no mouse."""
    nodes: dict[str, int] = {}
    for one in shown:
        nodes |= dict(zip(one.rows["neighbour"].to_pylist(), one.nodes.tolist(), strict=True))

    def called(product_id: str) -> str:
        node = nodes.get(product_id, -1)
        return product_names.product_label(index, node) if node >= 0 else str(product_id)

    with st.container(horizontal=True, vertical_alignment="bottom"):
        for title, key, why in (
            ("Walk on to a neighbour (or click its name)", "walk on", False),
            ("Why this one?", "why choice", True),
        ):
            st.selectbox(
                title,
                list(nodes),
                index=None,
                key=key,
                format_func=called,
                on_change=actions.product_chosen,
                args=(key,),
                kwargs={"why": why},
                placeholder="Choose a neighbour",
            )


def _download(question: Question, shown: list[ModelList]) -> None:
    tables = []
    for one in shown:
        tables.append(
            csv_export.with_constants(
                one.rows,
                category=question.category,
                product=" ".join(question.sources),
                model=one.model,
                scoring=one.scoring,
            )
        )
    about = "basket" if question.basket else question.sources[0]
    st.download_button(
        "Download CSV",
        csv_export.to_csv(pa.concat_tables(tables)),
        file_name=f"neighbours-{question.category}-{about}.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
