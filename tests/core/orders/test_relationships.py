"""From a table of order lines to relationships and pairs."""

import numpy as np
import pyarrow as pa

from core.catalog.orders_table import ORDERS
from core.catalog.tables import PRODUCTS
from core.orders.config import OrdersConfig
from core.orders.history import order_history
from core.orders.relationships import order_relationships
from core.pairs import build_pairs

ALL = OrdersConfig(min_count=1, damping=0.0)


def table(rows):
    """Rows of (product, order, customer, quantity)."""
    product, order, customer, quantity = zip(*rows, strict=True) if rows else ((), (), (), ())
    n = len(rows)
    columns = [
        pa.array(product, pa.string()), pa.array(order, pa.string()), pa.nulls(n, pa.string()),
        pa.array(customer, pa.string()), pa.array(np.arange(n) * 1000), pa.array(quantity, pa.float32()),
        pa.array(["purchase"] * n),
    ]  # fmt: skip
    return pa.table(
        [c.dictionary_encode().cast(f.type) if pa.types.is_dictionary(f.type) else c.cast(f.type)
         for c, f in zip(columns, ORDERS, strict=True)],
        schema=ORDERS,
    )  # fmt: skip


def found(rows):
    history, facts = order_history(table(rows))
    related = order_relationships(history, ALL).relationships
    return {(r["product1"], r["product2"], r["relationship"]): r["weight"] for r in related.to_pylist()}, facts


def test_returns_take_their_pairs_with_them():
    rows = [("A", "1", "u", 1), ("B", "1", "u", 2), ("C", "1", "u", 1), ("B", "9", "u", -2), ("D", "9", "u", -1)]
    pairs, facts = found(rows)
    assert pairs == {("A", "C", "bought_together"): 1.0}
    assert facts["returns"] == 2 and facts["cancelled_lines"] == 1 and facts["unmatched_returns"] == 1


def test_an_order_id_of_two_customers_is_two_orders():
    pairs, facts = found([("A", "1", "u", 1), ("B", "1", "u", 1), ("C", "1", "v", 1), ("D", "1", "v", 1)])
    assert pairs == {("A", "B", "bought_together"): 1.0, ("C", "D", "bought_together"): 1.0}
    assert facts["orders_of_several_customers"] == 1 and facts["orders"] == 2


def test_the_order_of_the_lines_does_not_matter():
    rng = np.random.default_rng(1)
    rows = [(f"P{rng.integers(12)}", f"o{i // 3}", f"c{i // 12}", int(rng.choice([1, 2, -1]))) for i in range(120)]
    whole = table(rows)
    turned = whole.take(pa.array(rng.permutation(len(rows))))
    counted = [order_relationships(order_history(t)[0], ALL).relationships for t in (whole, turned)]
    pairs = [build_pairs(PRODUCTS.empty_table(), relationships) for relationships in counted]
    assert pairs[0].products.equals(pairs[1].products)
    for name in ("source", "target"):
        np.testing.assert_array_equal(getattr(pairs[0], name), getattr(pairs[1], name))
    np.testing.assert_allclose(pairs[0].weight, pairs[1].weight, rtol=1e-6)


def test_no_order_lines_give_no_relationships():
    history, facts = order_history(ORDERS.empty_table())
    counted = order_relationships(history)
    assert counted.relationships.num_rows == 0 and counted.later is None and facts == {}
