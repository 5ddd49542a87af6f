"""A small store written by hand for the explorer's tests: no model is trained, and the data is hostile.

A comment beside an id says what is special about that product; all other products are ordinary.
"""

import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from core.catalog.orders_table import ORDERS
from core.categories import Category, load_categories
from core.evaluation.result import CURVES, METRICS, SCORES, Evaluation
from core.graph import build_graph, transition_matrix
from core.interfaces import LEARNING_CURVE, TrainedModel
from core.orders.history import HISTORY
from core.orders.relationships import order_relationships
from core.pairs import ProductPairs
from core.pairs.split import PairSplit, SplitConfig, split_pairs
from core.projection import Projection
from core.recommendations.form import Recommendations
from core.scoring.neighbours import NEIGHBOURS, Neighbours
from core.stages import stages
from core.store import Store

CATEGORY = "alpha"  # in tests/categories.yaml
N = 60
SCRIPT = "B00000SCRIPT"  # HTML, Markdown and an image address in the title
LONG = "B0000000LONG"  # a title of 2,000 characters
ARABIC = "B000000ARAB"  # right to left
JAPANESE = "B000000JAPAN"
UNTITLED = "B000UNTITLED"  # has metadata, but neither title nor brand nor price
LISTED = "A0ONLYLISTED"  # only listed by others: no metadata at all
LONELY = "Z0000LONELY0"  # has metadata, but no pair and so no neighbours
FORMULA = "B000000003"  # a title that a spreadsheet would run
PICTURED = "B000000005"  # has the address of a picture
STOLEN = "B000000006"  # its picture is a file on the server
PICTURE = "http://pictures.example/5.png"
HOSTILE_TITLE = "<script>window.hacked=1</script><b>bold</b> ![x](http://127.0.0.1:9/x.png) **fat** :red[red] $x^2$"
TITLES = {
    SCRIPT: HOSTILE_TITLE,
    LONG: "Endless title " * 142 + "end of title",
    ARABIC: "سماعات لاسلكية مع ميكروفون",
    JAPANESE: "ワイヤレスヘッドホン　マイク付き",
    LONELY: "Lonely lamp",
    FORMULA: '=HYPERLINK("http://127.0.0.1:9/","x")',
}
MODELS = {
    "popularity": ("native",),
    "gensim_word2vec": ("center_center", "center_context"),
    "skipgram": ("center_context", "center_center"),
}
"""Model → scorings. adamic_adar is in the registry too and is left out on purpose."""
WARM = "B000000007"  # an ordinary product with training and held-out pairs, some of each in its skipgram list


def products() -> pa.Table:
    """The products of the fixture, one row per node, sorted by id."""
    special = [SCRIPT, LONG, ARABIC, JAPANESE, UNTITLED, LISTED, LONELY]
    ids = sorted(special + [f"B{i:09d}" for i in range(N - len(special))])
    bare = [i in (UNTITLED, LISTED) for i in ids]
    nothing = pa.nulls(N, pa.int64())
    return pa.table(
        {
            "product_id": ids,
            "title": [None if b else TITLES.get(i, f"Gadget {i[-3:]}") for i, b in zip(ids, bare, strict=True)],
            "brand": pa.array([None if b else ("Acme", "L'Oréal", "索尼")[n % 3] for n, b in enumerate(bare)]),
            "price": pa.array([None if b else 1.5 * n for n, b in enumerate(bare)], pa.float32()),
            "categories": [[] if b else ["Electronics", "Audio"] for b in bare],
            "sales_rank": nothing,
            "image_url": pa.array([{PICTURED: PICTURE, STOLEN: "/etc/passwd"}.get(i) for i in ids], pa.string()),
            "has_metadata": [i != LISTED for i in ids],
        }
    )


def pairs(seed: int = 1) -> ProductPairs:
    """A ring with chords over all products except the lonely one, which is the last."""
    table = products()
    assert table["product_id"][N - 1].as_py() == LONELY
    rng = np.random.default_rng(seed)
    ends = {(i, i + 1) for i in range(N - 2)}
    ends |= {(min(a, b), max(a, b)) for a, b in rng.integers(0, N - 1, size=(200, 2)).tolist() if a != b}
    source, target = np.array(sorted(ends), dtype=np.int32).T
    return ProductPairs(table, source.copy(), target.copy(), np.ones(len(source), np.float32))


def split(of: ProductPairs) -> PairSplit:
    has_metadata = of.products["has_metadata"].to_numpy()
    return split_pairs(N, of.source, of.target, of.weight, has_metadata, SplitConfig(cold_share=0.1))


def neighbours(scorings: tuple[str, ...], seen: np.ndarray, k: int = 20, seed: int = 0) -> Neighbours:
    """Random lists with descending scores for every seen product, in the order that the schema requires."""
    rng = np.random.default_rng(seed)
    ids = products()["product_id"].to_pylist()
    rows = []
    for scoring in scorings:
        for node in np.flatnonzero(seen):
            others = rng.permutation(np.setdiff1d(np.flatnonzero(seen), [node]))[:k]
            scores = np.sort(rng.random(len(others)))[::-1]
            for rank, (other, score) in enumerate(zip(others, scores, strict=True), 1):
                rows.append((ids[node], rank, ids[other], float(score), scoring))
    columns = [list(column) for column in zip(*rows, strict=True)]
    table = pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, NEIGHBOURS, strict=True)], schema=NEIGHBOURS
    )
    return Neighbours(table, {scoring: {"index": "exact", "recall": 1.0} for scoring in scorings})


def evaluation(model: str, scorings: tuple[str, ...], level: float) -> Evaluation:
    """Plausible tables around ``level``."""
    metrics, curves, scores = [], [], []
    for scoring in scorings:
        names = {"model": model, "scoring": scoring}
        for protocol in ("published", "degree_matched"):
            shift = 0.0 if protocol == "published" else -0.2
            for subset in ("all", "seen"):
                value = level + shift + (0.04 if subset == "seen" else 0)
                row = {**names, "protocol": protocol, "subset": subset}
                for metric in ("roc_auc", "average_precision"):
                    low, high = value - 0.01, value + 0.01
                    metrics.append({**row, "metric": metric, "value": value, "low": low, "high": high})
                for t in np.linspace(1, 0, 21):
                    recall, fpr = 1 - t, (1 - t) ** (1 / (1 - value) if value < 1 else 9)
                    precision = recall / (recall + fpr) if recall + fpr else 1.0
                    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
                    point = {
                        "threshold": float(t) if t < 1 else None,
                        "precision": precision,
                        "recall": recall,
                        "f1": f1,
                    }
                    curves.append({**row, **point, "false_positive_rate": fpr})
            for label, middle in (("positive", 0.7), ("negative", 0.3)):
                for low in np.arange(0, 1, 0.1):
                    count = round(100 * np.exp(-((low - middle) ** 2) / 0.05))
                    bin_ = {"label": label, "low": low, "high": low + 0.1, "count": count}
                    scores.append({**names, "protocol": protocol, **bin_})
        row = {**names, "protocol": "ranking", "subset": "all"}
        for metric, value in (("recall@10", level / 3), ("ndcg@10", level / 4), ("mrr", level / 3)):
            metrics.append({**row, "metric": metric, "value": value, "low": value - 0.02, "high": value + 0.02})
        metrics.append({**row, "metric": "coverage@10", "value": 0.4, "low": None, "high": None})
        for protocol, value in (("next_product", level / 5), ("rest_of_basket", level / 6)):
            row = {**names, "protocol": protocol, "subset": "all", "metric": "recall@10"}
            metrics.append({**row, "value": value, "low": value - 0.01, "high": value + 0.01})
        cold = {**names, "protocol": "cold_start", "subset": "all", "metric": "roc_auc"}
        metrics.append({**cold, "value": None, "low": None, "high": None})
    return Evaluation(
        pa.Table.from_pylist(metrics, METRICS),
        pa.Table.from_pylist(curves, CURVES),
        pa.Table.from_pylist(scores, SCORES),
        {"seconds": 0.1},
    )


def embeddings(model: str, seen: np.ndarray, learns: bool) -> TrainedModel:
    curve = LEARNING_CURVE.empty_table()
    if learns:
        curve = pa.table(
            {
                "epoch": [1, 1, 2, 2],
                "batch": [10, 20, 30, 40],
                "examples": [1000, 2000, 3000, 4000],
                "seconds": [0.1, 0.2, 0.3, 0.4],
                "learning_rate": [0.025, 0.005, 0.025, 0.005],
                "loss": [3.0, 2.5, 2.2, 2.1],
                "roc_auc": [0.6, 0.8, 0.9, 0.91],
            }
        ).cast(LEARNING_CURVE)
    info = {"config": {}, "device": "cpu", "seconds": 0.4} | ({"examples_per_second": 1e4} if learns else {})
    vectors = np.zeros((N, 4), np.float32)
    return TrainedModel(model, seen, vectors, vectors, learning_curve=curve, info=info)


def projection(model: str, seen: np.ndarray) -> Projection:
    """A map on which the seen products form a lattice, each at its own position."""
    nodes = np.flatnonzero(seen).astype(np.int32)
    x, y = np.divmod(np.arange(len(nodes)), 8)
    position = np.stack([x / 4 - 0.9, y / 4 - 0.9], axis=1).astype(np.float32)
    return Projection(model, nodes, position, np.arange(len(nodes)) % 5 > 0, {"products": len(nodes)})


ORDER_LINES = (
    # order, session, customer, day, products; what follows the cut is later
    ("o1", None, "anna", "2025-01-05", (WARM, "B000000009", WARM)),
    ("o2", None, "bela", "2025-01-20", (WARM, LONELY)),
    ("o3", None, "anna", "2025-02-10", ("B000000011",)),
    (None, None, "anna", "2025-02-11", (UNTITLED,)),
    ("o4", None, "anna", "2025-03-02", (LONELY, WARM, "B000000011", "B000000012", SCRIPT, LONELY)),
    ("o5", None, "bela", "2025-03-05", ("B000000013",)),
    ("o6", None, "bela", "2025-03-09", (FORMULA, "B000000014", "B000000015")),
    (None, "s7", None, "2025-03-08", ("B000000016", "B000000017")),
    ("o8", None, "<b>c</b>", "2025-03-10", (SCRIPT,)),
)
"""The fixture's orders; all lines are purchases."""
CUT = "2025-03-01"


def history() -> pa.Table:
    """The lines of :data:`ORDER_LINES` as a history."""
    rows = [
        {
            "product": product,
            "order": order,
            "session": session,
            "customer": customer,
            "time": datetime.datetime.fromisoformat(f"{day}T10:00:00+00:00"),
            "event": "purchase",
            "later": day >= CUT,
        }
        for order, session, customer, day, ids in ORDER_LINES
        for product in ids
    ]
    columns = [pa.array([row[field.name] for row in rows]).cast(field.type) for field in HISTORY]
    return pa.table(columns, schema=HISTORY)


CUSTOMER_LISTS = pa.schema(
    [
        ("customer", pa.dictionary(pa.int32(), pa.string())),
        ("rank", pa.int32()),
        ("product_id", pa.dictionary(pa.int32(), pa.string())),
        ("score", pa.float32()),
        ("because", pa.dictionary(pa.int32(), pa.string())),
    ]
)


def customer_lists() -> pa.Table:
    """A list for one customer; its last product is there because it is popular."""
    lists = [("B000000012", 0.9, WARM), ("B000000020", 0.5, "B000000009"), (LONELY, 0.25, WARM), (JAPANESE, 0.0, None)]
    columns = zip(*(("anna", rank, *entry) for rank, entry in enumerate(lists, 1)), strict=True)
    arrays = [pa.array(list(column)).cast(field.type) for column, field in zip(columns, CUSTOMER_LISTS, strict=True)]
    return pa.table(arrays, schema=CUSTOMER_LISTS)


def recommendations(shift: int = 0, model: str = "skipgram") -> Recommendations:
    """Five products after each product and ``shift``, as the ring goes; LONELY has no list, WARM all sources."""
    table = products()
    nodes = ((np.arange(N)[:, None] + shift + np.arange(1, 6)) % N).astype(np.int32)
    sources = np.full((N, 5), 1, np.uint8)
    ids = table["product_id"].to_pylist()
    nodes[ids.index(LONELY)] = -1
    sources[ids.index(WARM)] = [0, 1, 1, 2, 3]
    vouched = {"protocol": "ranking", "metric": "recall@10", "value": 0.3, "low": 0.28, "high": 0.32}
    choice = {"model": model, "scoring": "center_context", "vouched_by": vouched}
    return Recommendations(
        table,
        dict.fromkeys(("goes_with", "similar"), nodes),
        {slot: np.zeros(nodes.shape, np.float32) for slot in ("goes_with", "similar")},
        dict.fromkeys(("goes_with", "similar"), sources),
        {"models": dict.fromkeys(("goes_with", "similar"), choice)},
    )


def quarantine() -> pa.Table:
    lines = [("meta.json.gz", 7, "not a literal", "<script>alert(1)</script>"), ("meta.json.gz", 9, "no id", "{}")]
    names = ("file", "line", "reason", "excerpt")
    return pa.table({name: list(column) for name, column in zip(names, zip(*lines, strict=True), strict=True)})


def write(root, category: str = CATEGORY) -> Store:
    """The whole fixture store."""
    store = Store(root)
    all_pairs = pairs()
    parts = split(all_pairs)
    graph = build_graph(N, parts.train.source, parts.train.target, parts.train.weight)
    seen = np.asarray(graph.degree) > 0
    listed = load_categories(Path(__file__).with_name("categories.yaml"))
    known = listed.get(category) or Category(category, category, source="sample")
    table = stages()

    def materialize(asset: str, value) -> None:
        """Store an asset as the pipeline does: with settings, code version and digests of its inputs."""
        stage = table[asset]
        inputs = {
            name: manifest.digest for name in stage.inputs.values() if (manifest := store.manifest(name, category))
        }
        facts = {"run_id": "0f1e2d3c-0000", "code_version": stage.code_version, "inputs": inputs}
        store.write(asset, category, value, facts | {"config": stage.settings(known) or {}})

    materialize("raw_products", all_pairs.products.drop_columns("has_metadata"))
    materialize("raw_orders", ORDERS.empty_table())
    materialize("raw_relationships", pa.table({"product1": ["a"], "product2": ["b"]}))
    materialize("quarantine", quarantine())
    materialize("order_history", history())
    materialize("order_relationships", order_relationships(HISTORY.empty_table()))
    materialize("product_pairs", all_pairs)
    materialize("pair_split", parts)
    materialize("product_graph", graph)
    materialize("sessions", np.empty((0, 2), np.int32))
    materialize("transition_matrix", transition_matrix(graph))
    materialize("walks", np.zeros((4, 3), np.int32))
    boards = []
    for number, (model, scorings) in enumerate(MODELS.items()):
        materialize(f"embeddings/{model}", embeddings(model, seen, model != "popularity"))
        measured = evaluation(model, scorings, 0.75 + 0.08 * number)
        materialize(f"metrics/{model}", measured)
        materialize(f"neighbours/{model}", neighbours(scorings, seen, seed=number))
        boards.append(measured.metrics.add_column(0, "category", pa.repeat(category, measured.metrics.num_rows)))
    materialize("projection/skipgram", projection("skipgram", seen))
    materialize("leaderboard", pa.concat_tables(boards).combine_chunks())
    materialize("recommendations", recommendations())
    materialize("published/api", recommendations())
    return store
