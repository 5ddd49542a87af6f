"""Small shops whose lists are made by hand."""

import numpy as np
import pyarrow as pa

from core.recommendations import GOES_WITH, SIMILAR, SOURCES, Recommendations
from core.recommendations.served import ASSET
from core.serving.prepared import prepare
from core.serving.versions import Versions
from core.store import Store

COLUMNS = pa.schema(
    [
        ("product_id", pa.string()),
        ("title", pa.string()),
        ("brand", pa.string()),
        ("price", pa.float32()),
        ("categories", pa.list_(pa.string())),
    ]
)


def table(rows):
    """Products from dicts, sorted by id."""
    blank = dict.fromkeys(COLUMNS.names)
    return pa.Table.from_pylist(sorted((blank | row for row in rows), key=lambda row: row["product_id"]), COLUMNS)


def lists_of(products, goes_with, similar=None, k=4, source="model"):
    """Recommendations from id → ids, best first. An id may be a pair of an id and its source."""
    ids = products["product_id"].to_pylist()
    node = {product: place for place, product in enumerate(ids)}
    arrays = {}
    for slot, lists in ((GOES_WITH, goes_with), (SIMILAR, similar)):
        if lists is None:
            continue
        nodes = np.full((len(ids), k), -1, np.int32)
        scores = np.full((len(ids), k), np.nan, np.float32)
        sources = np.zeros((len(ids), k), np.uint8)
        for product, entries in lists.items():
            for place, entry in enumerate(entries):
                name, origin = entry if isinstance(entry, tuple) else (entry, source)
                nodes[node[product], place] = node[name]
                sources[node[product], place] = SOURCES.index(origin)
                if origin != "popular":
                    scores[node[product], place] = 1 / (place + 1)
        arrays[slot] = nodes, scores, sources
    columns = [{slot: arrays[slot][i] for slot in arrays} for i in range(3)]
    return Recommendations(products, *columns, {"made": "by hand"})


def served_shop(folder, recommendations, category="shoes"):
    """A shop that answers, from a store in a folder."""
    store = Store(folder / "store")
    store.write(ASSET, category, recommendations)
    versions = Versions(store, folder / "serving", prepare)
    versions.refresh()
    return versions.get(category)
