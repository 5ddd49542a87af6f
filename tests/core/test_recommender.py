"""The recommender for Python: the pipeline's own results, from any kind of table, saved, loaded and refused."""

import contextlib
import dataclasses
import json
import runpy
import subprocess
import sys
import warnings

import dagster as dg
import networkx as nx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from core import Recommender
from core.errors import InputError
from core.interfaces import TrainedModel
from core.models import MODELS
from core.pairs import ProductPairs
from core.recommender import DEFAULT_SEED
from core.sample import sample_catalog
from core.store import Store
from orchestration.partitions import CATEGORIES, SEED
from tests.conftest import ROOT
from tests.pipeline import UP_TO_THE_GRAPH, local_instance, run, write_pairs

pytestmark = pytest.mark.slow

EXACT = ("popularity", "adamic_adar", "rp3beta")
PAIRS = [("hub", "a"), ("hub", "b"), ("hub", "c"), ("a", "d"), ("b", "d"), ("c", "e")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a source and the store in which the asset graph materialized it with the exact models."""
    folder = tmp_path_factory.mktemp("materialized")
    write_pairs(folder)
    keys = [dg.AssetKey(name) for name in UP_TO_THE_GRAPH]
    keys += [dg.AssetKey([stage, name]) for stage in ("embeddings", "metrics", "neighbours") for name in EXACT]
    with local_instance(folder) as instance:
        assert run(folder / "store", "beta", instance, asset_selection=keys).success
    return folder


@pytest.fixture
def pairs():
    return pd.DataFrame(PAIRS, columns=["product1", "product2"])


def stored(folder, model, kind):
    read = Store(folder / "store").read(f"{kind}/{model}", "beta")
    return (read.table if kind == "neighbours" else read.metrics).to_pandas()


def as_stored(lists):
    """Lists as the table of neighbours has them."""
    return lists.rename(columns={"product_id": "product"}).astype({"product": str, "neighbour": str})


@pytest.mark.parametrize("model", EXACT)
def test_evaluating_a_fit_gives_the_metrics_of_the_pipeline(folder, model):
    settings = CATEGORIES["beta"].settings
    fitted = Recommender.fit(folder / "tiny.csv", model=model, evaluation=settings["evaluation"])
    found = fitted.evaluate()
    assert list(found.columns[:1]) == ["category"] and set(found["category"]) == {"default"}
    pd.testing.assert_frame_equal(found.drop(columns="category"), stored(folder, model, "metrics"))


@pytest.mark.parametrize("model", EXACT)
def test_a_materialized_category_loads_and_answers_as_its_neighbours_do(folder, model):
    loaded = Recommender.load(folder / "store", category="beta", model=model)
    expected = stored(folder, model, "neighbours")
    found = as_stored(loaded.goes_with(loaded.products["product_id"], k=50))
    columns = ["product", "rank", "neighbour", "score"]
    pd.testing.assert_frame_equal(found[columns], expected[columns].astype({"product": str, "neighbour": str}))
    # The metrics on the stored split, measured again, are those that were materialized with it.
    pd.testing.assert_frame_equal(loaded.evaluate().drop(columns="category"), stored(folder, model, "metrics"))


def test_the_seed_is_the_pipelines():
    assert DEFAULT_SEED == SEED


def test_a_fit_knows_all_pairs_and_agrees_with_networkx(pairs):
    graph = nx.Graph(PAIRS)
    recommender = Recommender.fit(pairs, model="adamic_adar")
    ids = list(recommender.products["product_id"])
    assert ids == sorted(graph)
    every = [(a, b) for a in ids for b in ids if a != b]
    expected = [score for _, _, score in nx.adamic_adar_index(graph, every)]
    np.testing.assert_allclose(recommender.score(every), expected, rtol=1e-6)
    found = recommender.goes_with(ids, k=5)
    best = {a: [(b, s) for (x, b), s in zip(every, expected, strict=True) if x == a and s > 0] for a in ids}
    for a in ids:
        rows = found[found["product_id"] == a]
        assert list(rows["rank"]) == list(range(1, len(rows) + 1))
        assert dict(zip(rows["neighbour"], rows["score"], strict=True)) == pytest.approx(dict(best[a]))
        assert list(rows["score"]) == sorted(rows["score"], reverse=True)
    degree = dict(graph.degree)
    popular = Recommender.fit(pairs, model="popularity", smoothing=0)
    np.testing.assert_array_equal(popular.score(every), [degree[a] * degree[b] for a, b in every])


def test_a_column_of_places_counts(pairs):
    fitted = Recommender.fit(pairs.assign(place=[1, 2, 3, 1, 1, 1]), model="popularity").pairs
    ids = fitted.products["product_id"].to_pylist()
    weight = {ids[t]: w for s, t, w in zip(fitted.source, fitted.target, fitted.weight, strict=True) if ids[s] == "c"}
    assert weight == pytest.approx({"e": 1 / (1 + 1 / 20), "hub": 1 / (1 + 3 / 20)})
    assert Recommender.fit(pairs, model="popularity").pairs.listings is None


def test_one_id_or_several_in_the_order_asked(pairs):
    recommender = Recommender.fit(pairs, model="rp3beta")
    one = recommender.goes_with("hub", k=2)
    assert list(one.columns) == ["product_id", "rank", "neighbour", "score"] and len(one) == 2
    both = recommender.goes_with(pd.Series(["d", "hub"]), k=2)
    assert list(dict.fromkeys(both["product_id"])) == ["d", "hub"]
    pd.testing.assert_frame_equal(both[both["product_id"] == "hub"].reset_index(drop=True), one)


def test_a_product_without_pairs_has_no_list_and_no_score(pairs):
    products = pd.DataFrame({"product_id": ["hub", "lonely"], "title": ["Hub", "Lonely"]})
    recommender = Recommender.fit(pairs, products, model="rp3beta")
    assert recommender.goes_with("lonely").empty
    scores = recommender.score([("hub", "lonely"), ("hub", "a")])
    assert np.isnan(scores[0]) and scores[1] > 0
    # Popularity has an answer of its own for such a product.
    assert np.isfinite(Recommender.fit(pairs, products, model="popularity").score([("hub", "lonely")])).all()
    assert recommender.products.set_index("product_id")["title"].dropna().to_dict() == {
        "hub": "Hub",
        "lonely": "Lonely",
    }


class Stream:
    """A table of another library: all that is known of it is that it gives an Arrow stream, with string views."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


def as_file(name, write):
    return lambda frame, folder: (write(frame, folder / name), folder / name)[1]


def views(frame, folder):
    """As polars gives texts and categories."""
    view = pa.array(frame["product2"], pa.string_view())
    codes = pa.array(frame["product1"]).dictionary_encode()
    categories = pa.DictionaryArray.from_arrays(
        codes.indices.cast(pa.uint32()), codes.dictionary.cast(pa.string_view())
    )
    return Stream(pa.table({"product1": categories, "product2": view}))


TABLES = {
    "pandas": lambda frame, folder: frame,
    "pandas with categories": lambda frame, folder: frame.astype("category"),
    "pyarrow": lambda frame, folder: pa.Table.from_pandas(frame),
    "arrow stream": views,
    "csv": as_file("some.csv", lambda frame, path: frame.to_csv(path, index=False)),
    "csv by text": lambda frame, folder: str(TABLES["csv"](frame, folder)),
    "csv by URL": lambda frame, folder: TABLES["csv"](frame, folder).as_uri(),
    "parquet": as_file("some.parquet", lambda frame, path: frame.to_parquet(path)),
}


@pytest.mark.parametrize("kind", list(TABLES))
def test_every_kind_of_table_gives_the_same_lists(pairs, kind, tmp_path):
    recommender = Recommender.fit(TABLES[kind](pairs, tmp_path), model="rp3beta")
    expected = Recommender.fit(pairs, model="rp3beta").goes_with(sorted(nx.Graph(PAIRS)))
    pd.testing.assert_frame_equal(recommender.goes_with(sorted(nx.Graph(PAIRS))), expected)


def test_a_catalogue_and_its_tables_give_the_same_content_based_lists():
    catalog = sample_catalog(80, 4)
    pairs = catalog.relationships.select(["product1", "product2", "relationship"]).to_pandas()
    tables = Recommender.fit(pairs, catalog.products.to_pandas(), model="content_knn")
    whole = Recommender.fit(catalog, model="content_knn")
    ids = list(whole.products["product_id"])
    lists = whole.goes_with(ids)
    assert len(lists) > len(ids)
    pd.testing.assert_frame_equal(tables.goes_with(ids), lists)


def test_amazon_metadata_brings_its_own_products(tmp_path):
    lines = [{"asin": a, "title": a.upper(), "related": {"also_bought": [b]}} for a, b in PAIRS]
    (tmp_path / "meta.json").write_text(
        "".join(json.dumps(line) + "\n" for line in {x["asin"]: x for x in lines}.values())
    )
    recommender = Recommender.fit(tmp_path / "meta.json", model="popularity")
    titles = recommender.products.set_index("product_id")["title"]
    assert titles["hub"] == "HUB" and len(recommender.goes_with("hub")) == len(titles) - 1


def test_whole_numbers_are_ids_by_their_digits(tmp_path):
    recommender = Recommender.fit(pd.DataFrame({"product1": [1, 1, 2], "product2": [2, 3, 3]}), model="popularity")
    pd.testing.assert_frame_equal(recommender.goes_with(np.int64(1)), recommender.goes_with("1"))
    assert set(recommender.goes_with([1])["neighbour"]) == {"2", "3"}


def vectors(seed):
    return np.random.default_rng(seed).normal(size=(5, 4)).astype(np.float32)


def cosines(a, b):
    a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
    return a @ b.T


def hand_made(model, **learned):
    table = pa.table({"product_id": list("abcde"), "has_metadata": [False] * 5})
    pairs = ProductPairs(table, np.int32([0]), np.int32([1]), np.float32([1]))
    trained = TrainedModel(model, np.ones(5, bool), **learned)
    return Recommender(MODELS[model], pairs, trained, settings={})


def best(scores, source):
    row = scores[source].copy()
    row[source] = -np.inf
    return ["abcde"[i] for i in np.argsort(-row)[:4]]


def test_similar_asks_for_likeness_and_goes_with_for_context():
    center, context = vectors(1), vectors(2)
    recommender = hand_made("skipgram", center=center, context=context)
    crossed = cosines(center, context)
    for i, name in enumerate("abcde"):
        assert list(recommender.similar(name)["neighbour"]) == best(cosines(center, center), i)
        assert list(recommender.goes_with(name)["neighbour"]) == best(crossed + crossed.T, i)
    np.testing.assert_allclose(recommender.score([("a", "c")]), (crossed + crossed.T)[0, 2], rtol=1e-5)


def test_similar_of_a_model_built_of_others_is_that_of_its_vectors():
    center = vectors(3)
    parts = {
        "content_knn": TrainedModel("content_knn", np.ones(5, bool)),
        "skipgram_side_info_mean": TrainedModel("x", np.ones(5, bool), center, vectors(4)),
    }
    recommender = hand_made("blend", parts=parts)
    assert list(recommender.similar("b")["neighbour"]) == best(cosines(center, center), 1)


def test_a_saved_recommender_comes_back_as_it_was(pairs, tmp_path):
    models = {"rp3beta": {"beta": 0.4}, "popularity": {}}
    fitted = {m: Recommender.fit(pairs, model=m, seed=7, split={"cold_share": 0.0}, **s) for m, s in models.items()}
    for recommender in fitted.values():
        recommender.save(tmp_path / "store")
    for model, recommender in fitted.items():
        loaded = Recommender.load(tmp_path / "store", model=model)
        assert loaded.settings == recommender.settings and loaded.seed == 7
        pd.testing.assert_frame_equal(loaded.goes_with(["hub", "d"]), recommender.goes_with(["hub", "d"]))
        pd.testing.assert_frame_equal(loaded.evaluate(), recommender.evaluate())
    with pytest.raises(InputError, match=r"has 2 \(popularity, rp3beta\); choose one with model="):
        Recommender.load(tmp_path / "store")


def test_a_loaded_category_is_saved_with_its_split(folder, tmp_path):
    loaded = Recommender.load(folder / "store", "beta", "rp3beta")
    loaded.save(tmp_path, category="copy")
    again = Recommender.load(tmp_path)
    assert again.category == "copy"
    pd.testing.assert_frame_equal(again.evaluate().drop(columns="category"), loaded.evaluate().drop(columns="category"))


def test_a_materialized_category_is_not_overwritten(folder, pairs):
    manifest = Store(folder / "store").manifest("product_pairs", "beta")
    with pytest.raises(InputError, match="as the asset graph materialized it; save under another"):
        Recommender.fit(pairs, model="popularity").save(folder / "store", category="beta")
    assert Store(folder / "store").manifest("product_pairs", "beta") == manifest
    with pytest.raises(InputError, match="1 to 63 lower-case letters"):
        Recommender.fit(pairs, model="popularity").save(folder / "store", category="../beta")


def test_a_model_of_other_pairs_is_refused(pairs, tmp_path):
    Recommender.fit(pairs, model="rp3beta").save(tmp_path)
    other = pairs.assign(product2=pairs["product2"].replace("e", "aa"))  # as many products, in another order
    Recommender.fit(other, model="popularity").save(tmp_path)
    assert Recommender.load(tmp_path, model="popularity").score([("c", "aa")]) > 0
    with pytest.raises(InputError, match=r"embeddings/rp3beta of default was made from other pairs"):
        Recommender.load(tmp_path, model="rp3beta")


def test_what_a_store_does_not_hold_is_said_with_what_it_holds(folder, tmp_path):
    for arguments, message in {
        (tmp_path,): "has no category; materialize one",
        (folder / "store", "gamma"): "has no category 'gamma'; it has beta",
        (folder / "store", "beta"): r"has 3 \(popularity, adamic_adar, rp3beta\)",
        (folder / "store", "beta", "skipgram"): "has no model 'skipgram'; it has popularity",
        (folder / "store", "beta", "magic"): "no model 'magic'; the models are popularity",
    }.items():
        with pytest.raises(InputError, match=message):
            Recommender.load(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "magic"}, "no model 'magic'; the models are popularity, adamic_adar"),
        ({"model": "rp3beta", "gamma": 1}, "rp3beta: .* no setting 'gamma'; the settings of this section are beta"),
        ({"model": "rp3beta", "beta": -1}, r"rp3beta\.beta: -1\.0 is below the smallest"),
        ({"model": "rp3beta", "beta": "0.1"}, r"rp3beta\.beta: '0\.1' is not a float"),
        ({"model": "rp3beta", "walks": {"walk_length": 0}}, r"walks\.walk_length: 0 is below"),
        ({"model": "rp3beta", "settings": {"walk": {}}}, "no section 'walk'; the sections are catalog, pairs, split"),
        ({"model": "rp3beta", "settings": {"walks": 3}}, r"settings\.walks: expected a mapping"),
        ({"model": "skipgram", "device": "gpu"}, "device: the value is not one of auto, cpu, cuda"),
        ({"pairs": 3}, "pairs: expected a pandas or polars DataFrame.* not int"),
        ({"pairs": "nowhere.csv"}, "pairs: .*nowhere.csv does not exist; give the path"),
        ({"products": "nowhere.csv"}, "products: .*nowhere.csv does not exist; give the path"),
        ({"pairs": pd.DataFrame({"a": ["x"], "b": ["y"]})}, "pairs: this is a table with the columns a, b"),
        ({"pairs": pd.DataFrame({"product1": ["x"], "product2": [2.5]})}, "write product ids as text or whole"),
        ({"pairs": pd.DataFrame({"product1": ["x", 1], "product2": ["y", "z"]})}, "pairs: the table cannot be read"),
        ({"pairs": pd.DataFrame({"product1": [], "product2": []})}, "pairs: the table has no rows"),
        ({"pairs": pd.DataFrame({"product1": ["x"], "product2": ["x"]})}, "1 pair a product with itself"),
        ({"products": pd.DataFrame({"colour": ["x"]})}, "products: this is a table with the columns colour"),
        ({"pairs": sample_catalog(50, 2), "products": pd.DataFrame({"product_id": ["x"]})}, "has its own products"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_its_name(pairs, arguments, message):
    with pytest.raises(InputError, match=message):
        Recommender.fit(**({"pairs": pairs, "model": "popularity"} | arguments))


def test_unknown_ids_are_named(pairs):
    recommender = Recommender.fit(pairs, model="popularity")
    with pytest.raises(InputError, match=r"no product 'x', 'y' among the 6 products"):
        recommender.goes_with(["x", "hub", "y", "x"])
    with pytest.raises(InputError, match=r"'p0', 'p1', 'p2', 'p3', 'p4' and 2 more"):
        recommender.similar([f"p{i}" for i in range(7)])
    with pytest.raises(InputError, match="no product 'z'"):
        recommender.score([("hub", "z")])
    with pytest.raises(InputError, match="a product id is text or a whole number, not None"):
        recommender.similar(["hub", None])
    with pytest.raises(InputError, match=r"expected pairs of product ids, not \('hub',\)"):
        recommender.score(["hub"])
    for k in (0, 2.5, True):
        with pytest.raises(InputError, match="is not a whole number of at least 1"):
            recommender.similar("hub", k=k)


def test_settings_reach_their_section(pairs):
    doubled = pairs.assign(relationship=["also_bought", "also_viewed"] * 3)
    weights = Recommender.fit(doubled, model="popularity", settings={"pairs": {"also_viewed": 0.25}}).pairs.weight
    assert sorted(set(weights.tolist())) == [0.25, 1.0]
    assert Recommender.fit(pairs, model="rp3beta", beta=np.float64(0.3)).trained.info["config"]["beta"] == 0.3


def test_rows_that_cannot_be_used_are_counted_and_listed(pairs):
    rows = pd.concat([pairs, pd.DataFrame({"product1": ["a"], "product2": [""]})])
    with pytest.warns(UserWarning, match="1 rows of pairs could not be used"):
        recommender = Recommender.fit(rows, model="popularity", catalog={"max_bad_share": 0.5})
    assert recommender.quarantine[["file", "line", "reason"]].to_numpy().tolist() == [
        ["pairs", 7, "product2 is missing"]
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Recommender.fit(pairs, model="popularity").quarantine.empty


def test_a_diverged_training_is_refused(pairs, monkeypatch):
    plain = type(MODELS["popularity"]).fit

    def spoiled(model, *arguments):
        trained = plain(model, *arguments)
        return dataclasses.replace(trained, matrices={"gram": trained.matrices["gram"] * np.nan})

    monkeypatch.setattr(type(MODELS["popularity"]), "fit", spoiled)
    with pytest.raises(InputError, match=r"the training of popularity failed its checks \(finite: 6 numbers"):
        Recommender.fit(pairs, model="popularity")


def test_progress_is_called_or_written(pairs, capsys):
    calls = []
    Recommender.fit(pairs, model="popularity", progress=lambda *call: calls.append(call))
    assert ("read pairs", 6, 6, "rows") in calls and capsys.readouterr().err == ""
    Recommender.fit(pairs, model="popularity", progress=True)
    assert "read pairs: 6 rows" in capsys.readouterr().err


def test_importing_core_stays_light_and_knows_the_recommender():
    heavy = {"torch", "gensim", "numba", "sklearn", "faiss", "dagster", "pandas", "pyarrow", "streamlit"}
    program = f"import sys, core; print(sorted(set(sys.modules) & {heavy!r})); print(core.Recommender.__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines() == ["[]", "Recommender"], done.stderr


def test_the_example_runs(capsys):
    runpy.run_path(str(ROOT / "examples" / "quickstart.py"), run_name="__main__")
    shown = capsys.readouterr().out
    assert "goes with" in shown and "is like" in shown and "coverage@10" in shown and "loaded: Recommender(" in shown


def test_the_notebook_runs_and_says_what_the_example_does():
    notebook = json.loads((ROOT / "examples" / "quickstart.ipynb").read_text())
    assert notebook["nbformat"] == 4 and all(cell.get("outputs", []) == [] for cell in notebook["cells"])
    names = {}
    with contextlib.chdir(ROOT):
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    assert len(names["goes_with"]) == 5 and names["again"].model == "skipgram"
    script = (ROOT / "examples" / "quickstart.py").read_text()
    [fit] = [line for line in script.splitlines() if "Recommender.fit(" in line]
    assert any(fit in "".join(cell["source"]) for cell in notebook["cells"])
