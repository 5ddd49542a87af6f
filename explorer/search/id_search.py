"""A search box for ids, of orders or of customers."""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from explorer.shared.formatting import counted

_HITS = 50


def matching(ids: pa.Array, query: str, limit: int) -> tuple[list[str], int]:
    """The first ``limit`` ids that contain the query, whatever its case, and the number of all such ids."""
    if not query.strip():
        return ids.slice(0, limit).to_pylist(), len(ids)
    hits = pc.indices_nonzero(pc.match_substring(ids, query.strip(), ignore_case=True))
    return ids.take(hits.slice(0, limit)).to_pylist(), len(hits)


def search_ids(
    what: str,
    ids: pa.Array,
    first: str,
    on_chosen: Callable[[str], None],
    on_random: Callable[[pa.Array], None],
    label: Callable[[str], str] = str,
) -> None:
    """The search box, its hits, and a button for a random one.

    Args:
        what: what the ids stand for, in the singular; keys of the widgets begin with it.
        ids: string: all ids, those that are offered without a query first.
        first: heading of these, such as "The latest of 12 orders".
        on_chosen: called with the key of the list of hits when one is chosen; the session's state holds the id there.
        on_random: called with ``ids`` when the button is clicked.
        label: how an id is shown.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        query = st.text_input(f"Search by {what} id", key=f"{what} search", type="search", live="300ms")
        hits, total = matching(ids, query, _HITS)
        labels = {found: label(found) for found in hits}
        st.selectbox(
            f"{counted(total, what)} found" if query.strip() else first,
            hits,
            index=None,
            key=f"{what} hit",
            format_func=lambda found: labels.get(found, found),
            on_change=on_chosen,
            args=(f"{what} hit",),
            placeholder=f"Choose {'an' if what[0] in 'aeiou' else 'a'} {what}" if hits else "Nothing matches",
            disabled=not hits,
        )
        st.button(f"Random {what}", icon=":material/shuffle:", key=f"random {what}", on_click=on_random, args=(ids,))
