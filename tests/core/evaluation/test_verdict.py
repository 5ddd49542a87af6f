"""The verdict, on leaderboards worked by hand."""

import pyarrow as pa
import pytest

from core.evaluation.leaderboard import leaderboard
from core.evaluation.result import METRICS
from core.evaluation.standings import ranked, standings
from core.evaluation.verdict import judge
from tests.core.evaluation.boards import board, recalls

BEAUTY = recalls(
    ("popularity", 0.003, 0.002, 0.004), ("rp3beta", 0.552, 0.533, 0.571), ("blend", 0.588, 0.572, 0.606)
)  # fmt: skip


def test_the_best_model_the_next_one_and_popularity_are_named_with_their_numbers():
    verdict = judge(BEAUTY)
    assert verdict.sentence("**") == (
        "**blend** is best: 59 % of held-out partners are in its first ten; next rp3beta 55 % (intervals do not "
        "overlap); popularity 0.3 %."
    )
    assert verdict.lead == pytest.approx(0.036) and verdict.is_clear
    assert verdict.auc_sentence() == ""


def test_intervals_that_overlap_are_called_so_and_touching_ones_overlap():
    for low in (0.570, 0.571):
        verdict = judge(recalls(("rp3beta", 0.552, 0.533, 0.571), ("blend", 0.588, low, 0.606)))
        assert verdict.sentence() == (
            "blend is best: 59 % of held-out partners are in its first ten; next rp3beta 55 % (intervals overlap, so "
            "the lead may be chance)."
        )
        assert verdict.is_clear is False


def test_without_intervals_nothing_is_said_about_them():
    for ends in ((), (float("nan"), float("nan"))):
        verdict = judge(recalls(("rp3beta", 0.5, *ends), ("blend", 0.6, *ends)))
        assert verdict.sentence() == (
            "blend is best: 60 % of held-out partners are in its first ten; next rp3beta 50 %."
        )
        assert verdict.is_clear is None


def test_a_tie_names_all_and_has_no_lead():
    verdict = judge(recalls(("rp3beta", 0.5, 0.4, 0.6), ("skipgram", 0.2, 0.1, 0.3), ("blend", 0.5, 0.4, 0.6)))
    assert verdict.sentence("*") == (
        "*rp3beta* and *blend* are equally good: 50 % of held-out partners are in the first ten of each; next "
        "skip-gram 20 %."
    )
    assert verdict.lead == 0 and verdict.is_clear is False
    many = judge(recalls(*((name, 0.5) for name in ("rp3beta", "blend", "skipgram", "node2vec", "popularity"))))
    assert many.sentence().startswith("popularity, rp3beta and 3 others are equally good: 50 %")


def test_two_models_that_differ_do_not_show_the_same_number():
    sentence = judge(recalls(("rp3beta", 0.5871), ("blend", 0.5884))).sentence()
    assert "58.8 % of held-out" in sentence and "next rp3beta 58.7 %" in sentence


def test_one_model_alone_is_not_called_best():
    verdict = judge(recalls(("popularity", 0.003, 0.002, 0.004)))
    assert verdict.sentence() == (
        "popularity is the only model that was measured: 0.3 % of held-out partners are in its first ten."
    )
    assert verdict.lead is None and verdict.is_clear is None


def test_popularity_that_is_best_or_next_is_named_once():
    assert judge(recalls(("popularity", 0.4), ("blend", 0.3), ("rp3beta", 0.1))).sentence() == (
        "popularity is best: 40 % of held-out partners are in its first ten; next blend 30 %."
    )
    assert judge(recalls(("popularity", 0.3), ("blend", 0.4), ("rp3beta", 0.1))).sentence().count("popularity") == 1


def test_lists_without_any_hit_have_no_winner():
    verdict = judge(recalls(("popularity", 0.0), ("blend", 0.0)))
    assert verdict.sentence() == "No model is ahead: nothing that was held out is in the first ten of any list."


def test_every_model_counts_with_its_better_scoring_and_the_auc_is_that_of_the_same():
    table = board(
        ("skipgram", "center_context", "ranking", "recall@10", 0.2),
        ("skipgram", "center_center", "ranking", "recall@10", 0.4),
        ("skipgram", "center_context", "degree_matched", "roc_auc", 0.9),
        ("skipgram", "center_center", "degree_matched", "roc_auc", 0.7),
        ("blend", "native", "ranking", "recall@10", 0.3),
        ("blend", "native", "degree_matched", "roc_auc", 0.8),
    )
    verdict = judge(table)
    assert [standing.scoring for standing in verdict.best] == ["center_center"]
    assert verdict.auc_sentence() == "Degree-matched AUC 0.700 (popularity alone is worth 0.5)."
    assert [standing.model for standing in standings(table, "degree_matched")] == ["skipgram", "blend"]


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        ("next_product", "blend is best: 10 % of what else was in later orders is in its first ten; next rp3beta 8 %."),
        ("next_order", "10 % of what was new in customers' next orders is in its first ten"),
        ("rest_of_basket", "10 % of the products missing from later baskets are in its first ten"),
    ],
)
def test_what_customers_bought_later_counts_before_everything_else(protocol, words):
    later = recalls(("rp3beta", 0.08), ("blend", 0.1), protocol=protocol)
    verdict = judge(pa.concat_tables([recalls(("blend", 0.3), ("rp3beta", 0.6)), later]))
    assert words in verdict.sentence() and verdict.protocol == protocol


def test_a_protocol_without_a_number_leaves_it_to_the_next_one():
    undefined = board(*((name, "native", "ranking", "recall@10", None) for name in ("blend", "rp3beta", "popularity")))
    aucs = board(
        ("blend", "native", "degree_matched", "roc_auc", 0.984, 0.983, 0.985),
        ("rp3beta", "native", "degree_matched", "roc_auc", 0.97, 0.969, 0.971),
        ("popularity", "native", "degree_matched", "roc_auc", 0.495, 0.49, 0.5),
        ("popularity", "native", "published", "roc_auc", 0.999),
    )
    verdict = judge(pa.concat_tables([undefined, aucs]))
    assert verdict.sentence() == (
        "blend is best: degree-matched AUC 0.984; next rp3beta 0.970 (intervals do not overlap); popularity 0.495."
    )
    assert verdict.auc_sentence() == ""
    assert judge(undefined).sentence() == judge(METRICS.empty_table()).sentence() == "No model was measured yet."


def test_times_and_models_that_are_gone_are_no_trouble():
    long = leaderboard({"gone_model": recalls(("gone_model", 0.5))}, "c", {"blend": dict.fromkeys(
        ("training", "probing", "setup", "compilation"), 1.0)})  # fmt: skip
    assert judge(long).sentence().startswith("gone model is the only model")


def test_among_equals_the_registrys_first_is_ranked_first():
    rows = recalls(("unknown", 0.5), ("blend", 0.5), ("popularity", 0.5), ("skipgram", 0.6)).to_pylist()
    assert [row["model"] for row in ranked(rows, "ranking")] == ["skipgram", "popularity", "blend", "unknown"]
