"""Selections on the command line."""

import pytest

from core.categories import Category
from core.errors import InputError
from orchestration.command.selection import models_and_above, select_assets
from orchestration.definitions import defs


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("embeddings/skipgrm", "there is no asset 'embeddings/skipgrm'; did you mean 'embeddings/skipgram' or"),
        ("*leaderbord", "there is no asset 'leaderbord'; did you mean 'leaderboard'?"),
        ("Walks+", "did you mean 'walks'"),
        ("qqqq", "no asset 'qqqq'; Write a selection as"),
        ("walks or leaderbord", "no asset 'leaderbord'"),
        ("walks(", "cannot be read"),
        ("", "cannot be read"),
        ("++", "cannot be read"),
        ("group:nope", "selects no asset that can be made"),
        ("source", "selects no asset that can be made"),
    ],
)
def test_a_wrong_selection_is_a_sentence_with_two_examples(text, sentence):
    with pytest.raises(InputError) as error:
        select_assets(defs, text)
    found = str(error.value)
    assert sentence in found and "'embeddings/skipgram+'" in found and "'*leaderboard'" in found and "\n" not in found


def test_a_selection_takes_what_comes_out_of_the_same_step():
    found = {key.to_user_string() for key in select_assets(defs, "raw_products")}
    assert found == {"raw_products", "raw_orders", "raw_relationships", "quarantine"}


@pytest.mark.parametrize("text", ["+pair_split", "*pair_split", ' +key:"pair_split"'])
def test_a_plus_means_everything_above_as_in_the_ui(text):
    found = {key.to_user_string() for key in select_assets(defs, text)}
    assert found == {
        "raw_products", "raw_orders", "raw_relationships", "quarantine", "order_history", "order_relationships",
        "product_pairs", "pair_split",
    }  # fmt: skip


def test_a_plus_means_everything_below_and_a_number_so_many_layers():
    below = {key.to_user_string() for key in select_assets(defs, "embeddings/rp3beta+")}
    assert below == {key.to_user_string() for key in select_assets(defs, "embeddings/rp3beta*")}
    assert below >= {"metrics/rp3beta", "neighbours/rp3beta", "leaderboard", "recommendations"}
    near = {key.to_user_string() for key in select_assets(defs, "1+walks+1")}
    assert "transition_matrix" in near and "product_graph" not in near
    assert "embeddings/skipgram" in near and "metrics/skipgram" not in near


def test_models_come_with_what_they_need_and_no_other_model():
    category = Category("a", "A", "sample")
    found = {key.to_user_string() for key in models_and_above(category, ["blend", "rp3beta"])}
    parts = {"content_knn", "matrix_factorization_bias", "skipgram_side_info_mean"}
    assert {name for name in found if name.startswith("embeddings/")} == {
        f"embeddings/{name}" for name in (*parts, "blend", "rp3beta")
    }
    assert {name for name in found if name.startswith(("metrics/", "neighbours/"))} == {
        "metrics/blend", "metrics/rp3beta", "neighbours/blend", "neighbours/rp3beta",
    }  # fmt: skip
    assert {"raw_products", "quarantine", "pair_split", "walks", "sessions"} <= found and "leaderboard" not in found
    assert "node2vec_walks" not in found
    with pytest.raises(InputError, match="there is no model 'skipgam'; did you mean 'skipgram'"):
        models_and_above(category, ["skipgam"])
