"""The parts of the evaluation page: curves, and one metric in all categories."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from explorer.evaluation import charts, curve_marks, readers
from explorer.shared import metric_titles
from explorer.shared.components import show_figure


def show_curves(category: str, curves: pd.DataFrame, models: Sequence[str], protocol: str, subset: str) -> None:
    """ROC and precision-recall curves of all models, then thresholds and scores of one."""
    if protocol not in set(curves["protocol"]):
        st.caption("Curves belong to link prediction; these are of the published protocol.")
        protocol = "published"
    part = curves[(curves["protocol"] == protocol) & (curves["subset"] == subset)]
    if part.empty:
        st.caption("There are no curves of these pairs.")
        return
    series = list(dict.fromkeys(part["model"] + " · " + part["scoring"]))
    shown = st.multiselect(
        "Models and scorings",
        series,
        default=curve_marks.foremost_series(part),
        key="series",
        placeholder="Choose models",
    )
    chosen = part[(part["model"] + " · " + part["scoring"]).isin(shown)]
    if chosen.empty:
        st.caption("Choose at least one model.")
        return
    left, right = st.columns(2)
    with left:
        show_figure(charts.roc_chart(chosen, models))
    with right:
        show_figure(charts.precision_recall_chart(chosen, models))

    names = part["model"] + " · " + part["scoring"]
    first = curve_marks.first_series_with_cliff(part, series)
    one = str(st.selectbox("Thresholds and scores of", series, index=first, key="threshold series"))
    model, scoring = one.split(" · ")
    left, right = st.columns(2)
    with left:
        show_figure(charts.threshold_chart(part[names == one]))
    with right:
        scores = readers.read_score_histograms(category, model)
        mine = None if scores is None else scores[(scores["protocol"] == protocol) & (scores["scoring"] == scoring)]
        show_figure(None if mine is None or mine.empty else charts.score_chart(mine))


def show_across_categories(protocol: str, subset: str, metrics: Sequence[str]) -> None:
    """One metric of all models in all categories, drawn and as a table."""
    metric = st.selectbox(
        "Metric", metrics, key="across metric", format_func=lambda name: metric_titles.METRIC_TITLES.get(name, name)
    )
    found = readers.metric_across_categories(protocol, subset, str(metric))
    series = found["model"] + " · " + found["scoring"]
    show_figure(charts.category_chart(found.assign(series=series), str(metric)))
    with st.expander("As a table"):
        table = found.pivot_table("value", ["model", "scoring"], "category").reset_index()
        settings = {c: st.column_config.NumberColumn(format="%.4f") for c in table.columns[2:]}
        st.dataframe(
            table, column_config=settings, hide_index=True, placeholder="–", alt=f"{metric} by model and category"
        )
