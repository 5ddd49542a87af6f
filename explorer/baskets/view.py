"""Parts of the baskets page: the choice of a basket and of what is given, the lists, and what they missed."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.evaluation.display_names import model_title
from core.untrusted.markdown import plain
from explorer.baskets import actions, tables
from explorer.baskets.recommendations import SHOWN, Question, Recommendation, recommend, why_missed
from explorer.baskets.standings import PROTOCOLS, Standing
from explorer.search.id_search import search_ids
from explorer.search.product_index import ProductIndex
from explorer.search.product_search import search_products
from explorer.shared import components, order_history, product_names, query_params
from explorer.shared.basket import edit_basket
from explorer.shared.formatting import counted, error_text, shorten
from explorer.shared.known_pairs import KnownPairs

LATER, OWN = "a later order", "my own"
"""Where the basket comes from; also the values of ``from`` in the address."""
_NEXT = next(iter(PROTOCOLS))
_LABEL = 80
_MAX_MODELS = 4
_MAX_PRODUCTS = 100
_ROW_PIXELS = 35
_HIT_HELP = "★ It really was in the basket"
_SCORE_HELP = "Comparable within one model"
_FUSED_SCORE_HELP = "Sum of 1 / (60 + rank) over the lists of the given products"


def choose_kind() -> tuple[str, str]:
    """Widgets that choose where the basket comes from, and what is asked about it."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
        source = st.segmented_control(
            "Basket", [LATER, OWN], default=LATER, required=True, key="from", bind="query-params"
        )
        question = st.segmented_control(
            "Question",
            list(PROTOCOLS),
            default=_NEXT,
            required=True,
            key="question",
            bind="query-params",
            help="**next product**: one product is given, and the others should be recommended. "
            "**rest of the basket**: all products but one are given, and the missing one should be recommended.",
        )
    return source or LATER, question or _NEXT


def choose_order(index: ProductIndex, category: str) -> list[str] | None:
    """Widgets that choose a later order; returns its products that the category knows, or None."""
    orders = order_history.read_later_orders(category)
    if not len(orders):
        st.info(
            "No later order with at least two products is held out in this category. Split its orders in time (setting "
            f"`by: time` of the section `split`), or put a basket of your own together: choose *{OWN}* above.",
            icon=":material/event_busy:",
        )
        return None
    search_ids(
        "order",
        orders.ids,
        f"The latest of {len(orders):,} orders",
        actions.order_chosen,
        actions.open_random_order,
        lambda order_id: _order_label(orders, order_id),
    )
    order_id = query_params.get_value("order")
    if order_id is None:
        order_id = str(orders.ids[0].as_py())
        # The address names the order, so that it can be shared and the back button returns to it.
        query_params.set_value("category", category)
        query_params.set_value("order", order_id)
    row = orders.row(order_id)
    if row is None:
        st.warning(
            f"There is no later order {plain(shorten(order_id, 60))} with at least two products. Choose another above.",
            icon=":material/search_off:",
        )
        return None
    products = order_history.read_order(category, order_id, bool(orders.sessions[row]))
    known = [product_id for product_id in products[:_MAX_PRODUCTS] if index.node(product_id) is not None]
    kind = "Session" if orders.sessions[row] else "Order"
    st.header(f"{kind} {plain(shorten(order_id, 60))}", anchor=False)
    facts = [counted(len(products), "product")]
    if orders.times[row] != order_history.NO_TIME:
        facts.insert(0, order_history.day_and_time(int(orders.times[row])))
    if len(products) > _MAX_PRODUCTS:
        facts.append(f"the first {_MAX_PRODUCTS} are used here")
    unknown = min(len(products), _MAX_PRODUCTS) - len(known)
    if unknown:
        facts.append(f"{unknown:,} of them unknown to this category")
    st.caption(plain(" · ".join(facts)) + "  \n" + order_history.what_later_means(category, orders.cut))
    if len(known) < 2:
        st.info("Fewer than two of its products are known. Choose another order.", icon=":material/block:")
        return None
    return known


def _order_label(orders: order_history.LaterOrders, order_id: str) -> str:
    row = orders.row(order_id)
    if row is None:
        return order_id
    parts = [shorten(order_id, 40), counted(int(orders.sizes[row]), "product")]
    if orders.times[row] != order_history.NO_TIME:
        parts.insert(1, order_history.day_and_time(int(orders.times[row])))
    return " · ".join(parts)


def fill_basket(index: ProductIndex) -> list[str] | None:
    """Widgets that put a basket together; returns its products, or None if there are fewer than two."""
    search_products(index, "basket search", actions.add_to_basket, "Add products")
    basket = edit_basket(index, actions.remove_from_basket)
    if len(basket) < 2:
        st.info(
            "Choose at least two products. The page *Neighbours* shows the same basket.",
            icon=":material/shopping_cart:",
        )
        return None
    return basket


def choose_products(index: ProductIndex, basket: Sequence[str], question: str, pairs: KnownPairs | None) -> Question:
    """The widget that chooses the product that is given, or the one that is missing.

    Until somebody chooses, it is the first product with a training pair, because models know nothing about others.
    """
    nodes = index.nodes(list(basket))
    unpaired = pairs.without_pair(nodes).tolist() if pairs else [False] * len(nodes)
    name, label = ("given", "Given product") if question == _NEXT else ("missing", "Missing product")
    chosen = query_params.get_value(name)
    if chosen not in basket:
        chosen = next((i for i, alone in zip(basket, unpaired, strict=True) if not alone), basket[0])
    labels = {
        product_id: shorten(product_names.product_label(index, node), _LABEL)
        for product_id, node in zip(basket, nodes.tolist(), strict=True)
    }
    key = f"{name} product"
    st.session_state[key] = chosen
    st.selectbox(
        label,
        list(basket),
        key=key,
        format_func=lambda product_id: labels.get(product_id, product_id),
        on_change=actions.product_chosen,
        args=(name, key),
    )
    others = [product_id for product_id in basket if product_id != chosen]
    if question == _NEXT:
        return Question((str(chosen),), index.nodes(others), rest=False)
    return Question(tuple(others), index.nodes([str(chosen)]), rest=True)


def choose_models(available: list[str], first: list[str]) -> list[str]:
    """The widget that chooses the models, side by side."""
    return st.multiselect(
        "Models",
        available,
        default=first,
        key="models",
        bind="query-params",
        max_selections=_MAX_MODELS,
        help="The first choice is the models with the best recall@10 over all later orders.",
    )


def show_answers(
    index: ProductIndex,
    category: str,
    question: Question,
    models: Sequence[str],
    measured: dict[str, Standing],
    pairs: KnownPairs | None,
) -> None:
    """The lists of all models with hits marked, then what was asked for and why it was missed."""
    lists = [
        recommend(model, measured[model].scoring if model in measured else None, question, category, index)
        for model in models
    ]
    per_row = 2 if len(lists) == _MAX_MODELS else len(lists)
    for start in range(0, len(lists), per_row):
        row = lists[start : start + per_row]
        for column, model_list in zip(st.columns(len(row)), row, strict=True):
            with column:
                _list(index, question, model_list, measured.get(model_list.model))
    st.caption("★ It really was in the basket. One basket says little: the average is over all later orders.")

    unpaired = pairs.without_pair(question.asked).tolist() if pairs else [False] * len(question.asked)
    reasons = why_missed(question.asked, lists, unpaired)
    st.subheader("The missing product" if question.rest else "The other products", anchor=False)
    missed = len(reasons) - reasons.count("")
    if not question.rest:
        st.caption(
            f"{missed:,} of {counted(len(reasons), 'product')} {'is' if missed == 1 else 'are'} in no top {SHOWN}."
            if missed
            else f"Each of them is in the top {SHOWN} of a model."
        )
    st.dataframe(
        tables.basket_rows(index, question.asked, lists, reasons),
        column_config=tables.basket_columns(lists),
        hide_index=True,
        placeholder="–",
        height="content",
        alt="Products that were asked for, with their place in each list and the reason why they were missed",
    )
    components.link_to_neighbours(category, question.given[0], models)


def _list(index: ProductIndex, question: Question, model_list: Recommendation, standing: Standing | None) -> None:
    st.markdown(f"### {model_title(model_list.model)}")
    if model_list.problem:
        st.error(f"The list cannot be read: {error_text(model_list.problem)}", icon=":material/error:")
        return
    hits, asked = int(np.sum(model_list.hits(question.asked))), len(question.asked)
    if question.rest:
        [rank] = model_list.ranks(question.asked)
        st.markdown(f"**Found** at place {rank}" if hits else f"**Not found** in the top {SHOWN}")
    else:
        st.markdown(f"**{hits} of {counted(asked, 'other product')}** in the top {SHOWN}")
    st.caption(f"Recall@10: {model_list.recall(question.asked):.2f} here, {_mean(standing)}")
    if not len(model_list.nodes):
        alone = "the given product has" if len(question.given) == 1 else "the given products have"
        st.info(f"It has no list, because {alone} no pair before the cut.", icon=":material/block:")
        return
    rows = tables.list_rows(index, model_list, question.asked)
    st.dataframe(
        rows,
        column_config=tables.list_columns(_HIT_HELP, _FUSED_SCORE_HELP if question.rest else _SCORE_HELP),
        hide_index=True,
        height=_ROW_PIXELS * (len(rows) + 1) + 3,
        key=f"basket list {model_list.model}",
        alt=f"What {model_list.model} recommends, with the products of the basket marked",
    )


def _mean(standing: Standing | None) -> str:
    if standing is None:
        return "not measured over all later orders"
    interval = "" if standing.low is None or standing.high is None else f" ({standing.low:.3f}–{standing.high:.3f})"
    return f"{standing.value:.3f}{interval} on average"
