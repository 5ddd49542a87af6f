"""Known pairs and marks, against plain sets."""

import numpy as np

from core.graph import build_graph
from core.pairs.split import SplitConfig, split_pairs
from explorer.shared.known_pairs import HELD_OUT, TRAIN, KnownPairs
from tests import explorer_fixture as fixture


def test_marks_against_the_definition():
    pairs = fixture.pairs()
    split = split_pairs(
        fixture.N, pairs.source, pairs.target, pairs.weight, np.ones(fixture.N, bool), SplitConfig(cold_share=0.1)
    )
    graph = build_graph(fixture.N, split.train.source, split.train.target, split.train.weight)
    known_pairs = KnownPairs(graph, split)
    assert len(split.cold)

    def partners(source, target, node):
        pairs = zip(source.tolist(), target.tolist(), strict=True)
        return {b if a == node else a for a, b in pairs if node in (a, b)}

    for node in range(fixture.N):
        known = known_pairs.partners(node)
        train = partners(split.train.source, split.train.target, node)
        held_out = partners(split.validation.source, split.validation.target, node)
        cold = node in split.cold.tolist()
        held_out |= partners(split.cold_pairs.source, split.cold_pairs.target, node)
        assert (set(known.train.tolist()), set(known.held_out.tolist()), known.cold) == (train, held_out, cold)
        marks = known.marks(np.arange(-1, fixture.N))
        assert marks[0] == ""
        assert marks[1:] == [TRAIN if i in train else HELD_OUT if i in held_out else "" for i in range(fixture.N)]
    alone = known_pairs.without_pair(np.arange(-1, fixture.N)).tolist()
    assert alone == [False, *(len(known_pairs.partners(node).train) == 0 for node in range(fixture.N))]
    assert set(split.cold.tolist()) <= set(np.flatnonzero(alone[1:]).tolist())

    nodes = [3, 4, int(split.cold[0])]
    together, each = known_pairs.partners_of_any(nodes), [known_pairs.partners(node) for node in nodes]
    train = set().union(*(known.train.tolist() for known in each))
    assert set(together.train.tolist()) == train and not together.cold
    assert set(together.held_out.tolist()) == set().union(*(known.held_out.tolist() for known in each)) - train
