"""Pieces of pages that several pages share, and what is shown in place of something missing.

Belongs here: Streamlit calls that draw. Does not belong here: loading and computing.
"""

from collections.abc import Sequence

import altair as alt
import pandas as pd
import streamlit as st

from explorer import charts, data, evaluations, links
from explorer.charts import Figure
from explorer.freshness import command


def pick_category() -> data.CategoryEntry | None:
    """The sidebar's category picker; None if there is no category at all."""
    entries, problem = data.categories()
    if problem:
        st.sidebar.warning(problem, icon=":material/warning:")
    if not entries:
        st.info("There is no category: add one to categories.yaml.", icon=":material/category:")
        return None
    by_name = {entry.name: entry for entry in entries}
    wanted = links.read("category")
    if wanted is not None and wanted not in by_name:
        st.sidebar.warning("The address asks for a category that does not exist.", icon=":material/link_off:")
    if wanted not in by_name:
        wanted = next((e.name for e in entries if e.ready), entries[0].name)
    st.session_state["category choice"] = wanted

    def chosen() -> None:
        links.write("category", st.session_state["category choice"])
        links.write("product", None)
        links.write("why", None)
        links.write_all("basket", [])

    st.sidebar.selectbox(
        "Category",
        list(by_name),
        key="category choice",
        format_func=lambda name: by_name[name].title + ("" if by_name[name].ready else " (nothing yet)"),
        on_change=chosen,
    )
    return by_name[st.session_state["category choice"]]


def nothing(what: str, category: str) -> None:
    """Say that something is not materialized, and how to make it."""
    st.info(f"There are no {what} of this category yet. Materialize it, then come back:", icon=":material/inventory_2:")
    st.code(command(category), language="bash")


def figure(found: Figure | None, missing: str = "Nothing was measured.") -> None:
    """A chart with its description."""
    if found is None:
        st.caption(missing)
    else:
        chart: alt.Chart | alt.LayerChart = found.chart
        st.altair_chart(chart, alt=found.text)
        st.caption(found.text)


def evaluation_curves(category: str, curves: pd.DataFrame, models: Sequence[str], protocol: str, subset: str) -> None:
    """ROC and precision-recall curves of all models, then thresholds and scores of one."""
    if protocol not in set(curves["protocol"]):
        st.caption("Curves belong to link prediction; these are of the published protocol.")
        protocol = "published"
    part = curves[(curves["protocol"] == protocol) & (curves["subset"] == subset)]
    if part.empty:
        st.caption("There are no curves of these pairs.")
        return
    series = list(dict.fromkeys(part["model"] + " · " + part["scoring"]))
    shown = st.multiselect("Models and scorings", series, default=series, key="series", placeholder="Choose models")
    chosen = part[(part["model"] + " · " + part["scoring"]).isin(shown)]
    if chosen.empty:
        st.caption("Choose at least one model.")
        return
    left, right = st.columns(2)
    with left:
        figure(charts.roc(chosen, models))
    with right:
        figure(charts.precision_recall(chosen, models))

    one = st.selectbox("Thresholds and scores of", series, key="threshold series")
    model, scoring = str(one).split(" · ")
    left, right = st.columns(2)
    with left:
        figure(charts.by_threshold(part[(part["model"] == model) & (part["scoring"] == scoring)]))
    with right:
        scores = evaluations.scores(category, model)
        mine = None if scores is None else scores[(scores["protocol"] == protocol) & (scores["scoring"] == scoring)]
        figure(None if mine is None or mine.empty else charts.score_histogram(mine))
