"""The lists of the neighbours page: choices, lists side by side and the download."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

import pyarrow as pa
import streamlit as st

from core.models import MODELS
from core.untrusted.markdown import plain
from explorer.neighbours import actions, list_table, model_lists
from explorer.neighbours.model_lists import ModelList, Question
from explorer.search.product_index import ProductIndex
from explorer.shared import components, csv_export, query_params, store_reader
from explorer.shared.dagster_links import materialize_command
from explorer.shared.formatting import counted, error_text
from explorer.shared.known_pairs import HELD_OUT, TRAIN, Partners
from explorer.shared.scorings import GOES_WITH, QUESTIONS

_MAX_NAMED = 3
_SCORE_HELP = "Score; comparable within one list"
_FUSED_SCORE_HELP = (
    "Sum of 1 / (60 + rank) over the lists of the basket's products; the top of several lists comes first"
)
_LENGTHS = [10, 20, 50]
_HERE = Path(__file__).parent
# Streamlit's tables draw on a canvas: one line per row, cut where the column ends, and closed to screen readers.
_rows = st.components.v2.component(
    "alsobought_list",
    html="<ol></ol>",
    css=(_HERE / "list_rows.css").read_text(),
    js=(_HERE / "list_rows.js").read_text(),
)


def choose_question(first: Mapping[str, Sequence[str]]) -> str:
    """The widget that chooses what is asked; ``first`` holds the models shown first for each question."""
    asked = query_params.get_value("view") or ""
    by_view = {view: question for question, view in actions.VIEWS.items()} | actions.OLD_VIEWS
    question = by_view.get(asked, GOES_WITH)
    st.session_state["question choice"] = question
    st.segmented_control(
        "Question",
        QUESTIONS,
        required=True,
        key="question choice",
        label_visibility="collapsed",
        on_change=actions.question_chosen,
        args=(first, question),
    )
    return question


def choose_newness() -> bool:
    """The switch between all neighbours and those that are no known pair; returns whether only those are shown."""
    chosen = actions.ALL if query_params.get_value("pairs") == "all" else actions.NEW_ONLY
    st.session_state["pairs choice"] = chosen
    st.segmented_control(
        "Pairs",
        [actions.ALL, actions.NEW_ONLY],
        required=True,
        key="pairs choice",
        format_func=lambda choice: f"{choice} (as evaluated)" if choice == actions.NEW_ONLY else choice,
        label_visibility="collapsed",
        on_change=actions.newness_chosen,
    )
    return chosen == actions.NEW_ONLY


def choose_length() -> int:
    """The widget that chooses how long the lists are."""
    length = st.segmented_control(
        "Length", _LENGTHS, default=_LENGTHS[0], required=True, key="length", bind="query-params",
        label_visibility="collapsed", format_func=str,
    )  # fmt: skip
    return int(length or _LENGTHS[0])


def choose_subject(basket: Sequence[str]) -> str:
    """The widget that chooses whether the lists are for the product or for the basket; shown if there is a choice."""
    if not basket and st.session_state.get("of") != actions.FOR_BASKET and "of" not in st.query_params:
        return actions.FOR_PRODUCT
    of = st.segmented_control(
        "Lists for",
        [actions.FOR_PRODUCT, actions.FOR_BASKET],
        default=actions.FOR_PRODUCT,
        required=True,
        key="of",
        bind="query-params",
        label_visibility="collapsed",
    )
    return of or actions.FOR_PRODUCT


def choose_models(available: Sequence[str], first: Sequence[str]) -> list[str]:
    """The widget that chooses the models; ``first`` are shown until somebody chooses."""
    options = list(dict.fromkeys([*available, *MODELS]))
    descriptions = [f"**{plain(name)}**: {plain(MODELS[name].description)}" for name in options if name in MODELS]
    return st.multiselect(
        "Models",
        options,
        default=list(first),
        key="models",
        bind="query-params",
        placeholder="Choose models",
        help="  \n".join(descriptions),
    )


def show_lists(index: ProductIndex, question: Question, shown: list[ModelList], known: Partners | None) -> None:
    """All lists, two in a row, then the download."""
    with_rows = [model_list for model_list in shown if model_list.rows.num_rows]
    for start in range(0, len(shown), 2):
        row = shown[start : start + 2]
        for column, model_list in zip(st.columns(len(row)), row, strict=True):
            with column, st.container(gap="xxsmall"):
                if model_list.rows.num_rows:
                    _list(index, question, model_list, known, len(with_rows))
                else:
                    st.subheader(plain(model_list.model), anchor=False)
                    _instead_of_a_list(question, model_list, known)
    if not with_rows:
        if not question.basket:
            _models_with_a_list(question, [model_list.model for model_list in shown])
        return
    _download(question, with_rows)


def _list(index: ProductIndex, question: Question, model_list: ModelList, known: Partners | None, n_lists: int) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.subheader(plain(model_list.model), anchor=False, width="content")
        st.caption(plain(" · ".join(_summary(question, model_list, known, n_lists))), width="content")

    def address(product_id: str) -> str:
        parts = [("category", question.category), ("product", product_id), ("models", model_list.model)]
        return "?" + urlencode([*parts, ("view", actions.VIEWS[question.asks])])

    # The key says what the list is about, so that a click never applies to another list.
    key = f"list {model_list.model} {model_list.scoring} {' '.join(question.sources)}"
    _rows(
        key=key,
        data={
            "label": f"{question.asks}: {model_list.model}",
            "rows": list_table.screen_rows(model_list.rows, index, model_list.nodes, n_lists, address),
            "score_help": _FUSED_SCORE_HELP if question.basket else _SCORE_HELP,
        },
        on_opened_change=lambda: actions.opened(key),
        on_asked_change=lambda: actions.asked(key),
    )


def _summary(question: Question, model_list: ModelList, known: Partners | None, n_lists: int) -> list[str]:
    parts = []
    if known is None:
        parts.append("known pairs cannot be told apart")
    else:
        marks = model_list.rows["pair"].to_pylist()
        if len(known.held_out):
            parts.append(f"{marks.count(HELD_OUT)} of {counted(len(known.held_out), 'held-out partner')}")
        if not question.new_only:
            parts.append(counted(marks.count(TRAIN), "known pair"))
        elif model_list.left_out:
            parts.append(f"{counted(model_list.left_out, 'known pair')} left out")
    if n_lists > 1:
        in_all = model_list.rows["lists"].to_pylist().count(n_lists)
        parts.append(f"{in_all} in {'both' if n_lists == 2 else 'all'}")
    return parts


def _instead_of_a_list(question: Question, model_list: ModelList, known: Partners | None) -> None:
    if model_list.problem:
        st.error(f"The list cannot be read: {error_text(model_list.problem)}", icon=":material/error:")
    elif model_list.missing:
        st.info("It is not materialized for this category yet. Materialize it with:", icon=":material/inventory_2:")
        components.show_command(materialize_command(question.category, f"+neighbours/{model_list.model}"))
    elif model_list.answers:
        st.info(f"This model only answers *{model_list.answers[0]}*.", icon=":material/block:")
    else:
        st.info(_why_empty(question, model_list, known), icon=":material/block:")


def _why_empty(question: Question, model_list: ModelList, known: Partners | None) -> str:
    if model_list.left_out:
        listed = counted(model_list.left_out, "product")
        return f"Its list has {listed}, all of them known pairs. Choose *{actions.ALL}* to see them."
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
