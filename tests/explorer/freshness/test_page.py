"""The freshness page over the hand-made store, whole and damaged."""

import numpy as np
import yaml

from core import paths
from core.models import MODELS
from tests import explorer_fixture as fixture
from tests.explorer_pages import FRESHNESS, rerun, texts


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
    missing = [name for name in state.index if state.loc[name, "state"] == "missing"]
    [caption] = [text.value for text in at.caption if text.value.startswith("Missing: ")]
    models = sum(name.startswith("embeddings/") for name in missing)
    assert f"{models} of {len(MODELS)} in Trained models" in caption and "adamic_adar" not in caption
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


def test_embeddings_of_an_earlier_code_version_are_out_of_date(tmp_path, start):
    store = fixture.write(tmp_path)
    seen = np.ones(fixture.N, bool)
    old = store.manifest("embeddings/skipgram", "alpha").info | {"code_version": "0", "seconds": 65.0}
    store.write("embeddings/skipgram", "alpha", fixture.embeddings("skipgram", seen, True), old)
    at = start(store, FRESHNESS)
    assert "What is out of date took 1 min 5 s of work when it was last made." in texts(at)
    state = at.dataframe[0].value.set_index("asset")["state"]
    now = MODELS["skipgram"].version
    assert state["embeddings/skipgram"] == f"out of date: was made by code version 0, the current one is {now}"
    assert state["metrics/skipgram"].startswith("out of date: embeddings/skipgram changed since")


def test_provenance_shows_the_settings(full, start):
    at = start(full, FRESHNESS, asset="projection/skipgram")
    assert at.json and "skipgram" in at.json[0].value
    at.selectbox(key="asset").set_value("product_graph")
    rerun(at)
    assert not at.json and "It has no settings" in texts(at)


def test_a_damaged_manifest_is_a_sentence_beside_the_state_of_the_others(tmp_path, start):
    store = fixture.write(tmp_path)
    (store.folder("walks", "alpha") / "manifest.json").write_text("[]")
    at = start(store, FRESHNESS)
    assert len(at.error) == 1 and "walks" in at.error[0].value and "damaged" in at.error[0].value
    state = at.dataframe[0].value.set_index("asset")["state"]
    assert state["walks"] == "damaged" and state["pair_split"] == "up to date"
    assert 'key:"walks"' in at.code[1].value
