"""Co-occurrence cosine against plain loops, in dense NumPy, and a hand-worked walk."""

import numpy as np
import pytest

from core.errors import InputError
from core.interfaces import NATIVE, Inputs, TrainContext, TrainedModel
from core.models import MODELS
from core.models.cooccurrence.config import CooccurrenceConfig
from core.scoring.factory import scorer

MODEL = MODELS["cooccurrence"]
N = 60


def random_walks(seed: int = 0) -> np.ndarray:
    """300 walks of up to 9 among the first 50 of 60 nodes; popular nodes repeat within a walk."""
    rng = np.random.default_rng(seed)
    walks = (50 * rng.random((300, 9)) ** 2).astype(np.int32)
    for row in range(0, 300, 4):
        walks[row, 1 + row % 8 :] = -1
    return walks


def dense(walks: np.ndarray, window: int) -> np.ndarray:
    together = np.zeros((N, N))
    for walk in walks:
        for a, left in enumerate(walk):
            for b, right in enumerate(walk):
                if a != b and abs(a - b) <= window and left >= 0 and right >= 0 and left != right:
                    together[left, right] += 1
    total = np.maximum(together.sum(axis=1), 1)
    return together / np.sqrt(np.outer(total, total))


def fit(walks: np.ndarray, threads: int = 2, **config: int) -> TrainedModel:
    return MODEL.fit(Inputs(n_nodes=N, walks=walks), CooccurrenceConfig(**config), TrainContext(threads=threads))


@pytest.mark.parametrize("window", [1, 3, 20])
@pytest.mark.parametrize("threads", [1, 3])
def test_pairs_and_lists_are_those_of_plain_loops(window, threads):
    walks = random_walks()
    trained, reference = fit(walks, threads, window=window), dense(walks, window)
    assert np.allclose(trained.matrices["chain_0"].toarray(), reference, rtol=1e-5)
    model_scorer = scorer(MODEL, trained, NATIVE, threads)
    source, target = np.triu_indices(N, k=1)
    assert np.allclose(model_scorer.score_pairs(source, target), reference[source, target], rtol=1e-5)
    ids, scores = model_scorer.top_k(np.arange(N, dtype=np.int32), 5)
    for i in range(N):
        best = np.sort(reference[i][reference[i] > 0])[::-1][:5]
        assert np.allclose(scores[i, : len(best)], best, rtol=1e-5)
        assert np.allclose(reference[i, ids[i, : len(best)]], best, rtol=1e-5)
    assert trained.seen.tolist() == [i in walks for i in range(N)]


def test_a_walk_by_hand():
    """Walk 0 1 0 2, window 2: the first 0 is too far from 2, and 0 with itself does not count."""
    trained = fit(np.array([[0, 1, 0, 2]], np.int32), window=2)
    cosines = trained.matrices["chain_0"].toarray()[:3, :3]
    # C[0, 1] = 2, C[0, 2] = 1, C[1, 2] = 1; C[0] = 3, C[1] = 3, C[2] = 2
    expected = np.array([[0, 2 / 3, 1 / 6**0.5], [2 / 3, 0, 1 / 6**0.5], [1 / 6**0.5, 1 / 6**0.5, 0]])
    assert np.allclose(cosines, expected)


def test_only_the_best_of_a_row_are_kept():
    walks = random_walks()
    reference = dense(walks, 3).astype(np.float32)
    matrix = fit(walks, window=3, keep=4).matrices["chain_0"]
    assert np.diff(matrix.indptr).max() == 4 and matrix.has_sorted_indices
    for i in range(50):
        order = np.lexsort((np.arange(N), -reference[i]))[:4]
        kept = matrix.indices[matrix.indptr[i] : matrix.indptr[i + 1]]
        assert np.allclose(np.sort(reference[i, kept]), np.sort(reference[i, order]), rtol=1e-5)
    ties = fit(np.array([[0, 1], [0, 2], [0, 3]], np.int32), keep=2).matrices["chain_0"]
    assert ties[0].indices.tolist() == [1, 2]


def test_no_walks_are_an_error_that_says_so():
    with pytest.raises(InputError, match="walks: there are no walks"):
        MODEL.fit(Inputs(n_nodes=3), CooccurrenceConfig())
    with pytest.raises(InputError, match="another product graph"):
        fit(np.array([[0, N]], np.int32))
