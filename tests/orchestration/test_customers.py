"""Customers through the asset graph, and that nothing is left of one who is deleted from the source."""

import dataclasses

import dagster as dg
import numpy as np
import pytest

from core.catalog import state
from core.customers.lists import LISTS
from core.stages import stages
from core.store import Store
from core.store.manifest import file_entries
from orchestration.partitions import CATEGORIES
from orchestration.staleness import stale_assets
from tests.pipeline import local_instance, run

DELETED = "forgetme"


def ancestors(*assets):
    """The assets that these are made from, and what is made in the same steps."""
    table = stages()
    needed, waiting = set(), list(assets)
    while waiting:
        asset = waiting.pop()
        needed.add(asset)
        waiting += [name for name in table[asset].inputs.values() if name not in needed]
    steps = {table[asset].step for asset in needed}
    return [name for name, stage in table.items() if stage.step in steps]


ASSETS = ancestors("customer_vectors", "customer_lists", "metrics/next_purchase")
SELECTION = [dg.AssetKey(name.split("/")) for name in ASSETS]


def day(number, orders):
    rows = [(i, c, p) for i, (c, products) in enumerate(orders.items()) for p in products]
    lines = [f"{number}-{i},{p},{c},2026-03-{number:02d}" for i, c, p in rows]
    return "order_id,product_id,customer_id,date\n" + "\n".join(lines) + "\n"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """The category beta, whose source is a folder with two days of orders."""
    (tmp_path / "days").mkdir()
    (tmp_path / "days" / "1.csv").write_text(day(1, {"c1": "AB", "c2": "ABE", "c3": "BC", DELETED: "AD"}))
    (tmp_path / "days" / "2.csv").write_text(day(2, {"c1": "C", "c3": "D", "c4": "A", DELETED: "B"}))
    settings = {
        "orders": {"min_count": 1},
        "split": {"by": "last_order"},
        "walks": {"walks_per_node": 2, "walk_length": 5},
        "skipgram": {"dim": 4, "epochs": 1},
        "customers": {"k": 3},
    }
    changed = dataclasses.replace(CATEGORIES["beta"], source="days", format="orders", settings=settings)
    monkeypatch.setitem(CATEGORIES, "beta", changed)
    return changed


def test_a_customer_deleted_from_the_source_is_in_no_artefact_after_the_next_rebuild(shop, tmp_path):
    store = Store(tmp_path / "store")
    (tmp_path / ".dagster").mkdir()
    with local_instance(tmp_path / ".dagster") as instance:
        result = run(store.root, "beta", instance, asset_selection=SELECTION)
        assert result.success, [event.message for event in result.all_events if event.is_failure]
        lists, vectors = store.read("customer_lists", "beta"), store.read("customer_vectors", "beta")
        assert lists.schema.equals(LISTS)
        customers = ["c1", "c2", "c3", "c4", DELETED]
        assert sorted(set(lists["customer"].to_pylist())) == sorted(vectors.customers["customer"].to_pylist())
        assert sorted(set(lists["customer"].to_pylist())) == customers
        assert vectors.vectors.shape == (5, 4) and np.isfinite(vectors.vectors).all()
        # What a customer bought is left out of the list, but for the order that is held out: the list may find it.
        assert {r["product_id"] for r in lists.to_pylist() if r["customer"] == "c1"} == {"C", "D", "E"}
        metadata = {
            event.asset_key.to_user_string(): event.step_materialization_data.materialization.metadata
            for event in result.all_events if event.is_step_materialization
        }  # fmt: skip
        assert metadata["customer_lists"]["measured"].value["customers"] == 3  # c1, c3 and the one to forget
        assert {"customer_lists", "customer_vectors", "order_history", "raw_orders"} <= files_with(store, DELETED)

        for name in ("1.csv", "2.csv"):
            path = tmp_path / "days" / name
            kept = [line for line in path.read_text().splitlines(keepends=True) if DELETED not in line]
            path.write_text("".join(kept))
        out_of_date = stale_assets(shop, store, state(shop.data, tmp_path)).assets
        assert {"customer_lists", "customer_vectors"} <= {key.to_user_string() for key in out_of_date}
        result = run(store.root, "beta", instance, asset_selection=SELECTION)
        assert result.success, [event.message for event in result.all_events if event.is_failure]
    assert files_with(store, DELETED) == set() and files_with(store, "c1")
    assert DELETED not in store.read("customer_lists", "beta")["customer"].to_pylist()
    # Nor in what is kept of files that were read, in checkpoints and in Dagster's records.
    others = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_relative_to(store.root)]
    assert len(others) > 3 and [path for path in others if holds(path, DELETED)] == []


def files_with(store, text):
    """The assets whose current versions contain the text, in file or manifest."""
    containing = set()
    for asset, category in store.artefacts():
        manifest = store.manifest(asset, category)
        folder = store.folder(asset, category)
        paths = [folder / manifest.version / entry["file"] for entry in file_entries(manifest.fields)]
        if any(holds(path, text) for path in (*paths, folder / "manifest.json")):
            containing.add(asset)
    return containing


def holds(path, text):
    """Whether a file contains the text; Parquet is compressed, so its values are looked at."""
    if path.suffix == ".parquet" or path.read_bytes()[:4] == b"PAR1":
        import pyarrow.parquet as pq

        table = pq.read_table(str(path))
        dictionaries = [
            c.combine_chunks().dictionary for c in table.columns if hasattr(c.combine_chunks(), "dictionary")
        ]
        return text in str(table.to_pydict()) or any(text in str(d.to_pylist()) for d in dictionaries)
    return text.encode() in path.read_bytes()
