"""A folder of order lines through the asset graph, and what a new day of orders makes out of date."""

import dataclasses

import dagster as dg
import pytest

from core.catalog import state
from core.store import Store
from orchestration.partitions import CATEGORIES
from orchestration.staleness import stale_assets
from tests.pipeline import UP_TO_THE_GRAPH, local_instance, run

ASSETS = [dg.AssetKey(name) for name in UP_TO_THE_GRAPH]


def day(number, pairs):
    """Orders of two products each."""
    lines = [f"{number}-{i},{p},c{i % 3},2026-03-{number:02d}" for i, pair in enumerate(pairs) for p in pair]
    return "order_id,product_id,customer_id,date\n" + "\n".join(lines) + "\n"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """The category beta, whose source is a folder with one day of orders."""
    (tmp_path / "days").mkdir()
    (tmp_path / "days" / "1.csv").write_text(day(1, [("A", "B"), ("A", "B"), ("B", "C"), ("B", "C"), ("C", "D")]))
    settings = {"orders": {"min_count": 1, "damping": 0.0}}
    changed = dataclasses.replace(CATEGORIES["beta"], source="days", format="orders", settings=settings)
    monkeypatch.setitem(CATEGORIES, "beta", changed)
    return changed


def test_a_folder_of_orders_becomes_pairs_and_a_new_day_rebuilds_them(shop, tmp_path):
    store = Store(tmp_path / "store")
    (tmp_path / ".dagster").mkdir()
    with local_instance(tmp_path / ".dagster") as instance:
        result = run(store.root, "beta", instance, asset_selection=ASSETS)
        assert result.success
        pairs = store.read("product_pairs", "beta")
        ids = pairs.products["product_id"].to_pylist()
        weights = {(ids[a], ids[b]): w for a, b, w in zip(pairs.source, pairs.target, pairs.weight, strict=True)}
        # Twice in one order, and by the same customer (0, 1 or 2) in another order of the same day.
        assert weights[("A", "B")] == pytest.approx(1.2 * 2 + 1.0 * 1) and ids == ["A", "B", "C", "D"]
        assert store.manifest("raw_orders", "beta").fields["value"]["rows"] == 10
        # Customers 0 and 1 bought twice; B twice in a row counts once.
        assert in_sessions(store) == held_out_apart(["ABC", "ABCD", "BC"], store)
        before = state(shop.data, tmp_path)
        assert not stale_names(shop, store, before) & {"raw_orders", "product_pairs"}

        (tmp_path / "days" / "2.csv").write_text(day(2, [("D", "E")] * 2))
        now = state(shop.data, tmp_path)
        assert now != before
        assert "its source changed (1 → 2 files," in stale_assets(shop, store, now).reasons["raw_orders"]
        changed = {"raw_orders", "order_history", "order_relationships", "product_pairs", "product_graph", "sessions"}
        assert changed <= stale_names(shop, store, now)
        result = run(store.root, "beta", instance, asset_selection=ASSETS)
        assert result.success
        metadata = {
            event.asset_key.to_user_string(): event.step_materialization_data.materialization.metadata
            for event in result.all_events if event.is_step_materialization
        }  # fmt: skip
        assert metadata["raw_orders"]["new files"].value == 1 and metadata["raw_orders"]["files"].value == 2
        assert metadata["order_history"]["orders"].value["orders"] == 7
        # The next day, customers 0 and 1 bought D and E.
        assert in_sessions(store) == held_out_apart(["ABCDE", "ABCDE", "BC"], store)
        assert metadata["sessions"]["lines used"].value == sum(map(len, in_sessions(store)))
        assert metadata["sessions"]["sessions"].value["lines"] == 14
        assert "E" in store.read("product_pairs", "beta").products["product_id"].to_pylist()


def in_sessions(store):
    """The rows of the sessions as sorted texts of product ids, each of which is one letter."""
    ids = store.read("product_pairs", "beta").products["product_id"].to_pylist()
    return sorted("".join(ids[node] for node in row if node >= 0) for row in store.read("sessions", "beta").tolist())


def held_out_apart(histories, store):
    """These histories cut before every product that has a held-out pair with one before it; single products go."""
    ids = store.read("product_pairs", "beta").products["product_id"].to_pylist()
    held_out = store.read("pair_split", "beta").validation
    apart = {frozenset((ids[a], ids[b])) for a, b in zip(held_out.source, held_out.target, strict=True)}
    assert apart
    rows = []
    for history in histories:
        row = ""
        for product in history:
            if any(frozenset((product, other)) in apart for other in row):
                rows.append(row)
                row = ""
            row += product
        rows.append(row)
    return sorted(row for row in rows if len(row) > 1)


def stale_names(category, store, source):
    return {key.to_user_string() for key in stale_assets(category, store, source).assets}
