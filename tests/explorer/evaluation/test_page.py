"""The evaluation page over the hand-made store."""

import pyarrow as pa
import pytest

from explorer.evaluation.readers import protocols_of
from tests import explorer_fixture as fixture
from tests.explorer_pages import EVALUATION, rerun


def test_leaderboard_numbers_and_the_articles(full, start):
    at = start(full, EVALUATION)
    frame = at.dataframe[0].value.set_index(["model", "scoring"])
    assert frame.loc[("skipgram", "center_context"), "roc_auc"] == pytest.approx(0.91)
    assert frame.loc[("skipgram", "center_context"), "± roc_auc"] == pytest.approx(0.01)
    assert frame.loc[("skipgram", "center_context"), "article"] == 0.9554
    assert frame["article"].count() == 2
    assert frame["roc_auc"].is_monotonic_decreasing
    at.segmented_control(key="subset").set_value("seen")
    rerun(at)
    frame = at.dataframe[0].value.set_index(["model", "scoring"])
    assert frame.loc[("skipgram", "center_context"), "roc_auc"] == pytest.approx(0.95)
    assert frame.loc[("gensim_word2vec", "center_center"), "article"] == 0.9735


def test_evaluation_across_categories(tmp_path, start):
    fixture.write(tmp_path)
    store = fixture.write(tmp_path, "beta")
    at = start(store, EVALUATION, protocol="ranking")
    at.selectbox(key="across metric").set_value("ndcg@10")
    rerun(at)
    table = at.dataframe[-1].value.set_index(["model", "scoring"])
    assert list(table.columns) == ["Alpha (synthetic)", "Beta"]
    assert table.loc[("skipgram", "center_context"), "Beta"] == pytest.approx(0.91 / 4)


@pytest.mark.parametrize("protocol", ["published", "degree_matched", "ranking", "cold_start", "next_product"])
def test_every_protocol_draws(full, start, protocol):
    at = start(full, EVALUATION, protocol=protocol)
    columns = at.dataframe[0].value.columns
    assert ("article" in columns) == (protocol == "published")
    charts = at.get("vega_lite_chart")
    assert len(charts) >= 6
    assert all(len(chart.proto.alt) > 30 for chart in charts)


def test_a_leaderboard_is_put_together_where_it_is_missing_or_old(tmp_path, start):
    store = fixture.write(tmp_path)
    store.write("metrics/skipgram", "alpha", fixture.evaluation("skipgram", fixture.MODELS["skipgram"], 0.5))
    frame = start(store, EVALUATION).dataframe[0].value.set_index(["model", "scoring"])
    assert frame.loc[("skipgram", "center_context"), "roc_auc"] == pytest.approx(0.5)


def test_protocols_about_later_orders_are_offered_where_they_were_measured(full, start):
    offered = start(full, EVALUATION).segmented_control(key="protocol").options
    assert offered[-2:] == ["next_product", "rest_of_basket"] and "next_order" not in offered


def test_a_category_whose_pairs_are_not_tested_starts_with_what_was_measured():
    rows = [{"protocol": "published", "value": None}, {"protocol": "next_order", "value": 0.1}]
    rows += [{"protocol": name, "value": None} for name in ("degree_matched", "ranking", "cold_start")]
    assert protocols_of(pa.Table.from_pylist(rows)) == ["next_order"]
