"""Every page of the explorer over a hand-made store that is full, partial or empty, without a browser."""

import dataclasses
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from core.pairs import ProductPairs
from core.store import Store
from tests import explorer_fixture as fixture
from tests import explorer_pages
from tests.conftest import ROOT
from tests.explorer_pages import APP, DATA, EVALUATION, FRESHNESS, NEIGHBOURS, PAGES, list_rows, rerun, texts


def marks(at):
    """The kinds of marks in the first list."""
    return {tag["kind"] for row in list_rows(at)[0] for tag in row["tags"]}


def test_it_starts_without_dagster_and_without_training_libraries(full):
    program = f"""
import sys
from streamlit.testing.v1 import AppTest
at = AppTest.from_file({APP!r}, default_timeout=120).run()
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
    assert at.dataframe or at.get("deck_gl_json_chart") or list_rows(at)
    for kind in ("vega_lite_chart", "deck_gl_json_chart"):
        assert all(len(chart.proto.alt) > 30 for chart in at.get(kind))
    assert all(frame.proto.alt for frame in at.dataframe)


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
    at.switch_page(EVALUATION).run()
    at.switch_page(NEIGHBOURS).run()
    assert not at.exception
    assert fixture.WARM in [t.value for t in at.text]


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_store_says_what_to_run(tmp_path, start, page):
    at = start(Store(tmp_path / "nothing"), page)
    assert "make materialize CATEGORY=alpha" in [code.value for code in at.code]
    assert not at.dataframe and not list_rows(at)


@pytest.mark.parametrize("page", PAGES)
def test_a_category_of_one_product(tmp_path, start, page):
    store = Store(tmp_path)
    none = np.empty(0, np.int32)
    store.write(
        "product_pairs", "alpha", ProductPairs(fixture.products().slice(0, 1), none, none, none.astype(np.float32))
    )
    at = start(store, page)
    assert "make materialize CATEGORY=alpha" in texts(at)
    if page == NEIGHBOURS:
        assert fixture.LISTED in [t.value for t in at.text]


def test_in_the_middle_of_a_rebuild_no_marks_are_shown(tmp_path, start):
    """product_pairs is new and the split is still the old one, so its node numbers mean other products."""
    store = fixture.write(tmp_path)
    renamed = fixture.products().slice(1)
    pairs = fixture.pairs()
    keep = pairs.source > 0
    store.write(
        "product_pairs",
        "alpha",
        ProductPairs(renamed, pairs.source[keep] - 1, pairs.target[keep] - 1, pairs.weight[keep]),
        store.manifest("product_pairs", "alpha").info,
    )
    at = start(store, product=fixture.WARM, models="skipgram")
    assert "Split unknown" in texts(at)
    assert marks(at) == set() and "cannot be told apart" in texts(at)
    at = start(store, FRESHNESS)
    state = at.dataframe[0].value.set_index("asset")["state"]
    assert state["pair_split"] == "out of date: product_pairs changed since"
    assert state["product_pairs"] == "up to date"


def test_a_broken_categories_file_hides_nothing(full, start, monkeypatch, tmp_path):
    broken = tmp_path / "categories.yaml"
    broken.write_text("categories: [")
    monkeypatch.setenv("ALSOBOUGHT_CATEGORIES", str(broken))
    at = start(full)
    assert "not valid YAML" in at.warning[0].value and list_rows(at)
    broken.write_text("categories: {alpha: {source: sample}, x: {source: x, cron: nightly}}")
    assert "is not a time" in start(full).warning[0].value  # one entry, and the others load


@pytest.mark.parametrize(
    "missing", ["product_graph", "neighbours", "quarantine", "embeddings", "metrics", "projection"]
)
@pytest.mark.parametrize("page", PAGES)
def test_a_category_half_materialized(tmp_path, start, page, missing):
    store = fixture.write(tmp_path)
    shutil.rmtree(tmp_path / missing)
    at = start(store, page)
    assert not at.error


def test_what_fits_together_is_told_by_contents_whatever_the_clocks_said(tmp_path, start, monkeypatch):
    clock = iter(range(2_000_000_000, 1_000_000_000, -1_000))  # each artefact "older" than what it was made from
    with monkeypatch.context() as patched:
        patched.setattr("core.store.artefacts.time.time", lambda: float(next(clock)))
        store = fixture.write(tmp_path)
    state = start(store, FRESHNESS).dataframe[0].value.set_index("asset")["state"]
    board = state.pop("leaderboard")  # it needs the metrics of all models, and the fixture does not have them all
    state = state.drop(["recommendations", "published/api"])  # which follow from it
    assert board.startswith("out of date: ") and {"up to date", "missing"} == set(state)
    assert marks(start(store, product=fixture.WARM, models="skipgram", pairs="all")) == {"known", "held-out"}
    # The same number of products with other pairs: no timestamp tells, and the marks would be wrong.
    with monkeypatch.context() as patched:
        patched.setattr("core.store.artefacts.time.time", lambda: 1.0)
        other = dataclasses.replace(fixture.pairs(seed=2), products=fixture.products())
        store.write("product_pairs", "alpha", other, store.manifest("product_pairs", "alpha").info)
    at = start(store, product=fixture.WARM, models="skipgram")
    assert "Split unknown" in texts(at) and marks(at) == set()
    state = start(store, FRESHNESS).dataframe[0].value.set_index("asset")["state"]
    assert state["pair_split"] == "out of date: product_pairs changed since"


@pytest.mark.parametrize("page", PAGES)
def test_where_every_file_is_damaged_each_page_says_so_in_a_sentence(tmp_path, start, page):
    store = fixture.write(tmp_path)
    for path in tmp_path.rglob("*"):
        if path.suffix in (".npy", ".npz", ".parquet"):
            path.write_bytes(path.read_bytes()[:-1])
    at = start(store, page, product=fixture.WARM)
    if page != FRESHNESS:  # which only reads manifests
        assert at.error and all("damaged" in error.value for error in at.error)
        assert "make materialize" in at.error[0].value.replace("\\", "")


def test_an_unforeseen_error_is_one_sentence_on_the_page_and_a_traceback_in_the_log(full, start, monkeypatch, caplog):
    def fail(category):
        raise RuntimeError("s3cret")

    monkeypatch.setattr("explorer.graph_and_data.readers.read_graph_statistics", fail)
    monkeypatch.setattr(explorer_pages, "rerun", lambda at: at.run())
    at = start(full, DATA)
    assert not at.exception and len(at.error) == 1
    assert "Something went wrong" in at.error[0].value and "s3cret" not in texts(at)
    assert "s3cret" in caplog.text and "Traceback" in caplog.text


def test_a_model_or_category_of_the_address_leads_nowhere(full, start):
    at = start(full, category="../../etc", models=["../../etc/passwd", "skipgram"], product=fixture.WARM)
    assert not at.error and "etc" not in texts(at)
