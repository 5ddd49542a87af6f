"""Looking up lists, against scans of the whole table."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.scoring.neighbours import NEIGHBOURS
from explorer.shared.neighbour_file import NeighbourFile
from tests import explorer_fixture as fixture


@pytest.fixture(scope="module", params=[17, 64_000])
def lists(tmp_path_factory, request):
    """The fixture's neighbours in a file of many small row groups, and in a file of a single one."""
    seen = np.ones(fixture.N, bool)
    seen[::7] = False
    table = fixture.neighbours(("native", "center_context", "center_center"), seen, k=12).table
    path = tmp_path_factory.mktemp("lists") / "table.parquet"
    pq.write_table(table, path, row_group_size=request.param)
    return table, NeighbourFile(path)


def test_lookup_agrees_with_a_scan_of_the_whole_table(lists):
    table, file = lists
    rows = table.to_pylist()
    ids = fixture.products()["product_id"].to_pylist()
    empty = 0
    for scoring in ("native", "center_context", "center_center"):
        for product_id in ids:
            expected = [r for r in rows if r["product"] == product_id and r["scoring"] == scoring][:5]
            rows_read = file.lookup(product_id, scoring, 5).to_pylist()
            assert [(r["neighbour"], r["rank"], r["score"]) for r in expected] == [
                (r["neighbour"], r["rank"], r["score"]) for r in rows_read
            ]
            empty += not rows_read
    assert empty == 3 * len(range(0, fixture.N, 7))


def test_several_lists_at_once_are_those_looked_up_one_by_one(lists):
    _, file = lists
    ids = [*fixture.products()["product_id"].to_pylist()[5:25], "nobody", fixture.LONELY]
    for scoring in ("native", "center_center"):
        expected = [file.lookup(product_id, scoring, 7)["neighbour"].to_pylist() for product_id in ids]
        assert file.lookup_many(ids, scoring, 7) == expected and [] in expected
    assert file.lookup_many([], "native", 7) == []


def test_lookup_of_what_is_not_there(lists):
    _, file = lists
    for product_id, scoring in (("", "native"), ("~~~", "native"), ("B000000001", "cosine")):
        assert file.lookup(product_id, scoring, 10).num_rows == 0


def test_lookup_in_an_empty_file_and_without_statistics(tmp_path):
    pq.write_table(NEIGHBOURS.empty_table(), tmp_path / "empty.parquet")
    assert NeighbourFile(tmp_path / "empty.parquet").lookup("a", "native", 5).num_rows == 0
    table = fixture.neighbours(("native",), np.ones(fixture.N, bool)).table
    pq.write_table(table, tmp_path / "bare.parquet", write_statistics=False, row_group_size=50)
    neighbours = NeighbourFile(tmp_path / "bare.parquet").lookup("B000000003", "native", 4)
    assert neighbours["rank"].to_pylist() == [1, 2, 3, 4]


def test_only_row_groups_that_can_hold_the_product_are_read(lists, monkeypatch):
    _, file = lists
    read = []
    original = pq.ParquetFile.read_row_group

    def spy(self, group, columns, **more):
        read.append((group, tuple(columns)))
        return original(self, group, columns=columns, **more)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", spy)
    assert file.lookup("B000000001", "center_context", 5).num_rows == 5
    # A list of 12 lies in at most 2 groups of 17. Groups where two scorings meet span all ids, which adds at most two.
    # Neighbours are only read from the groups that hold the list.
    assert len({group for group, _ in read}) <= 4
    assert len([group for group, columns in read if "neighbour" in columns]) <= 2


def test_lookups_from_many_sessions_at_once(lists):
    _, file = lists
    ids = fixture.products()["product_id"].to_pylist()
    alone = [file.lookup(product_id, "native", 5).to_pylist() for product_id in ids]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            together = pool.map(lambda product_id: file.lookup(product_id, "native", 5).to_pylist(), ids)
            assert list(together) == alone
