"""Which model answers which slot, on leaderboards written by hand."""

import pyarrow as pa
import pytest

from core.errors import InputError
from core.evaluation.leaderboard import LEADERBOARD
from core.recommendations.choice import choose
from core.recommendations.config import FinalModelsConfig


def board(*rows):
    names = ("model", "scoring", "protocol", "metric", "value")
    return pa.Table.from_pylist(
        [
            {"category": "c", "subset": "all", "low": 0.0, "high": 1.0} | dict(zip(names, row, strict=True))
            for row in rows
        ],
        schema=LEADERBOARD,
    )


BOARD = board(
    ("popularity", "native", "ranking", "recall@10", 0.1),
    ("popularity", "native", "next_product", "recall@10", 0.6),
    ("skipgram", "center_context", "published", "roc_auc", 0.99),
    ("skipgram", "center_context", "ranking", "recall@10", 0.4),
    ("skipgram", "center_context", "next_product", "recall@10", 0.5),
    ("skipgram", "center_center", "ranking", "recall@10", 0.2),
    ("node2vec", "center_center", "ranking", "recall@10", 0.9),
    ("node2vec", "center_context", "ranking", "recall@10", None),
    ("node2vec", None, "time", "training", 3.0),
)


def chosen(table, has_orders=True, **wanted):
    choices = choose(table, FinalModelsConfig(**wanted), has_orders)
    return {slot: (choice.model, choice.scoring) for slot, choice in choices.items()}


def test_the_best_of_the_leaderboard_answers_each_slot():
    assert chosen(BOARD) == {
        "goes_with": ("skipgram", "center_context"),
        "similar": ("node2vec", "center_center"),
        "bought_together": ("popularity", "native"),
    }


def test_without_orders_nothing_is_bought_together_and_none_leaves_a_slot_out():
    assert list(chosen(BOARD, has_orders=False)) == ["goes_with", "similar"]
    assert list(chosen(BOARD, similar="none")) == ["goes_with", "bought_together"]


def test_a_named_model_is_taken_with_its_best_scoring():
    assert chosen(BOARD, goes_with="popularity", similar="skipgram") | {"bought_together": 0} == {
        "goes_with": ("popularity", "native"), "similar": ("skipgram", "center_center"), "bought_together": 0,
    }  # fmt: skip


def test_orders_that_are_not_held_out_in_time_leave_it_to_the_pairs():
    pairs_only = board(*[("skipgram", "center_context", "ranking", "recall@10", 0.4),
                         ("popularity", "native", "ranking", "recall@10", 0.5),
                         ("skipgram", "center_center", "ranking", "recall@10", 0.4)])  # fmt: skip
    assert chosen(pairs_only)["bought_together"] == ("popularity", "native")


def test_the_evaluation_that_vouches_is_told():
    choice = choose(BOARD, FinalModelsConfig(), True)["goes_with"]
    assert {name: choice.vouched_by[name] for name in ("protocol", "metric", "value", "low", "high")} == {
        "protocol": "ranking", "metric": "recall@10", "value": 0.4, "low": 0.0, "high": 1.0,
    }  # fmt: skip
    assert [row["protocol"] for row in choice.vouched_by["metrics"]] == ["published", "ranking", "next_product"]


def test_equal_and_missing_numbers_are_decided_by_the_registry():
    tie = board(*[(name, "native", "ranking", "recall@10", 0.5) for name in ("rp3beta", "popularity", "adamic_adar")])
    assert chosen(tie, similar="none")["goes_with"] == ("popularity", "native")
    nothing = board(*[(name, "native", "ranking", "recall@10", None) for name in ("rp3beta", "adamic_adar")])
    assert chosen(nothing, similar="none")["goes_with"] == ("adamic_adar", "native")


def test_a_model_that_was_not_trained_is_refused_with_a_remedy():
    with pytest.raises(
        InputError, match=r"final_models.goes_with: the leaderboard has no model 'blend', because it was"
    ):
        chosen(BOARD, goes_with="blend")
    with pytest.raises(InputError, match=r"final_models.similar: the leaderboard has no model that answers it"):
        chosen(board(("popularity", "native", "ranking", "recall@10", 0.1)))


def test_where_only_the_next_orders_of_customers_were_measured_they_decide():
    table = board(
        ("popularity", "native", "next_order", "recall@10", 0.1),
        ("next_purchase", "native", "next_order", "recall@10", 0.3),
        ("skipgram", "center_center", "next_order", "recall@10", 0.2),
        ("node2vec", "center_center", "next_order", "recall@10", 0.25),
    )
    assert chosen(table) == {
        "goes_with": ("next_purchase", "native"),
        "similar": ("node2vec", "center_center"),
        "bought_together": ("next_purchase", "native"),
    }


def test_where_nothing_was_measured_popularity_comes_last():
    table = board(
        ("popularity", "native", "time", "training", 0.1),
        ("rp3beta", "native", "time", "training", 0.3),
        ("skipgram", "center_center", "time", "training", 0.3),
    )
    assert chosen(table, has_orders=False)["goes_with"] == ("rp3beta", "native")
