"""Every page of the explorer over a hand-made store, full, partial and empty, without a browser."""

import dataclasses
import functools
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml

from core import paths
from core.models import MODELS
from core.pairs import ProductPairs
from core.store import Store
from explorer import dagster_links, display
from tests import explorer_fixture as fixture
from tests import explorer_pages
from tests.conftest import ROOT
from tests.explorer_pages import APP, rerun, texts

PAGES = tuple(f"app_pages/{name}.py" for name in ("neighbours", "evaluation", "map", "data", "freshness"))
NEIGHBOURS, EVALUATION, MAP, DATA, FRESHNESS = PAGES


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
at = AppTest.from_file({APP!r}, default_timeout=120)
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
    assert at.dataframe or at.get("deck_gl_json_chart")
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
    if page == NEIGHBOURS:
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
        store.manifest("product_pairs", "alpha").info,
    )
    at = start(store, product=fixture.WARM, models="skipgram")
    assert "Split unknown" in texts(at)
    assert set(at.dataframe[0].value["pair"]) == {""}
    at = start(store, FRESHNESS)
    state = at.dataframe[0].value.set_index("asset")["state"]
    assert state["pair_split"] == "out of date: product_pairs changed since"
    assert state["product_pairs"] == "up to date"


def test_a_broken_categories_file_hides_nothing(full, start, monkeypatch, tmp_path):
    broken = tmp_path / "categories.yaml"
    broken.write_text("categories: [")
    monkeypatch.setenv("ALSOBOUGHT_CATEGORIES", str(broken))
    at = start(full)
    assert "not valid YAML" in at.warning[0].value and at.dataframe
    broken.write_text("categories: {alpha: {source: sample}, x: {source: x, cron: nightly}}")
    assert "is not a time" in start(full).warning[0].value  # one entry, and the others load


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


@pytest.mark.parametrize("protocol", ["published", "degree_matched", "ranking", "cold_start"])
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


def test_freshness_names_what_is_missing(full, start, monkeypatch):
    monkeypatch.setenv("ALSOBOUGHT_DAGSTER_URL", "https://dagster.example/")
    at = start(full, FRESHNESS, asset="embeddings/skipgram")
    state = at.dataframe[0].value.set_index("asset")
    assert state.loc["neighbours/adamic_adar", "state"] == "missing"
    assert state.loc["neighbours/skipgram", "state"] == "up to date"
    assert state.loc["neighbours/skipgram", "run"] == "0f1e2d3c"
    assert state.loc["neighbours/skipgram", "dagster"].startswith("https://dagster.example/assets/neighbours/skipgram?")
    assert "projection/skipgram" in state.index and "projection/node2vec" not in state.index
    everything, chosen = (code.value for code in at.code)
    assert everything == "make materialize CATEGORY=alpha"
    assert 'key:"neighbours/adamic_adar"' in chosen and 'key:"neighbours/skipgram"' not in chosen
    links = [link.proto.url for link in at.get("link_button")]
    assert links[1] == "https://dagster.example/runs/0f1e2d3c-0000"


def test_freshness_says_which_settings_changed(tmp_path, start, monkeypatch):
    store = fixture.write(tmp_path / "store")
    own = yaml.safe_load(paths.categories_file().read_text())["categories"]["alpha"]
    own["settings"]["neighbours"] = {"k": 7}
    (tmp_path / "categories.yaml").write_text(yaml.safe_dump({"categories": {"alpha": own}}), encoding="utf-8")
    monkeypatch.setenv("ALSOBOUGHT_CATEGORIES", str(tmp_path / "categories.yaml"))
    state = start(store, FRESHNESS).dataframe[0].value.set_index("asset")["state"]
    assert state["neighbours/skipgram"] == "out of date: settings changed: k 50 → 7"


def test_the_command_for_what_is_missing_is_one_that_dagster_understands():
    import dagster as dg

    from orchestration.definitions import defs

    wanted = ["embeddings/skipgram", "product_pairs"]
    found = dg.AssetSelection.from_string(dagster_links.selection(wanted)).resolve(defs.resolve_asset_graph())
    assert {key.to_user_string() for key in found} == set(wanted)


def test_embeddings_of_an_earlier_code_version_are_out_of_date(tmp_path, start):
    store = fixture.write(tmp_path)
    seen = np.ones(fixture.N, bool)
    old = store.manifest("embeddings/skipgram", "alpha").info | {"code_version": "0"}
    store.write("embeddings/skipgram", "alpha", fixture.embeddings("skipgram", seen, True), old)
    state = start(store, FRESHNESS).dataframe[0].value.set_index("asset")["state"]
    now = MODELS["skipgram"].version
    assert state["embeddings/skipgram"] == f"out of date: was made by code version 0, the current one is {now}"
    assert state["metrics/skipgram"].startswith("out of date: embeddings/skipgram changed since")


def test_provenance_shows_the_settings(full, start):
    at = start(full, FRESHNESS, asset="projection/skipgram")
    assert at.json and "skipgram" in at.json[0].value
    at.selectbox(key="asset").set_value("product_graph")
    rerun(at)
    assert not at.json and "It has no settings" in texts(at)


def test_quarantined_lines_have_reasons(full, start):
    frames = start(full, DATA).dataframe
    assert frames[0].value["lines"].sum() == 2
    assert frames[1].value["excerpt"].tolist() == ["<script>alert(1)</script>", "{}"]


def test_agreement_is_that_of_the_lists(full, start):
    at = start(full, DATA)
    at.selectbox(key="model a").set_value("gensim_word2vec")
    at.selectbox(key="model b").set_value("skipgram")
    rerun(at)
    lists = {}
    for model in ("gensim_word2vec", "skipgram"):
        scoring = fixture.MODELS[model][0]
        for row in full.read(f"neighbours/{model}", fixture.CATEGORY).table.to_pylist():
            if row["scoring"] == scoring and row["rank"] <= 10:
                lists.setdefault(row["product"], {}).setdefault(model, set()).add(row["neighbour"])
    shared = sorted(len(both["gensim_word2vec"] & both["skipgram"]) for both in lists.values())
    least, most = (frame.value["shared"].tolist() for frame in at.dataframe[2:4])
    assert least == shared[:10] and most == shared[::-1][:10]
    assert f"share {np.mean(shared):.1f} of" in texts(at)


def test_the_map_shows_the_product_of_the_address_and_its_neighbours(full, start):
    at = start(full, MAP, product=fixture.WARM)
    (chart,) = at.get("deck_gl_json_chart")
    layers = {layer["id"]: layer for layer in json.loads(chart.proto.json)["layers"]}
    found = full.read("projection/skipgram", fixture.CATEGORY)
    ids = fixture.products()["product_id"].to_pylist()
    drawn = sum(len(layer["data"]) for name, layer in layers.items() if name.startswith("group"))
    assert drawn == len(found.nodes)
    place = found.nodes.tolist().index(ids.index(fixture.WARM))
    assert layers["chosen"]["data"] == [pytest.approx((found.position[place] * 400).tolist(), abs=0.1)]
    assert len(layers["neighbours"]["data"]) == len(layers["lines"]["data"]) == 10
    assert "Gadget 007" in at.subheader[0].value
    assert "placed beside their nearest" in texts(at)


def test_the_map_is_searched_with_the_keyboard(full, start):
    at = start(full, MAP)
    at.text_input(key="map search").set_value("gadget 007").run()
    at.selectbox(key="map hit").select_index(0)
    rerun(at)
    assert at.query_params["product"] == fixture.WARM
    at.segmented_control(key="colour").set_value("brand")
    rerun(at)
    assert "coloured by brand" in at.get("deck_gl_json_chart")[0].proto.alt


def test_a_product_that_is_not_on_the_map(full, start):
    at = start(full, MAP, product=fixture.LONELY)
    assert "has not seen this product" in at.info[0].value
    at = start(full, MAP, product=fixture.SCRIPT)
    assert "\\<script\\>" in at.subheader[0].value


def test_no_map_is_shown_while_its_numbers_mean_other_products(tmp_path, start):
    store = fixture.write(tmp_path)
    store.write("product_pairs", "alpha", fixture.pairs())  # made again as it was, later
    assert start(store, MAP).get("deck_gl_json_chart")
    store.write("product_pairs", "alpha", fixture.pairs(seed=2))
    at = start(store, MAP)
    assert not at.get("deck_gl_json_chart") and "There are no maps" in at.info[0].value


@pytest.mark.parametrize(
    "missing", ["product_graph", "neighbours", "quarantine", "embeddings", "metrics", "projection"]
)
@pytest.mark.parametrize("page", PAGES)
def test_a_category_half_materialized(tmp_path, start, page, missing):
    store = fixture.write(tmp_path)
    shutil.rmtree(tmp_path / missing)
    at = start(store, page)
    assert not at.error


def test_coverage_counts_only_products_that_have_metadata():
    rows = display.coverage_rows(fixture.products()).set_index("field")
    assert rows.loc["title", "products"] == fixture.N - 2
    assert rows.loc["title", "share"] == pytest.approx((fixture.N - 2) / (fixture.N - 1))
    assert rows.loc["image", "products"] == 2
    nothing = display.coverage_rows(fixture.products().slice(0, 0))
    assert nothing["share"].tolist() == [0.0] * len(nothing)


def test_what_fits_together_is_told_by_contents_whatever_the_clocks_said(tmp_path, start, monkeypatch):
    clock = iter(range(2_000_000_000, 1_000_000_000, -1_000))  # each artefact "older" than what it was made from
    with monkeypatch.context() as patched:
        patched.setattr("core.store.artefacts.time.time", lambda: float(next(clock)))
        store = fixture.write(tmp_path)
    state = start(store, FRESHNESS).dataframe[0].value.set_index("asset")["state"]
    board = state.pop("leaderboard")  # it wants the metrics of all models, and the fixture has some
    assert board.startswith("out of date: ") and {"up to date", "missing"} == set(state)
    assert set(start(store, product=fixture.WARM, models="skipgram").dataframe[0].value["pair"]) == {"", "●", "★"}
    # As many products as before, other pairs: no time says so, and the marks would be wrong.
    with monkeypatch.context() as patched:
        patched.setattr("core.store.artefacts.time.time", lambda: 1.0)
        other = dataclasses.replace(fixture.pairs(seed=2), products=fixture.products())
        store.write("product_pairs", "alpha", other, store.manifest("product_pairs", "alpha").info)
    at = start(store, product=fixture.WARM, models="skipgram")
    assert "Split unknown" in texts(at) and set(at.dataframe[0].value["pair"]) == {""}
    state = start(store, FRESHNESS).dataframe[0].value.set_index("asset")["state"]
    assert state["pair_split"] == "out of date: product_pairs changed since"


@pytest.mark.parametrize("page", PAGES)
def test_where_every_file_is_damaged_each_page_says_so_in_a_sentence(tmp_path, start, page):
    store = fixture.write(tmp_path)
    for path in tmp_path.rglob("*"):
        if path.suffix in (".npy", ".npz", ".parquet"):
            path.write_bytes(path.read_bytes()[:-1])
    at = start(store, page, product=fixture.WARM)
    if page != FRESHNESS:  # which looks at manifests alone
        assert at.error and all("damaged" in error.value for error in at.error)
        assert "make materialize" in at.error[0].value.replace("\\", "")


def test_a_damaged_manifest_is_a_sentence_beside_the_state_of_the_others(tmp_path, start):
    store = fixture.write(tmp_path)
    (store.folder("walks", "alpha") / "manifest.json").write_text("[]")
    at = start(store, FRESHNESS)
    assert len(at.error) == 1 and "walks" in at.error[0].value and "damaged" in at.error[0].value
    state = at.dataframe[0].value.set_index("asset")["state"]
    assert state["walks"] == "damaged" and state["pair_split"] == "up to date"
    assert 'key:"walks"' in at.code[1].value


def test_an_unforeseen_error_is_one_sentence_on_the_page_and_a_traceback_in_the_log(full, start, monkeypatch, caplog):
    def fail(category):
        raise RuntimeError("s3cret")

    monkeypatch.setattr("explorer.data.statistics", fail)
    monkeypatch.setattr(explorer_pages, "rerun", lambda at: at.run())
    at = start(full, DATA)
    assert not at.exception and len(at.error) == 1
    assert "Something went wrong" in at.error[0].value and "s3cret" not in texts(at)
    assert "s3cret" in caplog.text and "Traceback" in caplog.text


def test_a_model_or_category_of_the_address_leads_nowhere(full, start):
    at = start(full, category="../../etc", models=["../../etc/passwd", "skipgram"], product=fixture.WARM)
    assert not at.error and "etc" not in texts(at)
