"""Which ids a query finds."""

import pyarrow as pa

from explorer.search.id_search import matching


def test_a_query_is_a_part_of_an_id_and_not_a_pattern():
    ids = pa.array(["A1", "b1", "c.2"])
    assert matching(ids, " a ", 5) == (["A1"], 1)
    assert matching(ids, "1", 1) == (["A1"], 2)
    assert matching(ids, ".", 5) == (["c.2"], 1)
    assert matching(ids, "", 2) == (["A1", "b1"], 3)
