"""Parts of the evaluation page."""

from collections.abc import Callable, Sequence

import pandas as pd
import pyarrow as pa
import streamlit as st

from core.evaluation import number_text
from core.evaluation.display_names import (
    metric_note,
    metric_title,
    model_title,
    protocol_note,
    protocol_title,
    scoring_title,
    subset_note,
    subset_title,
)
from core.evaluation.metrics import ALL, DEGREE_MATCHED, PUBLISHED, SEEN
from core.evaluation.standings import main_metric, standings
from core.evaluation.verdict import FLOOR, Verdict, judge
from explorer.evaluation import charts, curve_marks, readers, tables
from explorer.evaluation.series import with_titles
from explorer.shared import query_params
from explorer.shared.components import show_figure, show_missing
from explorer.shared.formatting import when
from explorer.shared.leaderboard import read_previous_leaderboard


def show_verdict(verdict: Verdict) -> None:
    """Which model is best, and the degree-matched AUC beside it."""
    if verdict.matched_auc is None or verdict.protocol == DEGREE_MATCHED:
        st.container(border=True).markdown(verdict.sentence("**"))
        return
    with st.container(border=True):
        left, right = st.columns([4, 1], vertical_alignment="center")
        left.markdown(verdict.sentence("**"))
        right.metric(
            "Degree-matched AUC",
            number_text.score(verdict.matched_auc),
            help=f"{protocol_note(DEGREE_MATCHED)} {metric_note('roc_auc', DEGREE_MATCHED)}",
        )


def choose_question(board: pa.Table) -> tuple[str, str]:
    """Let people choose the protocol and the pairs; both stand in the address.

    Returns:
        protocol and subset.
    """
    protocol = _choice("Judged by", "protocol", readers.protocols_of(board), protocol_title, protocol_note)
    subsets = readers.measured_subsets(board, protocol)
    if len(subsets) == 1:
        return protocol, ALL
    return protocol, _choice("Pairs", "subset", subsets, subset_title, subset_note)


def _choice(label: str, name: str, options: list[str], title: Callable[[str], str], note: Callable[[str], str]) -> str:
    """A choice of one thing that has a name for people and another one in the address."""
    wanted = query_params.get_value(name)
    current: str = wanted if wanted is not None and wanted in options else options[0]
    st.session_state[name] = current

    def changed() -> None:
        query_params.set_value(name, st.session_state[name] or current)

    st.segmented_control(
        label,
        options,
        format_func=title,
        required=True,
        key=name,
        on_change=changed,
        help="  \n".join(f"**{title(option)}**: {note(option)}" for option in options),
    )
    return current


def show_leaderboard(board: pa.Table, protocol: str, subset: str) -> pd.DataFrame:
    """One row per model with the best of each column marked, the other lists folded, and the intervals.

    Returns:
        the rows, which are empty if the protocol was not measured.
    """
    rows = tables.leaderboard_rows(board, protocol, subset)
    if len(rows.columns) < 3 or rows.empty:
        st.info(f"This category was not measured by “{protocol_title(protocol)}”.", icon=":material/block:")
        return rows.iloc[:0]
    metric = rows.columns[2]
    baseline = _choose_baseline(rows["model"].tolist())
    _show_rows(rows, protocol, subset, baseline)
    every = tables.leaderboard_rows(board, protocol, subset, every_list=True)
    if len(every) > len(rows):
        with st.expander(f"All lists ({len(every)}): a model with vectors also lists similar products"):
            _show_rows(every, protocol, subset, None)
    if protocol == PUBLISHED:
        st.caption(tables.ARTICLE_NOTE)
    show_figure(charts.interval_chart(standings(board, protocol, metric, subset), protocol, metric))
    return rows


def _choose_baseline(models: list[str]) -> str | None:
    if len(models) < 2:
        return None
    first = FLOOR if FLOOR in models else models[-1]
    if st.session_state.get("baseline") not in models:
        st.session_state["baseline"] = first
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("Compare with", width="content")
        return st.selectbox(
            "Compare with", models, key="baseline", format_func=model_title, width=280, label_visibility="collapsed"
        )


def _show_rows(rows: pd.DataFrame, protocol: str, subset: str, baseline: str | None) -> None:
    shown = tables.with_differences(rows, baseline)
    # A column that says the same of every model only takes room.
    questions = set(map(scoring_title, shown["scoring"]))
    st.dataframe(
        tables.styled(shown, protocol),
        column_order=[name for name in shown.columns if name != "scoring" or len(questions) > 1],
        column_config=tables.leaderboard_columns(shown, protocol, baseline),
        hide_index=True,
        placeholder=number_text.MISSING,
        height="content",
        alt=f"Leaderboard: {protocol_title(protocol)}, {subset_title(subset).lower()}",
    )


def show_curves(category: str, models: Sequence[str], protocol: str, subset: str) -> None:
    """ROC and precision-recall curves of all models, then thresholds and scores of one."""
    curves = readers.read_curves(category)
    if curves is None:
        show_missing("curves", category)
        return
    if protocol not in set(curves["protocol"]):
        protocol = DEGREE_MATCHED if DEGREE_MATCHED in set(curves["protocol"]) else PUBLISHED
        subset = ALL
        st.caption(f"Lists have no curves; these belong to “{protocol_title(protocol)}”. {protocol_note(protocol)}")
    part = with_titles(curves[(curves["protocol"] == protocol) & (curves["subset"] == subset)])
    if part.empty:
        st.caption("There are no curves for these pairs.")
        return
    series = list(dict.fromkeys(part["series"]))
    selected = st.multiselect(
        "Models",
        series,
        default=curve_marks.foremost_series(part),
        key="series",
        placeholder="Choose models",
    )
    floor = part.loc[part["model"] == FLOOR, "series"].unique().tolist()
    chosen = part[part["series"].isin([*selected, *floor])]
    if not selected:
        st.caption("Choose at least one model.")
        return
    left, right = st.columns(2)
    with left:
        show_figure(charts.roc_chart(chosen, models))
    with right:
        show_figure(charts.precision_recall_chart(chosen, models))

    first = curve_marks.first_series_with_cliff(part, series)
    detailed = st.selectbox("Thresholds and scores of", series, index=series.index(first), key="threshold series")
    one = part[part["series"] == detailed]
    model, scoring = one["model"].iloc[0], one["scoring"].iloc[0]
    left, right = st.columns(2)
    with left:
        show_figure(charts.threshold_chart(one))
    with right:
        scores = readers.read_score_histograms(category, model)
        if scores is not None:
            scores = scores[(scores["protocol"] == protocol) & (scores["scoring"] == scoring)]
        show_figure(None if scores is None or scores.empty else charts.score_chart(scores))


def show_learning(category: str, models: Sequence[str], board: pa.Table) -> None:
    """How the models that learn in steps became better."""
    learning = readers.read_learning_curves(category)
    if learning.empty:
        st.caption("None of the models learns in steps.")
        return
    over = st.segmented_control(
        "Over", list(charts.OVER), default="examples", required=True, key="over", format_func=charts.over_title
    )
    easy = {s.model: s.value for s in standings(board, PUBLISHED, subset=SEEN)}
    for column, measure in zip(st.columns(2), ("roc_auc", "loss"), strict=True):
        with column:
            show_figure(
                charts.learning_chart(learning, models, measure, over or "examples", easy.get(FLOOR)),
                "It was not measured during training.",
            )
    with st.expander("Learning rate"):
        show_figure(charts.learning_chart(learning, models, "learning_rate", over or "examples"))


def show_cost(category: str, models: Sequence[str], rows: pd.DataFrame, protocol: str) -> None:
    """What every model costs, and what it gives for that."""
    costs = tables.training_rows(readers.read_training_facts(category)).dropna(axis="columns", how="all")
    if costs.empty:
        show_missing("trained models", category)
        return
    st.dataframe(
        tables.styled_costs(costs),
        column_config=tables.training_columns(),
        hide_index=True,
        placeholder=number_text.MISSING,
        height="content",
        alt="Cost by model: time, throughput and memory",
    )
    if not rows.empty and "training" in costs:
        show_figure(charts.cost_chart(tables.cost_rows(costs, rows), models, rows.columns[2], protocol))


def show_categories(protocol: str, subset: str) -> None:
    """The verdict on every category, and one metric of all models in all of them."""
    boards = readers.boards_of_all_categories()
    for title, board in boards.items():
        st.markdown(f"**{title}**: {judge(board).sentence()}")
    metric = main_metric(protocol)
    values = readers.standings_in_all(boards, protocol, metric, subset)
    show_figure(charts.category_chart(values, protocol, metric))
    if values.empty:
        return
    with st.expander("As a table"):
        titled = values.assign(model=values["model"].map(model_title))
        table = titled.pivot_table("value", "model", "category", sort=False).reset_index()
        style = table.style.format(charts.writer(metric, protocol), subset=[*table.columns[1:]])
        st.dataframe(
            style,
            column_config={"model": st.column_config.TextColumn("Model", pinned=True, width=tables.NAME)},
            hide_index=True,
            placeholder=number_text.MISSING,
            alt=f"{metric_title(metric, protocol)} by model and category",
        )


def show_changes(category: str, board: pa.Table, protocol: str, subset: str) -> None:
    """The metrics now and before the last rebuild."""
    previous = read_previous_leaderboard(category)
    if previous is None:
        st.caption(
            "There is nothing to compare with yet: the numbers of the previous build are kept from the next rebuild of "
            "this category on."
        )
        return
    before, created = previous
    st.markdown(f"Before (made {when(created)}): {judge(before).sentence()}  \nNow: {judge(board).sentence()}")
    rows = tables.change_rows(board, before, protocol, subset)
    if rows.empty or (rows["then"] == rows["now"]).all():
        st.caption(f"No number of “{protocol_title(protocol)}” has changed.")
        return
    moved = int(rows["moved"].sum())
    st.caption(
        f"{len(rows[rows['then'] != rows['now']])} of {len(rows)} numbers have changed, {moved} of them beyond the "
        "interval of before."
    )
    st.dataframe(
        rows,
        column_config=tables.change_columns(),
        hide_index=True,
        height="auto",
        alt=f"Metrics before and after the last rebuild: {protocol_title(protocol)}",
    )
