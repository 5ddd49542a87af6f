"""Every page of the explorer over a hand-made store, full, partial and empty, without a browser."""

import functools
import os
import subprocess
import sys

import numpy as np
import pytest

from core.pairs import ProductPairs
from core.store import Store
from explorer import display
from tests import explorer_fixture as fixture
from tests import explorer_pages
from tests.conftest import ROOT
from tests.explorer_pages import APP, rerun, texts

PAGES = ("app_pages/neighbours.py", "app_pages/evaluation.py", "app_pages/data.py")


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    return fixture.write(tmp_path_factory.mktemp("full"))


@pytest.fixture
def start(monkeypatch):
    """Start the app over a store: ``start(store, page, product=...)``."""
    return functools.partial(explorer_pages.start, monkeypatch)


def test_it_starts_without_dagster_and_without_training_libraries(full):
    program = f"""
import sys
from streamlit.testing.v1 import AppTest
at = AppTest.from_file({APP!r}, default_timeout=30)
for page in {PAGES!r}:
    at.switch_page(page).run()
    assert not at.exception, at.exception[0].value
print(*sorted(set(sys.modules) & {{"dagster", "torch", "gensim", "numba", "sklearn", "faiss"}}))
"""
    environment = os.environ | {"ALSOBOUGHT_STORE": str(full.root)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


@pytest.mark.parametrize("page", PAGES)
def test_every_page_draws_without_complaint(full, start, page):
    at = start(full, page)
    assert not at.error and not at.warning
    assert at.dataframe


def test_category_titles_come_from_the_file_and_switching_forgets_the_product(full, start):
    at = start(full, product=fixture.WARM, basket=fixture.WARM, why=fixture.SCRIPT)
    picker = at.sidebar.selectbox[0]
    assert picker.options == ["Alpha (synthetic)", "Beta (nothing yet)", "Missing (nothing yet)"]
    picker.select_index(1)
    rerun(at)
    assert at.query_params["category"] == "beta"
    assert not {"product", "basket", "why"} & set(at.query_params)
    assert "make materialize CATEGORY=beta" in texts(at)


def test_the_product_survives_a_look_at_another_page(full, start):
    at = start(full, product=fixture.WARM)
    at.switch_page(PAGES[1]).run()
    at.switch_page(PAGES[0]).run()
    assert not at.exception
    assert fixture.WARM in [t.value for t in at.text]


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_store_says_what_to_run(tmp_path, start, page):
    at = start(Store(tmp_path / "nothing"), page)
    assert "make materialize CATEGORY=alpha" in [code.value for code in at.code]
    assert not at.dataframe


@pytest.mark.parametrize("page", PAGES)
def test_a_category_of_one_product(tmp_path, start, page):
    store = Store(tmp_path)
    none = np.empty(0, np.int32)
    store.write(
        "product_pairs", "alpha", ProductPairs(fixture.products().slice(0, 1), none, none, none.astype(np.float32))
    )
    at = start(store, page)
    assert "make materialize CATEGORY=alpha" in texts(at)
    if page == PAGES[0]:
        assert fixture.LISTED in [t.value for t in at.text]


def test_in_the_middle_of_a_rebuild_no_marks_are_shown(tmp_path, start):
    """product_pairs is new, the split is still the old one: its node numbers mean other products."""
    store = fixture.write(tmp_path)
    renamed = fixture.products().slice(1)
    pairs = fixture.pairs()
    keep = pairs.source > 0
    store.write(
        "product_pairs",
        "alpha",
        ProductPairs(renamed, pairs.source[keep] - 1, pairs.target[keep] - 1, pairs.weight[keep]),
    )
    at = start(store, product=fixture.WARM, models="skipgram")
    assert "Split unknown" in texts(at)
    assert set(at.dataframe[0].value["pair"]) == {""}
    at = start(store, PAGES[2])
    state = at.dataframe[0].value.set_index("asset")["state"]
    assert state["pair_split"] == "out of date: product_pairs changed" and state["product_pairs"] == "up to date"


def test_a_broken_categories_file_hides_nothing(full, start, monkeypatch, tmp_path):
    broken = tmp_path / "categories.yaml"
    broken.write_text("categories: [")
    monkeypatch.setenv("ALSOBOUGHT_CATEGORIES", str(broken))
    at = start(full)
    assert "not valid YAML" in at.warning[0].value and at.dataframe


def test_leaderboard_numbers_and_the_articles(full, start):
    at = start(full, PAGES[1])
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


@pytest.mark.parametrize("protocol", ["published", "degree_matched", "ranking", "cold_start"])
def test_every_protocol_draws(full, start, protocol):
    at = start(full, PAGES[1], protocol=protocol)
    columns = at.dataframe[0].value.columns
    assert ("article" in columns) == (protocol == "published")
    charts = at.get("vega_lite_chart")
    assert len(charts) >= 6
    assert all(len(chart.proto.alt) > 30 for chart in charts)


def test_a_leaderboard_is_put_together_where_it_is_missing_or_old(tmp_path, start):
    store = fixture.write(tmp_path)
    store.write("metrics/skipgram", "alpha", fixture.evaluation("skipgram", fixture.MODELS["skipgram"], 0.5))
    frame = start(store, PAGES[1]).dataframe[0].value.set_index(["model", "scoring"])
    assert frame.loc[("skipgram", "center_context"), "roc_auc"] == pytest.approx(0.5)


def test_freshness_names_what_is_missing_and_what_was_left_out(full, start):
    at = start(full, PAGES[2])
    state = at.dataframe[0].value.set_index("asset")
    assert state.loc["neighbours/adamic_adar", "state"] == "missing"
    assert state.loc["neighbours/skipgram", "state"] == "up to date"
    assert state.loc["neighbours/skipgram", "run"] == "0f1e2d3c"
    assert "make materialize CATEGORY=alpha" in [code.value for code in at.code]
    reasons = at.dataframe[1].value
    assert reasons["lines"].sum() == 2
    assert at.dataframe[2].value["excerpt"].tolist() == ["<script>alert(1)</script>", "{}"]


def test_coverage_counts_only_products_that_have_metadata():
    rows = display.coverage_rows(fixture.products()).set_index("field")
    assert rows.loc["title", "products"] == fixture.N - 2
    assert rows.loc["title", "share"] == pytest.approx((fixture.N - 2) / (fixture.N - 1))
    assert rows.loc["image", "products"] == 2
    nothing = display.coverage_rows(fixture.products().slice(0, 0))
    assert nothing["share"].tolist() == [0.0] * len(nothing)
