"""Rules applied to candidates: against a naive reference in plain Python, and hand-worked cases."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.recommendations.form import Recommendations
from core.recommendations.lists_checks import check_lists
from core.recommendations.rules import apply
from core.recommendations.rules.apply import CONTENT, MODEL, PINNED, POPULAR, SlotRules
from core.recommendations.rules.book import Rules
from core.recommendations.rules.pins import Pins
from core.recommendations.rules.product_facts import product_facts
from core.recommendations.rules.stock import Stock, no_stock
from tests.core.recommendations.catalogues import product_table

BRANDS = (None, "Acme", "acme ", "Bolt", "Unknown")
TITLES = (None, "Red shirt", "red  Shirt!", "Hat")
LEAVES = ("hats", "Shirts", "socks")


@st.composite
def cases(draw):
    n = draw(st.integers(2, 9))

    def column(values):
        return [draw(values) for _ in range(n)]

    def some(values):
        return tuple(draw(st.lists(st.sampled_from(values), max_size=2, unique=True)))

    categories = column(st.lists(st.sampled_from(LEAVES), max_size=2, unique=True))
    products = product_table(
        [f"p{i}" for i in range(n)],
        column(st.sampled_from(TITLES)),
        column(st.sampled_from(BRANDS)),
        column(st.sampled_from((None, 0.0, 1.0, 2.0, 2.5, 4.0))),
        [["root", *leaves] for leaves in categories],
    )
    rules = Rules(
        sold_out=draw(st.sampled_from(("leave_out", "keep"))),
        unlisted=draw(st.sampled_from(("in_stock", "sold_out"))),
        allow_brands=some(("ACME", "Bolt", "Nobody")),
        forbid_brands=some(("bolt", "Nobody")),
        allow_categories=some(("HATS", "root")),
        forbid_categories=some(("shirts",)),
        brand=draw(st.sampled_from(("any", "same", "other"))),
        price_from=draw(st.sampled_from((None, 0.5, 1.0))),
        price_to=draw(st.sampled_from((None, 1.25, 2.0))),
        max_per_brand=draw(st.sampled_from((None, 1, 2))),
        variants=draw(st.sampled_from(("keep", "leave_out"))),
        diversity=draw(st.sampled_from((0.0, 0.0, 0.3, 0.9))),
    )
    listed = np.array(column(st.booleans()))
    stock = Stock(listed, listed & np.array(column(st.booleans())), None, {"rows": 1})
    pairs = [(a, b) for a in range(n) for b in range(n) if a != b]
    pinned, blocked = {}, set(draw(st.lists(st.sampled_from(pairs), max_size=4)))
    for a, b in draw(st.lists(st.sampled_from(pairs), max_size=5, unique=True)):
        if (a, b) not in blocked:
            pinned.setdefault(a, []).append((b, draw(st.sampled_from((None, 1, 2, 5)))))
    pinned = {a: tuple(sorted(items, key=lambda item: item[1] or 10_000)) for a, items in pinned.items()}
    keys = np.array(sorted(a * n + b for a, b in blocked), np.int64)
    pins = Pins({"similar": pinned}, {"similar": keys}, {"rows": 1})
    popularity = np.array(column(st.integers(0, 3)), float)
    ids = np.array([draw(st.permutations(range(-1, n))) for _ in range(n)], np.int32)
    k = draw(st.integers(1, n))
    pools = ids[:, : draw(st.integers(0, n))], ids[:, ::-1]
    return products, rules, stock, pins, blocked, popularity, pools, k


class Reference:
    """One list, product by product, from the words of the documentation."""

    def __init__(self, products, rules, stock, pins, blocked, popularity):
        self.rows = products.to_pylist()
        self.rules, self.stock, self.pins, self.blocked = rules, stock, pins.pinned["similar"], blocked
        self.popularity = popularity
        self.vectors = product_facts(products, popularity).described.toarray().astype(float)

    def brand(self, node):
        name = (self.rows[node]["brand"] or "").strip().lower()
        return None if name in ("", "unknown") else name

    def categories(self, node):
        return {name.strip().lower() for name in self.rows[node]["categories"]}

    def title(self, node):
        words = "".join(c if c.isalnum() else " " for c in (self.rows[node]["title"] or "").lower()).split()
        return " ".join(words) or None

    def listable(self, node):
        rules = self.rules
        sold_out = self.stock.sold_out[node] or (rules.unlisted == "sold_out" and not self.stock.listed[node])
        if rules.sold_out == "leave_out" and sold_out:
            return False
        allowed, forbidden = ({name.lower() for name in names} for names in (rules.allow_brands, rules.forbid_brands))
        if (allowed and self.brand(node) not in allowed) or self.brand(node) in forbidden:
            return False
        if rules.allow_categories and not self.categories(node) & {name.lower() for name in rules.allow_categories}:
            return False
        return not self.categories(node) & {name.lower() for name in rules.forbid_categories}

    def passes(self, source, node):
        if node == source or not self.listable(node) or (source, node) in self.blocked:
            return False
        brand, rules = self.brand(source), self.rules
        if brand is not None and rules.brand != "any" and (self.brand(node) == brand) != (rules.brand == "same"):
            return False
        price, other = self.rows[source]["price"], self.rows[node]["price"]
        if price and (rules.price_from is not None or rules.price_to is not None):
            low, high = rules.price_from or 0.0, rules.price_to if rules.price_to is not None else float("inf")
            if low > 0 or high < float("inf"):
                return bool(other) and low <= other / price <= high
        return True

    def fits(self, source, node, chosen):
        if node in chosen:
            return False
        variants = [self.title(other) for other in (*chosen, source)]
        if self.rules.variants == "leave_out" and self.title(node) is not None and self.title(node) in variants:
            return False
        same = sum(self.brand(other) == self.brand(node) for other in chosen)
        return self.rules.max_per_brand is None or self.brand(node) is None or same < self.rules.max_per_brand

    def extend(self, source, chosen, pool, k, origin):
        passing = [node for node in pool if node >= 0 and self.passes(source, node)]
        d = self.rules.diversity
        while len(chosen) < k:
            fitting = [
                (p, node) for p, node in enumerate(passing) if self.fits(source, node, [other for other, _ in chosen])
            ]
            if not fitting:
                return

            def value(item):
                near = max((float(self.vectors[item[1]] @ self.vectors[other]) for other, _ in chosen), default=0.0)
                return (1 - d) * (1 - item[0] / k) - d * near

            best = fitting[0]
            for item in fitting[1:] if d else []:
                if value(item) > value(best) + 1e-9:
                    best = item
            chosen.append((best[1], origin))

    def popular(self, source):
        order = sorted(range(len(self.rows)), key=lambda node: (-self.popularity[node], node))
        everywhere = [node for node in order if self.listable(node)]
        names = sorted({name for node in order for name in self.categories(node)})
        size = {name: sum(name in self.categories(node) for node in order) for name in names}
        own = sorted(self.categories(source), key=lambda name: size[name])
        return own, size, everywhere

    def list_of(self, source, pools, k):
        wanted = dict(self.pins.get(source, ()))
        chosen = [(node, PINNED) for node in wanted if self.listable(node)][:k]
        for pool, origin in zip(pools, (MODEL, CONTENT), strict=True):
            self.extend(source, chosen, pool[source], k, origin)
        return chosen


def ours(case):
    products, rules, stock, pins, _, popularity, pools, k = case
    n = products.num_rows
    slot = SlotRules(rules, product_facts(products, popularity), stock, pins, "similar")
    sources = np.arange(n, dtype=np.int32)
    lists = slot.start(sources, k)
    for pool, origin in zip(pools, (MODEL, CONTENT), strict=True):
        scores = np.arange(pool.size, dtype=np.float32).reshape(pool.shape)
        slot.extend(lists, sources, pool, scores if origin == MODEL else None, origin)
    return slot, sources, lists


@settings(deadline=None, max_examples=200)
@given(cases())
def test_lists_are_those_of_the_naive_reference(case):
    products, rules, stock, pins, blocked, popularity, pools, k = case
    reference = Reference(products, rules, stock, pins, blocked, popularity)
    _, sources, lists = ours(case)
    for source in sources.tolist():
        expected = reference.list_of(source, pools, k)
        size = lists.length[source]
        found = list(zip(lists.nodes[source, :size].tolist(), lists.sources[source, :size].tolist(), strict=True))
        assert found == expected
        for place, (node, origin) in enumerate(found):
            at = np.flatnonzero(pools[0][source] == node)
            score = lists.scores[source, place]
            assert np.isnan(score) if origin != MODEL else score == source * pools[0].shape[1] + at[0]


@settings(deadline=None, max_examples=100)
@given(cases())
def test_popular_products_fill_what_may_be_filled_and_the_checks_agree(case):
    products, rules, stock, pins, blocked, popularity, _, k = case
    n = products.num_rows
    reference = Reference(products, rules, stock, pins, blocked, popularity)
    slot, sources, before = ours(case)
    lists = apply.Lists(before.nodes.copy(), before.scores.copy(), before.sources.copy())
    slot.extend_popular(lists, sources)
    for source in sources.tolist():
        chosen = lists.nodes[source, : lists.length[source]].tolist()
        size = before.length[source]
        assert chosen[:size] == before.nodes[source, :size].tolist()
        own, sizes, everywhere = reference.popular(source)
        # Each category's products stand together, and those of a rarer one before those of a more frequent one.
        expected = chosen[:size]
        tied = len({sizes[name] for name in own}) < len(own)
        pools = [[node for node in everywhere if name in reference.categories(node)] for name in own] + [everywhere]
        for node in (node for pool in pools for node in pool):
            if len(expected) < k and reference.passes(source, node) and reference.fits(source, node, expected):
                expected.append(node)
        assert tied or chosen == expected
        if len(chosen) < k:
            assert not any(reference.passes(source, node) and reference.fits(source, node, chosen) for node in range(n))
    slot.place_pins(lists, sources)
    made = Recommendations(products, {"similar": lists.nodes}, {"similar": lists.scores}, {"similar": lists.sources})
    assert all(finding.passed for finding in check_lists(made, {"similar": slot})), check_lists(made, {"similar": slot})


def plain(n, rules=None, **columns):
    facts = product_facts(product_table([f"p{i}" for i in range(n)], **columns), np.zeros(n))
    return SlotRules(rules or Rules(), facts, no_stock(n))


def first_list(slot, candidates, k, source=0):
    lists = slot.start(np.array([source]), k)
    slot.extend(lists, np.array([source]), np.array([candidates]), None, MODEL)
    return lists.nodes[0].tolist()


def test_a_price_ratio_compares_with_the_product_and_needs_a_price():
    slot = plain(5, Rules(price_from=0.5, price_to=2.0), prices=[10, 5, 20, 20.5, None])
    assert first_list(slot, [1, 2, 3, 4], 4) == [1, 2, -1, -1]
    # A product without a price is compared with nothing.
    assert first_list(slot, [0, 1, 2, 3], 4, source=4) == [0, 1, 2, 3]


def test_diversity_takes_the_next_of_another_kind():
    categories = [["root", "x"], ["root", "a"], ["root", "a"], ["root", "b"]]
    assert first_list(plain(4, categories=categories), [1, 2, 3], 3) == [1, 2, 3]
    # 2 is as 1: 0.5 * (1 - 1/3) - 0.5 * 1 < 0.5 * (1 - 2/3) - 0
    assert first_list(plain(4, Rules(diversity=0.5), categories=categories), [1, 2, 3], 3) == [1, 3, 2]


@pytest.mark.parametrize(
    ("ranks", "size", "expected"),
    [
        ([None], 3, [0, 1, 2]),
        ([2], 3, [1, 0, 2]),
        ([3, None], 4, [1, 2, 0, 3]),
        ([2, 2], 4, [2, 0, 1, 3]),
        ([9], 3, [1, 2, 0]),
        ([3, 9], 3, [2, 1, 0]),
        ([1], 1, [0]),
    ],
)
def test_pins_take_the_place_of_their_rank(ranks, size, expected):
    assert apply._places(ranks, size) == expected


def test_a_list_of_no_product_is_compared_with_nothing():
    slot = plain(
        4, Rules(brand="same", price_to=1.0, max_per_brand=1), brands=["a", "a", "b", "b"], prices=[1, 2, 3, 4]
    )
    lists = slot.start(np.array([-1]), 3)
    slot.extend(lists, np.array([-1]), np.array([[1, 0, 3, 2]]), None, MODEL)
    assert lists.nodes[0].tolist() == [1, 3, -1]


def test_variants_are_those_of_a_parent_before_those_of_a_title():
    products = product_table(["a", "b", "c", "d", "P"], ["x", "X", "X", None, None])
    parent = pa.array(["P", "P", None, "P", None])
    variant = product_facts(products, np.zeros(5), parent).variant
    assert variant[0] == variant[1] == variant[3] == variant[4] != variant[2]
    assert len(set(product_facts(products, np.zeros(5)).variant.tolist())) == 3


def test_breaches_are_found():
    slot = plain(4, Rules(forbid_brands=("b",)), brands=["a", "b", "a", "a"])
    slot.blocked = np.array([0 * 4 + 2])
    nodes = np.array([[1, 2, 3], [0, 2, -1]])
    assert slot.breaches(np.array([0, 1]), nodes).tolist() == [[True, True, False], [False, False, False]]
    scores = np.full((4, 3), np.nan, np.float32)
    lists = np.array([[3, 3, -1], [1, -1, -1], [-1, 0, -1], [0, 2, -1]], np.int32)
    made = Recommendations(slot._facts.products, {"similar": lists}, {"similar": scores}, {"similar": lists * 0})
    wrong = {finding.name: finding for finding in check_lists(made, {"similar": slot})}
    assert not wrong["distinct"].passed and wrong["distinct"].facts == {"lists": 3}
    assert not wrong["rules_kept"].passed and wrong["rules_kept"].facts == {"entries": 1}


def test_a_missing_pin_is_found():
    slot = plain(3)
    slot.pinned = {0: ((1, None),), 1: ((2, None),)}
    nodes = np.array([[1], [0], [0]], np.int32)
    origins = np.array([[PINNED], [POPULAR], [MODEL]], np.uint8)
    made = Recommendations(slot._facts.products, {"similar": nodes}, {"similar": nodes * 0.0}, {"similar": origins})
    found = next(finding for finding in check_lists(made, {"similar": slot}) if finding.name == "pins_kept")
    assert not found.passed and found.sentence == "1 of 2 pins are in their lists"
