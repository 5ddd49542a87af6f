"""The lists of the neighbours page: choices, lists side by side, next steps and the download."""

import pandas as pd
import pyarrow as pa
import streamlit as st

from core.models import MODELS
from core.untrusted.markdown import plain
from explorer.neighbours import actions, list_table, model_lists
from explorer.neighbours.model_lists import ModelList, Question
from explorer.shared import csv_export, product_names, store_reader
from explorer.shared.dagster_links import materialize_command
from explorer.shared.formatting import error_text
from explorer.shared.known_pairs import HELD_OUT, TRAIN, Partners
from explorer.shared.product_index import ProductIndex

_ROW_PIXELS = 35
_MAX_NAMED = 3
_SCORE_HELP = "Comparable within one model and view"
_FUSED_SCORE_HELP = (
    "Sum of 1 / (60 + rank) over the lists of the basket's products; the top of several lists comes first"
)
_LENGTHS = [10, 20, 50]


def choose_lists(available: list[str]) -> tuple[list[str], str, str, int]:
    """Widgets that choose the lists: models, what the lists are for (product or basket), view and length."""
    options = list(dict.fromkeys([*available, *MODELS]))
    descriptions = [f"**{plain(name)}**: {plain(MODELS[name].description)}" for name in options if name in MODELS]
    models = st.multiselect(
        "Models",
        options,
        default=model_lists.first_models(available),
        key="models",
        bind="query-params",
        help="  \n".join(descriptions),
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
            help="**complements** go with the product: its center vector against the context vectors of others. "
            "**substitutes** are like it: center against center. Models without vectors have their own score.",
        )
        k = st.segmented_control("Length", _LENGTHS, default=10, required=True, key="length", bind="query-params")
    return models, of or actions.FOR_PRODUCT, view or "complements", int(k or 10)


def show_lists(index: ProductIndex, question: Question, shown: list[ModelList], known: Partners | None) -> None:
    """All lists, two in a row, then the legend, the next steps and the download."""
    with_rows = [model_list for model_list in shown if model_list.rows.num_rows]
    for start in range(0, len(shown), 2):
        row = shown[start : start + 2]
        for column, model_list in zip(st.columns(len(row)), row, strict=True):
            with column, st.container(gap="xsmall"):
                st.markdown(f"##### {plain(model_list.model)}")
                if model_list.rows.num_rows:
                    _list(index, question, model_list, known, len(with_rows))
                else:
                    _instead_of_a_list(question, model_list, known)
    if not with_rows:
        if not question.basket:
            _models_with_a_list(question, [model_list.model for model_list in shown])
        return
    st.caption(list_table.MARKS_NOTE)
    _next_steps(index, with_rows)
    _download(question, with_rows)


def _list(index: ProductIndex, question: Question, model_list: ModelList, known: Partners | None, n_lists: int) -> None:
    st.caption(plain(" · ".join(_summary(question, model_list, known, n_lists))))
    ids = model_list.rows["neighbour"].to_pylist()
    # The key says what the list is about, so that a click never applies to the rows of another list.
    key = f"{model_list.model} {model_list.scoring} {' '.join(question.sources)}"
    st.dataframe(
        pd.DataFrame(list_table.screen_columns(model_list.rows, index, model_list.nodes, n_lists)),
        column_config=list_table.list_columns(
            key,
            ids,
            actions.clicked_product,
            actions.clicked_why,
            _FUSED_SCORE_HELP if question.basket else _SCORE_HELP,
        ),
        hide_index=True,
        height=_ROW_PIXELS * (model_list.rows.num_rows + 1) + 3,
        key=f"list {key}",
        placeholder="",
        alt=f"Neighbours of {' and '.join(question.sources)} according to {model_list.model}",
    )


def _summary(question: Question, model_list: ModelList, known: Partners | None, n_lists: int) -> list[str]:
    wanted = model_lists.VIEW_SCORINGS.get(question.view, model_list.scoring)
    parts = [model_list.scoring if model_list.scoring == wanted else f"{model_list.scoring}, no {question.view} view"]
    if known is not None:
        marks = model_list.rows["pair"].to_pylist()
        parts.append(f"{marks.count(TRAIN)} known")
        parts.append(f"{marks.count(HELD_OUT)} of {len(known.held_out)} held-out")
    if n_lists > 1:
        in_all = model_list.rows["lists"].to_pylist().count(n_lists)
        parts.append(f"{in_all} in {'both' if n_lists == 2 else 'all'}")
    return parts


def _instead_of_a_list(question: Question, model_list: ModelList, known: Partners | None) -> None:
    if model_list.problem:
        st.error(f"The list cannot be read: {error_text(model_list.problem)}", icon=":material/error:")
    elif model_list.missing:
        st.info("It is not materialized for this category yet. Materialize it with:", icon=":material/inventory_2:")
        st.code(materialize_command(question.category, f"+neighbours/{model_list.model}"), language="bash")
    else:
        st.info(_why_empty(question, known), icon=":material/block:")


def _why_empty(question: Question, known: Partners | None) -> str:
    if question.basket:
        return "This model has no list for any product of the basket."
    if known is not None and not len(known.train):
        return "It has no list, because the product has no pair in the training graph."
    return "It has no list for this product."


def _models_with_a_list(question: Question, asked: list[str]) -> None:
    available = store_reader.models_with("neighbours", question.category)
    others = model_lists.others_with_a_list([name for name in available if name not in asked], question)
    if others:
        more = f" and {len(others) - _MAX_NAMED} more" if len(others) > _MAX_NAMED else ""
        st.caption(f"Models with a list for it: {plain(', '.join(others[:_MAX_NAMED]))}{more}.")


def _next_steps(index: ProductIndex, shown: list[ModelList]) -> None:
    """The same two steps as a click on a name or a "Why", for people who do not use a mouse."""
    nodes: dict[str, int] = {}
    for model_list in shown:
        nodes |= dict(zip(model_list.rows["neighbour"].to_pylist(), model_list.nodes.tolist(), strict=True))

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
    for model_list in shown:
        tables.append(
            csv_export.with_constants(
                model_list.rows,
                category=question.category,
                product=" ".join(question.sources),
                model=model_list.model,
                scoring=model_list.scoring,
            )
        )
    subject = "basket" if question.basket else question.sources[0]
    st.download_button(
        "Download CSV",
        csv_export.to_csv(pa.concat_tables(tables)),
        file_name=f"neighbours-{question.category}-{subject}.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
