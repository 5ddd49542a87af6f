"""Parts of the page Lists: heading, the change as a whole, the lists side by side, and the pins.

Text from data reaches the page only through plain-text elements or ``core.untrusted.markdown.plain``.
"""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.evaluation.display_names import metric_title, model_title
from core.evaluation.metrics import NEXT_PRODUCT, RANKING
from core.recommendations.form import BOUGHT_TOGETHER, GOES_WITH, SIMILAR, SLOTS, SOURCES
from core.recommendations.rules.pins import BLOCK, PIN
from core.store.manifest import Manifest
from core.untrusted.markdown import plain
from explorer.lists import actions, readers, tables
from explorer.lists.actions import Target
from explorer.lists.moves import moves, summary
from explorer.lists.pins import PinsFile
from explorer.lists.readers import CURRENT, PREVIOUS, PUBLISHED, StoredLists
from explorer.search.product_index import ProductIndex
from explorer.search.product_search import search_products
from explorer.shared import components, product_names
from explorer.shared.dagster_links import asset_page, materialize_command
from explorer.shared.formatting import counted, error_text, shorten, when
from explorer.shared.order_history import day_and_time

_ROW_PIXELS = 35
_MAX_ROWS = 20
_PROTOCOLS = {RANKING: "on held-out pairs", NEXT_PRODUCT: "on held-out orders"}
_MEANING = {
    GOES_WITH: "What a customer might choose as well",
    SIMILAR: "What a customer might choose instead",
    BOUGHT_TOGETHER: "What was in the same orders",
}
_COMPARED = {
    CURRENT: "Since the published list",
    PUBLISHED: "Since the previous list; gone if the current list no longer has it",
    PREVIOUS: "gone if the published list no longer has it",
}


def choose_slot(category: str, versions: Mapping[str, Manifest | None]) -> str:
    """The widget that chooses the kind of list, among those that a version of the category has."""
    stored = [readers.read_lists(category, name, made) for name, made in versions.items() if made is not None]
    slots = [slot for slot in SLOTS if any(slot in lists.neighbours for lists in stored)] or [GOES_WITH]
    words = [tables.SLOT_WORDS[slot] for slot in slots]
    with st.container(horizontal=True, vertical_alignment="center"):
        chosen = st.segmented_control(
            "Kind of list", words, default=words[0], required=True, key="list", bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip
        slot = slots[words.index(chosen)] if chosen in words else slots[0]
        st.caption(_MEANING[slot], width="content")
    return slot


def show_heading(index: ProductIndex, node: int, category: str) -> None:
    """The product's name, and the way to its page."""
    product = index.product(node)
    product_id = str(product["product_id"])
    with st.container(horizontal=True, vertical_alignment="center"):
        name = shorten(product_names.product_name(product), 160)
        st.header(plain(name), anchor=False, width="content")
        st.caption(plain(product_id), width="content")
        st.space("stretch")
        components.link_to_neighbours(category, product_id)


def show_summary(category: str, versions: Mapping[str, Manifest | None], slot: str) -> None:
    """What vouches for the current lists, and how they changed since the published version."""
    current, published = versions[CURRENT], versions[PUBLISHED]
    if current is None:
        return
    lists = readers.read_lists(category, CURRENT, current)
    sentences = [_vouched(lists.info.get("models", {}).get(slot)), _folded_in(lists.info.get("folded_in"))]
    if published is not None and slot in lists.neighbours:
        sentences.insert(0, _changed(category, dict(versions), slot))
    st.markdown(" ".join(sentence for sentence in sentences if sentence))


def _folded_in(counts: Mapping[str, int] | None) -> str:
    if not counts or not (new := counts.get("products_since_training", 0)):
        return ""
    return f"{counted(new, 'product')} that came since the training {'is' if new == 1 else 'are'} folded in."


def show_state(category: str, versions: Mapping[str, Manifest | None]) -> None:
    """What is to be done about the lists, if they are out of date, held back or not published."""
    if versions[CURRENT] is None:
        return
    reason, select = readers.why_outdated(category)
    if reason:
        checks = asset_page(readers.ASSET, category)
        st.info(
            f"The current lists are out of date: {plain(reason)}. If a rebuild has finished since, a blocking check "
            f"held the new lists back, such as the guard against large changes ([checks in Dagster]({checks})). What "
            "is published stays as it is. Make the lists again with:",
            icon=":material/update:",
        )
        components.show_command(materialize_command(category, select))
    elif versions[PUBLISHED] is None:
        st.info("The lists are not published yet. Publish them with:", icon=":material/publish:")
        components.show_command(materialize_command(category, readers.PUBLISHED_ASSET))


def _vouched(choice: Mapping[str, Any] | None) -> str:
    if not choice:
        return ""
    voucher = choice.get("vouched_by") or {}
    model = f"Made by **{model_title(str(choice.get('model')))}**, trained on all pairs."
    if voucher.get("value") is None:
        return f"{model} Nothing was held out, so no evaluation vouches for it."
    low, high = voucher.get("low"), voucher.get("high")
    interval = "" if low is None or high is None else f" ({low:.3f}–{high:.3f})"
    return (
        f"{model} The evaluation of the same model, trained with the same settings on the training pairs only, "
        f"vouches for it: {metric_title(str(voucher.get('metric')))} {voucher['value']:.3f}{interval} "
        f"{_PROTOCOLS.get(str(voucher.get('protocol')), plain(str(voucher.get('protocol'))))}."
    )


def _changed(category: str, versions: dict[str, Manifest | None], slot: str) -> str:
    current, published = versions[CURRENT], versions[PUBLISHED]
    if current is None or published is None:
        return ""
    if current.digest and current.digest == published.digest:
        return "**The published lists are the current ones.**"
    change = readers.read_change(category, versions, slot)
    if change is None:
        return "No lists of this kind are published."
    overlap, biased = change.get("overlap@10"), change.get("rank_biased_overlap")
    shared = (
        "no product has a list in both"
        if overlap is None or biased is None
        else f"lists share {overlap:.1%} of their first ten places on average (rank-biased overlap {biased:.3f})"
    )
    shares = _shares(change.get("by_source") or {}, change.get("by_source_before") or {})
    return (
        f"**Since the published version** {shared}; {change.get('lost', 0):,} of "
        f"{counted(int(change.get('before') or 0), 'list')} {'is' if change.get('lost') == 1 else 'are'} lost and "
        f"{change.get('gained', 0):,} new; entries by source: {plain(shares)}."
    )


def _shares(now: Mapping[str, float], before: Mapping[str, float]) -> str:
    parts = []
    for source in SOURCES:
        if now.get(source) or before.get(source):
            is_now, was = _share(now.get(source, 0.0)), _share(before.get(source, 0.0))
            parts.append(f"{tables.SOURCE_WORDS[source]} {is_now}" + ("" if is_now == was else f" (was {was})"))
    return ", ".join(parts)


def _share(value: float) -> str:
    return "under 0.1%" if 0 < value < 0.001 else f"{value:.1%}"


def show_lists(
    index: ProductIndex,
    category: str,
    versions: Mapping[str, Manifest | None],
    slot: str,
    node: int,
    target: Target | None,
    pins: PinsFile,
) -> None:
    """The lists of one product side by side, the newest first."""
    product_id = str(index.product(node)["product_id"])
    stored: dict[str, StoredLists] = {
        name: readers.read_lists(category, name, manifest)
        for name, manifest in versions.items()
        if manifest is not None
    }
    entries = {name: lists.entries(slot, product_id) for name, lists in stored.items()}
    ids = {name: None if rows is None else [listed for listed, _ in rows] for name, rows in entries.items()}
    order = (CURRENT, PUBLISHED, PREVIOUS)
    pinned = {
        str(index.product(other)["product_id"]) for other, action, _ in pins.of(slot, node, len(index)) if action == PIN
    }
    # Names need the room: only the current list says where its entries come from, and has buttons.
    widths = [1.65 if target else 1.25, 1.0, 1.0]
    name_pixels = 134 if target else 160
    for number, (column, name) in enumerate(zip(st.columns(widths, gap="xsmall"), order, strict=True)):
        older = ids.get(order[number + 1]) if number + 1 < len(order) else None
        newer = ids.get(order[number - 1]) if number else None
        with column, st.container(gap="xsmall"):
            st.markdown(f"### {name}")
            listed, rows = ids.get(name), entries.get(name)
            st.caption(_about(name, versions[name], listed, older))
            if versions[name] is None:
                continue
            if not rows or listed is None:
                st.caption(_no_list(slot, stored[name], rows is None))
                continue
            key = f"{name} {slot} {product_id}"
            own = target if name == CURRENT else None
            st.dataframe(
                tables.list_rows(index, rows, moves(listed, older, newer), pinned if own else None),
                column_config=tables.list_columns(key, listed, _COMPARED[name], name_pixels, own, pinned),
                column_order=None if name == CURRENT else ["rank", "product", "moved", "id"],
                hide_index=True,
                height=_ROW_PIXELS * (min(len(rows), _MAX_ROWS) + 1) + 3,
                key=f"list {key}",
                placeholder="",
                alt=f"{name} list of {product_id}: {tables.SLOT_WORDS[slot]}",
            )


def _about(name: str, manifest: Manifest | None, listed: list[str] | None, older: list[str] | None) -> str:
    """When a version was made, and what moved in the list since the one before it."""
    if manifest is None:
        return {
            CURRENT: "There are no current lists.",
            PUBLISHED: "Nothing is published yet.",
            PREVIOUS: "There is no previous version: it is kept from the second publication on.",
        }[name]
    verb = "Made" if name == CURRENT else "Published"
    put_back = manifest.info.get("put_back")
    facts = [when(manifest.created)]
    if name == PUBLISHED and isinstance(put_back, int | float):
        facts.append(f"put back {when(put_back)}")
    if listed and older:
        facts.append(summary(listed, older))
    return f"{plain(f'{verb} {day_and_time(int(manifest.created * 1000))} UTC')}  \n{plain(' · '.join(facts))}"


def _no_list(slot: str, lists: StoredLists, unknown: bool) -> str:
    if slot not in lists.neighbours:
        return "This version has no lists of this kind" + (
            "; only categories with orders have them." if slot == BOUGHT_TOGETHER else "."
        )
    if unknown:
        return "This version does not know the product: it is newer, or it was removed."
    return "The product has no list here: the rules leave nothing to list."


def show_note(category: str) -> bool:
    """What came of the last edit, once; returns whether the page says that the lists will follow."""
    done, text = st.session_state.pop(actions.NOTE, (None, ""))
    if done is False:
        st.error(f"Nothing was changed: {error_text(text)}", icon=":material/error:")
    if done:
        st.success(f"{plain(text)} The lists follow with the next rebuild, or at once with:", icon=":material/check:")
        components.show_command(materialize_command(category, f"{readers.ASSET}+"))
    return bool(done)


def show_pins(index: ProductIndex, slot: str, node: int, target: Target | None, pins: PinsFile) -> None:
    """What the file of pins says of the list, and the widgets that pin or block any product."""
    st.markdown(f"### Pinned and blocked: {tables.SLOT_WORDS[slot]}")
    if pins.problem:
        st.warning(error_text(pins.problem), icon=":material/warning:")
    rows = pins.of(slot, node, len(index))
    if rows:
        ids = [str(index.product(other)["product_id"]) for other, _, _ in rows]
        key = f"{slot} {index.product(node)['product_id']}"
        st.dataframe(
            tables.pin_rows(index, rows, target is not None),
            column_config=tables.pin_columns(key, ids, target),
            hide_index=True,
            height=_ROW_PIXELS * (min(len(rows), 8) + 1) + 3,
            key=f"pins {key}",
            alt="Products that the file of pins pins or blocks in this list",
        )
    elif not pins.problem:
        st.caption("Nothing is pinned or blocked in this list.")
    if pins.why_not:
        st.caption(plain(pins.why_not))
    if target is None:
        return
    with st.expander("Pin or block another product", icon=":material/keep:"):
        search_products(index, "pin search", actions.choose_candidate, "Find a product")
        candidate = index.node(st.session_state.get(actions.CANDIDATE) or "")
        if candidate is None or candidate == node:
            st.caption("Choose a product." if candidate is None else "A product cannot be in its own list.")
            return
        product_id = str(index.product(candidate)["product_id"])
        with st.container(horizontal=True, vertical_alignment="bottom"):
            rank = int(st.number_input("Place", min_value=1, max_value=1_000, value=1, key="pin place", width=120))
            st.button("Pin", icon=":material/keep:", on_click=actions.change, args=(target, product_id, PIN, rank))
            st.button("Block", icon=":material/block:", on_click=actions.change, args=(target, product_id, BLOCK))
            st.caption(plain(shorten(product_names.product_label(index, candidate), 120)), width="content")
