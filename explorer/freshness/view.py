"""The part of the freshness page that is about one asset."""

from collections.abc import Sequence

import streamlit as st

from core.store.manifest import Manifest
from core.untrusted.markdown import plain
from explorer.shared.dagster_links import asset_page, run_page
from explorer.shared.formatting import size, when


def show_provenance(manifests: Sequence[Manifest], category: str) -> None:
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
