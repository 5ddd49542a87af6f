"""Pieces of pages that several pages share, and what is shown in place of something missing."""

from collections.abc import Sequence

import altair as alt
import pandas as pd
import streamlit as st

from core.store.manifest import Manifest
from explorer import charts, data, display, evaluations, links
from explorer.charts import Figure
from explorer.dagster_links import asset_page, command, run_page
from explorer.texts import error_text, plain, size, when


def pick_category() -> data.CategoryEntry | None:
    """The sidebar's category picker; None if there is no category at all."""
    entries, problem = data.categories()
    if problem:
        st.sidebar.warning(error_text(problem), icon=":material/warning:")
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
    shown = st.multiselect(
        "Models and scorings", series, default=evaluations.foremost(part), key="series", placeholder="Choose models"
    )
    chosen = part[(part["model"] + " · " + part["scoring"]).isin(shown)]
    if chosen.empty:
        st.caption("Choose at least one model.")
        return
    left, right = st.columns(2)
    with left:
        figure(charts.roc(chosen, models))
    with right:
        figure(charts.precision_recall(chosen, models))

    names = part["model"] + " · " + part["scoring"]
    first = evaluations.first_with_cliff(part, series)
    one = str(st.selectbox("Thresholds and scores of", series, index=first, key="threshold series"))
    model, scoring = one.split(" · ")
    left, right = st.columns(2)
    with left:
        figure(charts.by_threshold(part[names == one]))
    with right:
        scores = evaluations.scores(category, model)
        mine = None if scores is None else scores[(scores["protocol"] == protocol) & (scores["scoring"] == scoring)]
        figure(None if mine is None or mine.empty else charts.score_histogram(mine))


def across_categories(protocol: str, subset: str, metrics: Sequence[str]) -> None:
    """One metric of all models in all categories, drawn and as a table."""
    metric = st.selectbox(
        "Metric", metrics, key="across metric", format_func=lambda name: display.METRIC_TITLES.get(name, name)
    )
    found = evaluations.across(protocol, subset, str(metric))
    series = found["model"] + " · " + found["scoring"]
    figure(charts.across(found.assign(series=series), str(metric)))
    with st.expander("As a table"):
        table = found.pivot_table("value", ["model", "scoring"], "category").reset_index()
        settings = {c: st.column_config.NumberColumn(format="%.4f") for c in table.columns[2:]}
        st.dataframe(
            table, column_config=settings, hide_index=True, placeholder="–", alt=f"{metric} by model and category"
        )


def provenance(manifests: Sequence[Manifest], category: str) -> None:
    """By which run, code and settings an asset was made, and where to look at it in the Dagster UI."""
    by_asset = {m.asset: m for m in manifests}
    found = by_asset[str(st.selectbox("Asset", list(by_asset), key="asset", bind="query-params"))]
    run_id, seconds = str(found.info.get("run_id") or ""), found.info.get("seconds")
    facts = [
        f"version {found.version}",
        f"materialized {when(found.created)}",
        f"code version {found.info.get('code_version') or 'unknown'}",
        f"{size(found.bytes)} in {len(found.fields)} {'field' if len(found.fields) == 1 else 'fields'}",
    ]
    if seconds is not None:
        facts.append(f"made in {seconds:,.1f} s")
    st.caption(plain(" · ".join(facts)))
    with st.container(horizontal=True):
        st.link_button("The asset in Dagster", asset_page(found.asset, category), icon=":material/open_in_new:")
        if run_id:
            st.link_button("The run in Dagster", run_page(run_id), icon=":material/open_in_new:", help=plain(run_id))
    config = found.info.get("config") or {}
    if config:
        st.markdown("Settings it was made with")
        st.json(config)
    else:
        st.caption("It has no settings.")


def open_in_neighbours(category: str, product_id: str, models: Sequence[str] = ()) -> None:
    """A link to a product's neighbours."""
    query = [("category", category), ("product", product_id), *(("models", name) for name in models)]
    st.page_link("app_pages/neighbours.py", label="Open in Neighbours", icon=":material/hub:", query_params=query)
