"""The parts of the neighbours page: search, product card, lists side by side.

Belongs here: Streamlit calls about products. Does not belong here: loading and computing. Text from data reaches the
page only through plain-text elements or ``texts.plain``.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import streamlit as st

from core.models import MODELS
from core.models.base import CENTER_CENTER, CENTER_CONTEXT, NATIVE
from explorer import data, display, links
from explorer.neighbours import share_in_common
from explorer.relations import HELD_OUT, TRAIN, Known, Relations
from explorer.search import ProductIndex
from explorer.texts import plain, shorten

SCORINGS = {"goes with": CENTER_CONTEXT, "is like": CENTER_CENTER}
"""View → scoring. A model that does not score that way is shown by its own default."""
OWN_VIEW = "model's own"

_HITS = 50
_LABEL = 100
_HEADING = 160
_ROW_PIXELS = 35

_SHOWN_FIRST = ("skipgram", "rp3beta", "gensim_word2vec")
"""The two models side by side until somebody chooses: learned vectors beside the strongest plain walk."""


def search(index: ProductIndex) -> None:
    """The search box and its hits; choosing one opens it."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        query = st.text_input(
            "Search by title, brand or id",
            key="search",
            type="search",
            live="300ms",
            placeholder="Search products",
            persist_state="session",
        )
        hits = index.find(query, _HITS)
        labels = {str(index.product(node)["product_id"]): label(index, node) for node in hits.nodes.tolist()}
        what = (
            f"{_count(hits.total, 'product')} found"
            if query.strip()
            else f"The most popular of {hits.total:,} products"
        )

        def opened() -> None:
            if st.session_state["hit"] is not None:
                links.write("product", st.session_state["hit"])
                st.session_state["hit"] = None

        st.selectbox(
            what,
            list(labels),
            index=None,
            key="hit",
            format_func=lambda product_id: labels.get(product_id, product_id),
            on_change=opened,
            placeholder="Nothing matches" if not labels else "Choose a product",
            disabled=not labels,
        )
    if hits.total > len(labels) and query.strip():
        st.caption(f"The best {len(labels)} are listed; add a word to narrow it down.")


def label(index: ProductIndex, node: int) -> str:
    """One line that tells a product from others: title, brand, id and how many pairs it has."""
    product = index.product(node)
    parts = [shorten(str(product["title"] or ""), _LABEL), shorten(str(product["brand"] or ""), 40)]
    parts += [str(product["product_id"]), _count(int(index.popularity[node]), "pair")]
    return " · ".join(part for part in parts if part)


def _name(product: dict[str, Any]) -> str:
    """The title, or what else tells the product from others."""
    title = str(product["title"] or "").strip()
    return title or " · ".join(str(part) for part in (product["brand"], product["product_id"]) if part)


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def card(product: dict[str, Any], known: Known | None, pairs: int) -> None:
    """What is known about the product itself."""
    title = str(product["title"] or "")
    path = " › ".join(str(part) for part in product["categories"] or [] if part)
    with st.container(border=True):
        st.subheader(plain(shorten(_name(product), _HEADING)), anchor=False)
        if path:
            st.caption(plain(shorten(path, 200)))
        with st.container(horizontal=True):
            for text, icon, color, help_text in _badges(product, known):
                st.badge(text, icon=icon, color=color, help=help_text)
        facts = [
            ("Id", str(product["product_id"])),
            ("Brand", shorten(str(product["brand"] or "–"), 80)),
            ("Price", "–" if product["price"] is None else f"{product['price']:,.2f}"),
            ("Sales rank", "–" if product["sales_rank"] is None else f"{product['sales_rank']:,}"),
            ("Pairs", f"{pairs:,}"),
            ("In training", "–" if known is None else f"{len(known.train):,}"),
            ("Held out", "–" if known is None else f"{len(known.held_out):,}"),
        ]
        with st.container(horizontal=True, gap="large"):
            for name, value in facts:
                with st.container(width="content", gap=None):
                    st.caption(name)
                    st.text(value)
        if len(title) > _HEADING:
            with st.expander("The whole title"):
                st.text(title)


def _badges(product: dict[str, Any], known: Known | None) -> list[tuple[str, str, Any, str]]:
    badges: list[tuple[str, str, Any, str]] = []
    if not product["has_metadata"]:
        badges.append(("Only listed by others", ":material/link:", "gray", "It has no line of its own in the source."))
    if known is None:
        badges.append(("Split unknown", ":material/sync:", "gray", "Split and graph are missing or being rebuilt."))
    elif known.cold:
        badges.append(
            ("Held out cold", ":material/ac_unit:", "blue", "All its pairs were hidden: no model saw it in training.")
        )
    elif len(known.train):
        badges.append(("Seen in training", ":material/check:", "green", "Models could learn from its pairs."))
    else:
        badges.append(
            ("Not seen in training", ":material/visibility_off:", "orange", "It has no pair in the training graph.")
        )
    return badges


def choices(available: list[str]) -> tuple[list[str], str, int]:
    """Which of the available models, which view and how many neighbours."""
    default = [name for name in _SHOWN_FIRST if name in available][:2] or available[:2]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        models = st.multiselect(
            "Models",
            available,
            default=default,
            key="models",
            bind="query-params",
            help="; ".join(f"**{name}**: {plain(MODELS[name].description)}" for name in available if name in MODELS),
        )
        view = st.segmented_control(
            "View",
            [*SCORINGS, OWN_VIEW],
            default="goes with",
            required=True,
            key="view",
            bind="query-params",
            help="**goes with** compares a product's center vector with other products' context vectors (complements), "
            "**is like** compares center vectors (substitutes). Models without vectors have a score of their own.",
        )
        k = st.segmented_control("Length", [10, 20, 50], default=10, required=True, key="length", bind="query-params")
    return models, view or "goes with", int(k or 10)


def scoring_of(model: str, view: str, offered: list[str]) -> str:
    """The scoring that shows ``view`` of a model; its default where it does not score that way."""
    wanted = SCORINGS.get(view, "")
    if wanted in offered:
        return wanted
    preferred = MODELS[model].scorings if model in MODELS else ()
    return next((scoring for scoring in (*preferred, *offered) if scoring in offered), NATIVE)


def lists(
    index: ProductIndex,
    pairs: Relations | None,
    product: dict[str, Any],
    node: int,
    category: str,
    models: list[str],
    view: str,
    k: int,
) -> None:
    """The neighbours of one product according to several models, side by side, and the way on."""
    product_id = str(product["product_id"])
    known = pairs.of(node) if pairs else None
    shown: dict[str, tuple[str, pa.Table, np.ndarray]] = {}
    for model in models:
        file = data.neighbour_file(model, category)
        if file is None:
            continue
        scoring = scoring_of(model, view, list(data.info(f"neighbours/{model}", category)))
        found = file.lookup(product_id, scoring, k)
        nodes = index.nodes(found["neighbour"].to_pylist())
        marks = known.marks(nodes) if known else [""] * len(nodes)
        shown[model] = scoring, display.neighbour_rows(index, found, nodes, marks), nodes
    common = share_in_common([nodes for _, _, nodes in shown.values()])

    for start in range(0, len(shown), 2):
        row = list(shown)[start : start + 2]
        for column, model in zip(st.columns(len(row)), row, strict=True):
            scoring, rows, _ = shown[model]
            with column:
                _one_list(model, scoring, rows, product_id, known, common[list(shown).index(model)], len(shown))
    rows = [
        display.with_constants(rows, category=category, product=product_id, model=model, scoring=scoring)
        for model, (scoring, rows, _) in shown.items()
    ]
    everything = pa.concat_tables(rows)
    if everything.num_rows:
        st.caption(display.MARKS_NOTE)
        _walk_on(index, everything, f"neighbours-{category}-{product_id}.csv")


def _one_list(
    model: str, scoring: str, rows: pa.Table, product_id: str, known: Known | None, common: int, n_models: int
) -> None:
    st.markdown(f"##### {plain(model)}")
    if not rows.num_rows:
        st.info(_why_empty(model, known), icon=":material/block:")
        return
    marks = rows["mark"].to_pylist()
    summary = [scoring]
    if known is not None:
        summary.append(f"{marks.count(TRAIN)} from training")
        summary.append(f"{marks.count(HELD_OUT)} of {len(known.held_out)} held-out found")
    if n_models > 1:
        summary.append(f"{common} in common")
    st.caption(plain(" · ".join(summary)))
    chosen = st.dataframe(
        display.for_screen(rows).to_pandas(),
        column_config=display.neighbour_columns(),
        hide_index=True,
        height=_ROW_PIXELS * (rows.num_rows + 1) + 3,
        on_select="rerun",
        selection_mode="single-row",
        # The product is part of the key: a selection must not stay behind when the list changes.
        key=f"list {model} {product_id}",
        placeholder="",
        alt=f"Neighbours of {product_id} according to {model}",
    )
    picked = chosen.selection.rows
    if picked and picked[0] < rows.num_rows:
        links.write("product", rows["neighbour"][picked[0]].as_py())
        st.rerun()


def _why_empty(model: str, known: Known | None) -> str:
    if known is not None and not len(known.train):
        return f"{plain(model)} has no list: the product has no pair in the training graph."
    return f"{plain(model)} has no list for this product."


def _walk_on(index: ProductIndex, rows: pa.Table, file_name: str) -> None:
    """The widget twin of a click on a row, and the download."""
    ids = list(dict.fromkeys(rows["neighbour"].to_pylist()))
    nodes = dict(zip(ids, index.nodes(ids).tolist(), strict=True))

    def walked() -> None:
        if st.session_state["walk on"] is not None:
            links.write("product", st.session_state["walk on"])
            st.session_state["walk on"] = None

    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Walk on to a neighbour (or click a row)",
            ids,
            index=None,
            key="walk on",
            format_func=lambda i: label(index, nodes[i]) if nodes.get(i, -1) >= 0 else str(i),
            on_change=walked,
            placeholder="Choose a neighbour",
        )
        st.download_button(
            "Download CSV",
            display.to_csv(rows),
            file_name=file_name,
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
