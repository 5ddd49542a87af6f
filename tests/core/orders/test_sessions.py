"""Rows of products in time: against plain grouping in Python, and gaps, cuts and held-out pairs by hand."""

import datetime
import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import settings as settings_module
from core.errors import InputError
from core.orders.config import SessionsConfig
from core.orders.history import HISTORY
from core.orders.row_cuts import without_held_out
from core.orders.sessions import sessions
from core.pairs.split import Pairs, PairSplit, WeightedPairs

PRODUCTS = ["A", "B", "C", "D", "E", "F"]
IDS = pa.array(PRODUCTS)
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def history(lines):
    """A history of dicts; ``day`` is the time in days, and what is not given is absent."""
    names = ("product", "order", "session", "customer")
    columns = {name: pa.array([line.get(name) for line in lines], pa.string()) for name in names}
    columns["time"] = pa.array([moment(line.get("day")) for line in lines], HISTORY.field("time").type)
    columns["event"] = pa.array([line.get("event", "purchase") for line in lines])
    columns["later"] = pa.array([line.get("later", False) for line in lines])
    encoded = {
        name: columns[name].dictionary_encode() if name in (*names, "event") else columns[name] for name in columns
    }
    return pa.table(encoded).select(HISTORY.names).cast(HISTORY)


def moment(day):
    return None if day is None else START + datetime.timedelta(days=day)


def split(held_out=(), cold=()):
    """A split that holds out these pairs and products, by name."""
    ends = np.array([[PRODUCTS.index(p) for p in pair] for pair in held_out], np.int32).reshape(-1, 2)
    none = Pairs(np.empty(0, np.int32), np.empty(0, np.int32))
    return PairSplit(
        n_nodes=len(PRODUCTS),
        train=WeightedPairs(*np.empty((2, 0), np.int32), np.empty(0, np.float32)),
        validation=Pairs(ends.min(axis=1, initial=9), ends.max(axis=1, initial=-1)),
        uniform_negatives=none,
        degree_matched_negatives=none,
        cold=np.array([PRODUCTS.index(p) for p in cold], np.int32),
        cold_pairs=none,
        cold_degree_matched=np.empty(0, np.int32),
        cold_uniform=np.empty(0, np.int32),
    )


def names(rows):
    return ["".join(PRODUCTS[node] for node in row if node >= 0) for row in rows]


def rows_of(lines, held_out=(), cold=(), **changes):
    made = sessions(history(lines), IDS, split(held_out, cold), SessionsConfig(**changes))
    info = made.info
    assert made.rows.dtype == np.int32 and made.rows.shape[1] >= 2
    assert info["lines_used"] == np.count_nonzero(made.rows >= 0) and info["rows"] == len(made.rows)
    assert info["lines"] == info["lines_used"] + sum(info["left_out"].values())
    return names(made.rows), info


def bought(customer, **days):
    """Lines of a customer, one a product: product → day."""
    return [{"product": product, "customer": customer, "day": day} for product, day in days.items()]


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_a_customers_history_is_cut_at_gaps():
    lines = bought("u", A=0, B=30, C=60.01, D=61) + bought("v", E=5, F=6)
    rows, info = rows_of(lines, gap_days=30)
    assert rows == ["AB", "EF", "CD"] and info["cut_at_gaps"] == 1 and info["by"] == {"customer": 6}
    assert rows_of(lines, gap_days=0)[0] == ["ABCD", "EF"]
    rows, info = rows_of(lines, gap_days=20)
    assert rows == ["EF", "CD"] and info["left_out"]["short_rows"] == 2


def test_a_product_that_follows_itself_counts_once():
    lines = bought("u", A=0, B=3) + [
        {"product": p, "customer": "u", "day": d} for p, d in (("A", 1), ("B", 4), ("A", 5))
    ]
    rows, info = rows_of(lines)
    assert rows == ["ABA"] and info["left_out"]["repeats"] == 2
    # The days between are those of the lines, the repeated ones too.
    assert rows_of([*bought("u", A=0, B=40), {"product": "A", "customer": "u", "day": 20}], gap_days=30)[0] == ["AB"]


def test_long_rows_are_cut_into_pieces_of_about_equal_length():
    lines = [{"product": PRODUCTS[i % 6], "order": "1", "day": i} for i in range(11)]
    rows, info = rows_of(lines, longest=5)
    assert rows == ["ABC", "DEFA", "BCDE"] and info["cut_because_of_length"] == 2
    assert rows_of(lines, longest=11)[0] == ["ABCDEFABCDE"]
    with pytest.raises(InputError, match="at most half of the longest"):
        settings_module.build(SessionsConfig, {"shortest": 4, "longest": 6}, "sessions")


def test_lines_of_an_order_stand_together_and_lines_of_one_moment_as_in_the_source():
    lines = [
        {"product": p, "order": o, "customer": "u", "day": 1}
        for p, o in (("D", "1"), ("A", "2"), ("C", "1"), ("B", "2"))
    ]
    assert rows_of(lines)[0] == ["DCAB"]
    assert sorted(rows_of(lines, by="order")[0]) == ["AB", "DC"]


def test_auto_takes_customers_with_times_and_the_row_of_every_other_line():
    lines = bought("u", A=0, B=1, C=2)
    lines += [{"product": p, "order": "7", "day": 3} for p in "DE"]
    rows, info = rows_of(lines)
    assert rows == ["ABC", "DE"] and info["by"] == {"customer": 3, "order": 2}
    rows, info = rows_of(lines, by="customer")
    assert rows == ["ABC"] and info["left_out"]["no_row"] == 2
    without_times = [{**line, "day": None} for line in lines]
    assert sorted(rows_of(without_times)[0]) == ["ABC", "DE"]
    in_orders = [{**line, "order": line.get("order", "8")} for line in without_times]
    assert rows_of(in_orders)[1]["by"] == {"order": 5}  # customers without times have no history


def test_sessions_and_the_events_that_count():
    lines = [{"product": p, "session": "s", "day": i, "event": e} for i, (p, e) in enumerate(
        (("A", "view"), ("B", "view"), ("B", "cart"), ("C", "purchase"), ("D", "purchase")))]  # fmt: skip
    assert rows_of(lines)[0] == ["CD"] and rows_of(lines)[1]["left_out"]["other_events"] == 3
    assert rows_of(lines, events="views")[0] == ["AB"] and rows_of(lines, events="all")[0] == ["ABCD"]
    assert rows_of(lines[:3])[0] == ["AB"]  # no purchases: all events count
    assert rows_of(lines, by="order") == ([], rows_of(lines, by="order")[1])


def test_no_later_line_is_in_a_row_and_none_changes_a_row():
    known = bought("u", A=0, B=1) + bought("v", C=0, D=1)
    later = [{**line, "later": True} for line in bought("u", E=2, F=3) + bought("w", A=3, F=4, B=5)]
    # Pairs that are held out in time, and products that are cold, do not show in what was known before.
    rows, info = rows_of(known + later, held_out=["AB", "CE"], cold=["D"])
    assert sorted(rows) == ["AB", "CD"] and info["left_out"]["later"] == 5
    more = [{"product": p, "order": "x", "day": 9, "later": True} for p in "ABCDEF" * 9]
    assert rows_of(known + later + more, held_out=["AB"], cold=["A"])[0] == rows


def test_rows_are_cut_at_pairs_that_are_held_out_at_random():
    lines = bought("u", A=0, B=1, C=2, D=3, E=4)
    rows, info = rows_of(lines, held_out=["AC", "DE"])
    assert rows == ["AB", "CD"] and info["cut_at_held_out_pairs"] == 2 and info["left_out"]["short_rows"] == 1
    rows, info = rows_of(lines, cold=["C"], held_out=["AF"])
    assert rows == ["ABDE"] and info["left_out"]["cold_products"] == 1


def test_what_an_inner_split_holds_out_leaves_rows_too():
    rows = np.array([[0, 1, 2, 3], [4, 5, 4, -1], [2, 3, -1, -1]], np.int32)
    assert names(without_held_out(rows, split(["AC"], ["F"]))) == ["AB", "CD", "CD"]
    assert without_held_out(np.empty((0, 2), np.int32), split()).shape == (0, 2)


def test_nothing_comes_of_no_orders_and_unknown_products_are_counted():
    made = sessions(HISTORY.empty_table(), IDS, split())
    assert made.rows.shape == (0, 2) and made.rows.dtype == np.int32 and made.info == {}
    rows, info = rows_of([*bought("u", A=0, B=1), {"product": "zz", "customer": "u", "day": 0}])
    assert rows == ["AB"] and info["left_out"]["unknown_products"] == 1


# --- against a plain grouping ----------------------------------------------------------------------------------------

LINE = st.fixed_dictionaries(
    {
        "product": st.sampled_from([*PRODUCTS, "zz"]),
        "order": st.sampled_from([None, "1", "2", "3"]),
        "session": st.sampled_from([None, "s", "t"]),
        "customer": st.sampled_from([None, "u", "v"]),
        "event": st.sampled_from(["purchase", "purchase", "view", "cart"]),
        "later": st.booleans(),
    }
)


def plain(lines, by, events, gap_days, shortest, longest, held_out, cold):
    """The rows, in any order, by loops over lists. Every line has a time of its own."""
    random = not any(line["later"] for line in lines)
    kept = [line for line in lines if not line["later"]]
    wanted = {"purchases": ["purchase"], "views": ["view"], "all": ["purchase", "view", "cart"]}[events]
    kept = [line for line in kept if line["event"] in wanted and line["product"] != "zz"]
    kept = [line for line in kept if not (random and line["product"] in cold)]
    groups = {}
    for line in sorted(kept, key=lambda line: line["day"]):
        if line[by] is not None:
            groups.setdefault(line[by], []).append(line)
    pieces = []
    for group in groups.values():
        before = None
        for line in group:
            if before is None or (by == "customer" and line["day"] - before["day"] > gap_days):
                pieces.append("")
            if pieces[-1][-1:] != line["product"]:
                pieces[-1] += line["product"]
            before = line
    parts = []
    for piece in pieces:
        part = ""
        for product in piece:
            if random and any({product, other} in held_out for other in part):
                parts.append(part)
                part = ""
            part += product
        parts.append(part)
    result = []
    for part in parts:
        n = -(-len(part) // longest)
        bounds = [i * len(part) // n for i in range(n + 1)] if n else [0]
        result += [part[a:b] for a, b in itertools.pairwise(bounds)]
    return sorted(part for part in result if len(part) >= shortest)


@settings(max_examples=150, deadline=None)
@given(
    lines=st.lists(LINE, max_size=30),
    random=st.booleans(),
    days=st.randoms(use_true_random=False),
    by=st.sampled_from(["order", "session", "customer"]),
    events=st.sampled_from(["purchases", "views", "all"]),
    gap_days=st.sampled_from([1, 3, 8]),
    bounds=st.sampled_from([(2, 3), (2, 4), (3, 6), (2, 50)]),
    held_out=st.sets(st.sampled_from(["AB", "AC", "BD", "CD", "EF", "DF"])),
    cold=st.sets(st.sampled_from("EF")),
)
def test_rows_are_those_of_a_plain_grouping_whatever_the_order_of_the_lines(
    lines, random, days, by, events, gap_days, bounds, held_out, cold
):
    times = list(range(len(lines)))
    days.shuffle(times)
    lines = [
        {**line, "day": day, "later": line["later"] and not random} for line, day in zip(lines, times, strict=True)
    ]
    shortest, longest = bounds
    changes = {"by": by, "events": events, "gap_days": gap_days, "shortest": shortest, "longest": longest}
    expected = plain(lines, **changes, held_out=[set(pair) for pair in held_out], cold=cold)
    if not lines:
        return
    rows, _ = rows_of(lines, held_out, cold, **changes)
    assert sorted(rows) == expected
    days.shuffle(lines)
    again, _ = rows_of(lines, held_out, cold, **changes)
    assert again == rows
