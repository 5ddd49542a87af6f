"""The part of the freshness page about a single asset."""

from collections.abc import Sequence

import streamlit as st

from core.store.manifest import Manifest
from core.untrusted.markdown import plain
from explorer.shared.dagster_links import asset_page, run_page
from explorer.shared.formatting import size, when


def show_provenance(manifests: Sequence[Manifest], category: str) -> None:
    """The run, code and settings that an asset was made with, and links to its pages in the Dagster UI."""
    by_asset = {m.asset: m for m in manifests}
    manifest = by_asset[str(st.selectbox("Asset", list(by_asset), key="asset", bind="query-params"))]
    run_id, seconds = str(manifest.info.get("run_id") or ""), manifest.info.get("seconds")
    facts = [
        f"version {manifest.version}",
        f"materialized {when(manifest.created)}",
        f"code version {manifest.info.get('code_version') or 'unknown'}",
        f"{size(manifest.bytes)} in {len(manifest.fields)} {'field' if len(manifest.fields) == 1 else 'fields'}",
    ]
    if seconds is not None:
        facts.append(f"made in {seconds:,.1f} s")
    st.caption(plain(" · ".join(facts)))
    with st.container(horizontal=True):
        st.link_button("The asset in Dagster", asset_page(manifest.asset, category), icon=":material/open_in_new:")
        if run_id:
            st.link_button("The run in Dagster", run_page(run_id), icon=":material/open_in_new:", help=plain(run_id))
    config = manifest.info.get("config") or {}
    if config:
        st.markdown("Settings used")
        st.json(config)
    else:
        st.caption("It has no settings.")
