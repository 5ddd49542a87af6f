"""Which models are shown first, and in how many lists a neighbour is."""

import numpy as np
import pyarrow as pa

from explorer.neighbours.model_lists import count_lists_holding, first_models


def test_in_how_many_lists_each_neighbour_stands():
    a, b, c = np.array([1, 2, 3, -1]), np.array([3, 2, 9]), np.array([2, -1])
    assert count_lists_holding([a, b]) == [[1, 2, 2, 1], [2, 2, 1]]
    assert count_lists_holding([a, b, c]) == [[1, 3, 2, 1], [2, 3, 1], [3, 1]]
    assert count_lists_holding([a]) == [[1, 1, 1, 1]] and count_lists_holding([]) == []


def recalls(**values):
    """A leaderboard with these values of recall@10; a name may end with the scoring."""
    rows = [
        {"model": name.split("__")[0], "scoring": (name.split("__")[1:] or ["native"])[0], "protocol": "ranking"}
        | {"subset": "all", "metric": "recall@10", "value": value}
        for name, value in values.items()
    ]
    return pa.Table.from_pylist(rows)


def test_the_first_model_shown():
    offered = {"popularity": ["native"], "rp3beta": ["native"], "skipgram": ["center_context", "center_center"]}
    board = recalls(popularity=0.1, rp3beta=0.5, skipgram__center_center=0.4, skipgram__center_context=0.2, gone=0.9)
    assert first_models(offered, board, "Goes with") == ["rp3beta"]
    assert first_models(offered, board, "Similar to") == ["skipgram"]
    assert first_models(offered | {"blend": ["native"]}, board, "Goes with") == ["blend"]
    assert first_models(offered, None, "Goes with") == ["skipgram"]
    assert first_models({"x": ["native"]}, recalls(x=None), "Similar to") == ["x"]
    assert first_models({}, board, "Goes with") == []
