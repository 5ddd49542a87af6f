"""Parts of the evaluation page: the curves, and one metric in all categories."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.evaluation.metrics import PUBLISHED, title
from explorer.evaluation import charts, curve_marks, readers
from explorer.shared.components import show_figure


def show_curves(category: str, curves: pd.DataFrame, models: Sequence[str], protocol: str, subset: str) -> None:
    """ROC and precision-recall curves of all models, then thresholds and scores of one."""
    if protocol not in set(curves["protocol"]):
        st.caption("Curves exist only for link prediction; these belong to the published protocol.")
        protocol = PUBLISHED
    part = curves[(curves["protocol"] == protocol) & (curves["subset"] == subset)]
    if part.empty:
        st.caption("There are no curves for these pairs.")
        return
    labels = part["model"] + " · " + part["scoring"]
    series = list(dict.fromkeys(labels))
    selected = st.multiselect(
        "Models and scorings",
        series,
        default=curve_marks.foremost_series(part),
        key="series",
        placeholder="Choose models",
    )
    chosen = part[labels.isin(selected)]
    if chosen.empty:
        st.caption("Choose at least one model.")
        return
    left, right = st.columns(2)
    with left:
        show_figure(charts.roc_chart(chosen, models))
    with right:
        show_figure(charts.precision_recall_chart(chosen, models))

    first = curve_marks.first_series_with_cliff(part, series)
    detailed = str(st.selectbox("Thresholds and scores of", series, index=first, key="threshold series"))
    model, scoring = detailed.split(" · ")
    left, right = st.columns(2)
    with left:
        show_figure(charts.threshold_chart(part[labels == detailed]))
    with right:
        scores = readers.read_score_histograms(category, model)
        if scores is not None:
            scores = scores[(scores["protocol"] == protocol) & (scores["scoring"] == scoring)]
        show_figure(None if scores is None or scores.empty else charts.score_chart(scores))


def show_across_categories(protocol: str, subset: str, names: Sequence[str]) -> None:
    """One metric of all models in all categories, as a chart and as a table."""
    metric = st.selectbox("Metric", names, key="across metric", format_func=title)
    values = readers.metric_across_categories(protocol, subset, str(metric))
    series = values["model"] + " · " + values["scoring"]
    show_figure(charts.category_chart(values.assign(series=series), str(metric)))
    with st.expander("As a table"):
        table = values.pivot_table("value", ["model", "scoring"], "category").reset_index()
        settings = {c: st.column_config.NumberColumn(format="%.4f") for c in table.columns[2:]}
        st.dataframe(
            table, column_config=settings, hide_index=True, placeholder="–", alt=f"{metric} by model and category"
        )
