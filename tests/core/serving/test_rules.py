"""Rules at read time, beside a plain reading of what they say."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.serving.rules import Rules
from tests.core.serving.shops import lists_of, served_shop, table

BRANDS = [None, "Acme", "ACME ", "Bo", "bo", "Straße", "STRASSE", "Cy"]
SHELVES = [None, [], ["X"], ["X", "Y"], ["Y"], ["x"], ["Z", "X"], ["Z"]]
PRICES = [None, 0.0, 1.0, 2.5, 10.0, 17.99, 0.1, None]
N = len(BRANDS)
PRODUCTS = [{"product_id": f"p{i}", "brand": BRANDS[i], "categories": SHELVES[i], "price": PRICES[i]} for i in range(N)]


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    return served_shop(tmp_path_factory.mktemp("shop"), lists_of(table(PRODUCTS), {"p0": ["p1"]})).products


def kept_by_hand(nodes, rules, price, k):
    result, brands = [], []
    for node in nodes:
        row = PRODUCTS[node]
        brand = (row["brand"] or "").strip().lower()
        shelves = {name.lower() for name in row["categories"] or []}
        low = rules.get("price_from", -math.inf)
        high = rules.get("price_to", math.inf)
        ratio = (rules.get("price_ratio_from", 0), rules.get("price_ratio_to", math.inf))
        asked = {name for name in ("price_from", "price_to") if name in rules}
        fits = [
            node not in rules.get("exclude", ()),
            not rules.get("brands") or brand in {name.strip().lower() for name in rules["brands"]},
            brand not in {name.strip().lower() for name in rules.get("not_brands", ())} or not brand,
            not rules.get("categories") or shelves & {name.lower() for name in rules["categories"]},
            not shelves & {name.lower() for name in rules.get("not_categories", ())},
            not asked or (row["price"] is not None and low <= row["price"] <= high),
            ratio == (0, math.inf)
            or (
                row["price"] is not None and price is not None and ratio[0] * price <= row["price"] <= ratio[1] * price
            ),
            not rules.get("max_per_brand") or not brand or brands.count(brand) < rules["max_per_brand"],
        ]
        if all(fits) and len(result) < k:
            result.append(node)
            brands.append(brand)
    return result


AMOUNT = st.sampled_from([0.0, 0.1, 1.0, 2.5, 10.0, 17.99, 50.0])
RULES = st.fixed_dictionaries(
    {},
    optional={
        "exclude": st.lists(st.integers(0, N - 1), max_size=3),
        "brands": st.lists(st.sampled_from(["acme", "BO", "STRASSE", "nobody"]), max_size=2),
        "not_brands": st.lists(st.sampled_from(["Acme", "bo ", "Straße"]), max_size=2),
        "categories": st.lists(st.sampled_from(["X", "y", "Z"]), max_size=2),
        "not_categories": st.lists(st.sampled_from(["X", "Y", "Z"]), max_size=2),
        "price_from": AMOUNT,
        "price_to": AMOUNT,
        "price_ratio_from": AMOUNT,
        "price_ratio_to": AMOUNT,
        "max_per_brand": st.integers(1, 2),
    },
)


@settings(max_examples=400)
@given(
    nodes=st.permutations(range(N)),
    rules=RULES,
    price=st.none() | st.sampled_from([1.0, 2.0, 10.0]),
    k=st.integers(1, N),
)
def test_the_first_entries_that_fit(products, nodes, rules, price, k):
    kept = Rules(**rules).kept(list(nodes), products, math.nan if price is None else price, k)
    assert [nodes[place] for place in kept] == kept_by_hand(nodes, rules, price, k)
