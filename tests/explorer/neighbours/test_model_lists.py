"""Which models are shown first, and in how many lists a neighbour is."""

import numpy as np

from explorer.neighbours import model_lists
from explorer.neighbours.model_lists import count_lists_holding


def test_in_how_many_lists_each_neighbour_stands():
    a, b, c = np.array([1, 2, 3, -1]), np.array([3, 2, 9]), np.array([2, -1])
    assert count_lists_holding([a, b]) == [[1, 2, 2, 1], [2, 2, 1]]
    assert count_lists_holding([a, b, c]) == [[1, 3, 2, 1], [2, 3, 1], [3, 1]]
    assert count_lists_holding([a]) == [[1, 1, 1, 1]] and count_lists_holding([]) == []


def test_the_first_models_shown():
    assert model_lists.first_models(["popularity", "rp3beta", "skipgram", "blend"]) == ["blend", "skipgram"]
    assert model_lists.first_models(["popularity", "adamic_adar", "rp3beta"]) == ["rp3beta", "popularity"]
    assert model_lists.first_models(["x"]) == ["x"] and model_lists.first_models([]) == []
