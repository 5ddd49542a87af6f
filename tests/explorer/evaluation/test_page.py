"""The evaluation page over the hand-made store: its sections, its states, and what it calls things."""

import re

import pyarrow as pa
import pytest

from core.evaluation.result import METRICS, Evaluation
from core.store import Store
from explorer.evaluation.readers import protocols_of
from tests import explorer_fixture as fixture
from tests.explorer_pages import EVALUATION, rerun, texts

SECTIONS = ("Leaderboard", "Curves", "Learning", "Cost", "Categories", "Since the last rebuild")
_IDENTIFIERS = re.compile(r"\b(center_c\w+|native|roc_auc|degree_matched|cold_start|next_product|gensim_word2vec)\b")


def store_with(root, **boards):
    """A store with nothing but the products of alpha and the metrics of some models."""
    store = Store(root)
    store.write("product_pairs", "alpha", fixture.pairs())
    for model, metrics in boards.items():
        whole = fixture.evaluation(model, ("native",), 0.5)
        store.write(f"metrics/{model}", "alpha", Evaluation(metrics, whole.curves, whole.scores, {}))
    return store


def measured(model, protocol, metric, value, low=None, high=None):
    names = {"model": model, "protocol": protocol, "subset": "all", "scoring": "native", "metric": metric}
    return pa.Table.from_pylist([{**names, "value": value, "low": low, "high": high}], schema=METRICS)


def leaderboard(at):
    return at.dataframe[0].value.set_index("model")


def test_the_page_opens_with_the_verdict_and_the_auc_beside_it(full, start):
    """In the fixture, the later orders decide: skip-gram has 0.91 / 5, word2vec 0.83 / 5, popularity 0.75 / 5."""
    at = start(full, EVALUATION)
    assert at.markdown[0].value == (
        "**skip-gram** is best: 18 % of what else was in later orders is in its first ten; next word2vec "
        "(gensim) 17 % (intervals overlap, so the lead may be chance); popularity 15 %."
    )
    assert (at.metric[0].label, at.metric[0].value) == ("Degree-matched AUC", "0.710")


def test_a_model_has_one_row_and_is_compared_with_the_chosen_one(full, start):
    at = start(full, EVALUATION, protocol="ranking")
    frame = leaderboard(at)
    assert list(frame.index) == ["skip-gram", "word2vec (gensim)", "popularity"]
    assert frame["recall@10"].tolist() == pytest.approx([0.91 / 3, 0.83 / 3, 0.25])
    assert frame["difference"].tolist() == pytest.approx([0.16 / 3, 0.08 / 3, 0])
    assert frame["±"].tolist() == pytest.approx([0.02] * 3)
    at.selectbox(key="baseline").set_value("skipgram")
    frame = leaderboard(rerun(at))
    assert frame["difference"].tolist() == pytest.approx([0, -0.08 / 3, -0.16 / 3])
    folded = at.dataframe[1].value
    assert folded["model"].tolist().count("skip-gram") == 2 and set(folded["scoring"]) == {"Goes with", "Similar to"}


def test_the_best_of_a_column_is_marked_and_shares_are_percent(full, start):
    shown = start(full, EVALUATION, protocol="ranking").dataframe[0].proto.arrow_data.styler.display_values
    cells = pa.ipc.open_stream(shown).read_all().to_pydict()
    written = {value for column in cells.values() for value in column}
    assert {"★ 30.3 %", "27.7 %", "25.0 %", "+5.3", "★ 0.228"} <= written
    assert not {"★ 40.0 %"} & written  # all models cover the same share


def test_the_articles_protocol_is_last_and_has_its_figures(full, start):
    at = start(full, EVALUATION, protocol="published")
    assert at.segmented_control(key="protocol").options[-1] == "Article's protocol (easy negatives)"
    assert leaderboard(at)["article"].to_dict() == pytest.approx(
        {"skip-gram": 0.9554, "word2vec (gensim)": 0.9082, "popularity": float("nan")}, nan_ok=True
    )
    at.segmented_control(key="subset").set_value("seen")
    frame = leaderboard(rerun(at))
    assert frame.loc["word2vec (gensim)", "article"] == 0.9735 and frame.loc["skip-gram", "roc_auc"] == pytest.approx(
        0.95
    )
    assert at.query_params["subset"] == "seen"


@pytest.mark.parametrize("protocol", ["published", "degree_matched", "ranking", "cold_start", "next_product"])
def test_every_section_draws_under_every_protocol(full, start, protocol):
    at = start(full, EVALUATION, protocol=protocol)
    charts = []
    for section in SECTIONS:
        at.query_params["section"] = section
        charts.append(rerun(at).get("vega_lite_chart"))
        assert not _IDENTIFIERS.search(texts(at)), section
    assert [len(drawn) for drawn in charts] == [
        protocol != "cold_start",
        4,
        3,
        protocol != "cold_start",
        protocol != "cold_start",
        0,
    ]
    assert all(len(chart.proto.alt) > 30 for drawn in charts for chart in drawn)


def test_popularity_is_a_line_and_no_chart_needs_a_legend(full, start):
    at = start(full, EVALUATION, protocol="ranking")
    for section, lines in (("Leaderboard", 1), ("Curves", 2), ("Learning", 1), ("Cost", 1), ("Categories", 1)):
        at.query_params["section"] = section
        specs = [chart.proto.spec for chart in rerun(at).get("vega_lite_chart")]
        assert sum("popularity" in spec or '"strokeDash": [4, 4]' in spec for spec in specs) >= lines, section
        if section != "Categories":
            assert all('"legend": null' in spec or '"legend"' not in spec for spec in specs)


def test_costs_are_apart_and_never_read_as_nothing(full, start):
    at = start(full, EVALUATION, section="Cost")
    assert list(at.dataframe[0].value.columns)[:2] == ["model", "training"]
    shown = at.dataframe[0].proto.arrow_data.styler.display_values
    written = {value for column in pa.ipc.open_stream(shown).read_all().to_pydict().values() for value in column}
    assert "0.4 s" in written and not any(re.match(r"0\.0+ s", str(value)) for value in written)


def test_all_categories_have_their_verdicts(tmp_path, start):
    fixture.write(tmp_path)
    at = start(fixture.write(tmp_path, "beta"), EVALUATION, protocol="ranking", section="Categories")
    table = at.dataframe[-1].value.set_index("model")
    assert list(table.columns) == ["Alpha (synthetic)", "Beta"]
    assert table.loc["skip-gram", "Beta"] == pytest.approx(0.91 / 3)
    assert [m.value for m in at.markdown if m.value.startswith("**Beta**: skip-gram is best")]


def test_before_the_first_rebuild_there_is_nothing_to_compare(full, start):
    at = start(full, EVALUATION, section="Since the last rebuild")
    assert "There is nothing to compare with yet" in texts(at) and not at.dataframe


def test_after_a_rebuild_the_numbers_of_before_and_now_stand_side_by_side(tmp_path, start):
    store = fixture.write(tmp_path)
    board = store.read("leaderboard", "alpha")
    inputs = store.manifest("leaderboard", "alpha").info
    worse = fixture.evaluation("skipgram", fixture.MODELS["skipgram"], 0.5)
    store.write("metrics/skipgram", "alpha", worse)
    at = start(store, EVALUATION, protocol="ranking", section="Since the last rebuild")
    rows = at.dataframe[0].value.set_index(["model", "metric"])
    now = rows.loc[("skip-gram", "Recall@10")]
    assert now[["then", "now", "change"]].tolist() == ["30.3 %", "16.7 %", "−13.7"] and now["moved"]
    assert rows.index[0] == ("skip-gram", "Recall@10")
    assert rows.loc[("popularity", "Recall@10"), "change"] == "0.0"
    assert "Now: word2vec (gensim) is best" in texts(at)

    # The same once the leaderboard was made again as well, which keeps the one before.
    digests = {name: store.manifest(name, "alpha").digest for name in inputs["inputs"]}
    rest = board.filter(pa.compute.not_equal(board["model"], "skipgram"))
    again = worse.metrics.add_column(0, "category", pa.repeat("alpha", len(worse.metrics)))
    store.write("leaderboard", "alpha", pa.concat_tables([rest, again]), inputs | {"inputs": digests}, way_back=True)
    at = start(store, EVALUATION, protocol="ranking", section="Since the last rebuild")
    assert at.dataframe[0].value.set_index(["model", "metric"]).equals(rows)


def test_an_empty_store_names_the_command_that_fills_it(tmp_path, start):
    store = Store(tmp_path)
    store.write("product_pairs", "alpha", fixture.pairs())
    at = start(store, EVALUATION)
    assert "make materialize CATEGORY=alpha" in at.code[0].value and not at.dataframe


def test_one_model_alone_is_not_called_best_and_has_nothing_to_be_compared_with(tmp_path, start):
    at = start(
        store_with(tmp_path, popularity=measured("popularity", "ranking", "recall@10", 0.1, 0.05, 0.2)), EVALUATION
    )
    assert "popularity is the only model that was measured: 10 %" in texts(at).replace("*", "")
    assert not [box for box in at.selectbox if box.key == "baseline"] and "difference" not in leaderboard(at)


def test_a_model_without_any_number_leaves_the_page_whole(tmp_path, start):
    at = start(store_with(tmp_path, popularity=METRICS.empty_table()), EVALUATION)
    assert "No model was measured yet" in texts(at) and at.info and not at.dataframe


def test_where_only_later_orders_were_measured_only_they_are_offered(tmp_path, start):
    board = {
        name: measured(name, "next_order", "recall@10", value)
        for name, value in (("popularity", 0.1), ("rp3beta", 0.2))
    }
    at = start(store_with(tmp_path, **board), EVALUATION)
    assert "rp3beta is best: 20 % of what was new in customers' next orders" in texts(at).replace("*", "")
    assert at.segmented_control(key="protocol").options == ["Next order"]


def test_a_leaderboard_is_put_together_where_it_is_missing_or_old(tmp_path, start):
    store = fixture.write(tmp_path)
    store.write("metrics/skipgram", "alpha", fixture.evaluation("skipgram", fixture.MODELS["skipgram"], 0.5))
    assert leaderboard(start(store, EVALUATION, protocol="published")).loc["skip-gram", "roc_auc"] == pytest.approx(0.5)


def test_protocols_about_later_orders_come_first_where_they_were_measured(full, start):
    offered = start(full, EVALUATION).segmented_control(key="protocol").options
    assert offered == [
        "Next product", "Rest of the basket", "Lists", "Equally popular pairs", "New products",
        "Article's protocol (easy negatives)",
    ]  # fmt: skip


def test_an_unknown_protocol_in_the_address_is_left_aside(full, start):
    at = start(full, EVALUATION, protocol="no_such_thing", subset="nothing")
    assert at.segmented_control(key="protocol").value == "next_product" and len(at.dataframe) == 2


def test_a_category_whose_pairs_are_not_tested_starts_with_what_was_measured():
    rows = [{"protocol": "published", "value": None}, {"protocol": "next_order", "value": 0.1}]
    rows += [{"protocol": name, "value": None} for name in ("degree_matched", "ranking", "cold_start")]
    assert protocols_of(pa.Table.from_pylist(rows)) == ["next_order"]
