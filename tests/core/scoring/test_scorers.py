"""Scorers against dense NumPy: pair scores and exact lists, with ties, masks, unseen and zero rows."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from core.interfaces import CENTER_CENTER, CENTER_CONTEXT, NATIVE, Model, Scorer, TrainedModel
from core.progress import silent
from core.scoring import exact_search
from core.scoring.chains import ChainScorer
from core.scoring.exact_search import Search
from core.scoring.factory import scorer
from core.scoring.vectors import DotScorer, RankOneScorer, VectorScorer


def model(*scorings: str, scorer: str = "core.scoring.vectors:scorer") -> Model:
    return Model("test", "", "", "", (), scorings, scorer)


def dense_top_k(
    scores: np.ndarray, seen: np.ndarray, sources: np.ndarray, k: int, mask: np.ndarray, positive_only: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The contract of ``Scorer.top_k``, by sorting whole rows."""
    ids = np.full((len(sources), k), -1)
    values = np.full((len(sources), k), -np.inf)
    for row, i in enumerate(sources):
        allowed = seen & seen[i] & ~mask[row] & (np.arange(len(seen)) != i)
        if positive_only:
            allowed &= scores[i] > 0
        ascending = np.flatnonzero(allowed)
        best = ascending[np.argsort(-scores[i, ascending], kind="stable")][:k]
        ids[row, : len(best)] = best
        values[row, : len(best)] = scores[i, best]
    return ids, values


def assert_lists_match(
    one: Scorer, dense: np.ndarray, seen: np.ndarray, k: int, seed: int, positive_only: bool
) -> None:
    """Agreement of ids, order included, and of scores; scores that tie must tie exactly in ``dense`` as well."""
    rng = np.random.default_rng(seed)
    n = len(seen)
    sources = rng.permutation(n).astype(np.int32)[: rng.integers(1, n + 1)]
    masked = rng.random((len(sources), n)) < rng.choice([0.0, 0.3, 1.0])
    for mask in (None, sp.csr_matrix(masked.astype(np.float32))):
        ids, scores = one.top_k(sources, k, mask=mask)
        assert ids.dtype == np.int32 and scores.dtype == np.float32
        blocked = masked if mask is not None else np.zeros_like(masked)
        expected_ids, expected = dense_top_k(dense, seen, sources, k, blocked, positive_only)
        assert np.array_equal(ids, expected_ids)
        assert np.allclose(scores, expected, rtol=1e-5, atol=1e-6)


def unit(x: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, length, out=np.zeros_like(x), where=length > 0)


def vectors(n: int, dim: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    center, context = rng.standard_normal((2, n, dim)).astype(np.float32)
    center[n // 2] = 0
    context[n // 3] = 0
    return center, context


def test_center_center_is_the_cosine():
    center, context = vectors(40, 8, 0)
    one = scorer(
        model(CENTER_CENTER, CENTER_CONTEXT), TrainedModel("test", np.ones(40, bool), center, context), CENTER_CENTER
    )
    source, target = np.divmod(np.arange(1600), 40)
    expected = unit(center.astype(float)) @ unit(center.astype(float)).T
    assert np.allclose(one.score_pairs(source, target), expected.ravel(), atol=1e-6)


def test_center_context_is_the_sum_of_both_cosines():
    center, context = vectors(40, 8, 1)
    one = scorer(model(CENTER_CONTEXT), TrainedModel("test", np.ones(40, bool), center, context), CENTER_CONTEXT)
    source, target = np.divmod(np.arange(1600), 40)
    forth = unit(center.astype(float)) @ unit(context.astype(float)).T
    assert np.allclose(one.score_pairs(source, target), (forth + forth.T).ravel(), atol=1e-6)


@pytest.mark.parametrize("crossed", [False, True])
@pytest.mark.parametrize("k", [1, 7, 60])
def test_vector_lists_are_exact(crossed, k):
    n = 50
    center, context = vectors(n, 8, 2)
    seen = np.random.default_rng(3).random(n) < 0.8
    one = VectorScorer(seen, center, context if crossed else None)
    dense = one.queries(np.arange(n)).astype(float) @ one.vectors.T.astype(float)
    # The zero row makes exact ties (all its scores are 0); other scores differ by more than float32 rounding.
    for seed in range(5):
        assert_lists_match(one, np.round(dense, 7), seen, k, seed, positive_only=False)


@pytest.mark.parametrize("biased", [False, True])
def test_native_score_of_vectors_is_their_inner_product(biased):
    """Integers, so that scores are exact and tie; lengths differ and scores may be negative."""
    rng = np.random.default_rng(8)
    n = 60
    rows = rng.integers(-3, 4, (n, 5)).astype(np.float32)
    rows[:, 0] *= rng.integers(1, 9, n)
    bias, one = rng.integers(-9, 10, (n, 1)).astype(np.float32), np.ones((n, 1), np.float32)
    center, context = (np.hstack([rows, bias, one]), np.hstack([rows, one, bias])) if biased else (rows, None)
    dense = rows @ rows.T + (bias + bias.T if biased else 0)
    seen = rng.random(n) < 0.8
    scored = scorer(model(NATIVE, CENTER_CENTER), TrainedModel("test", seen, center, context), NATIVE)
    assert isinstance(scored, DotScorer)
    source, target = np.divmod(np.arange(n * n), n)
    assert np.array_equal(scored.score_pairs(source, target), dense.ravel())
    for k in (1, 7, 80):
        assert_lists_match(scored, dense, seen, k, k, positive_only=False)


def test_vector_lists_across_blocks_and_tiles():
    """More sources than one block and more products than one tile; integers, so that scores are exact and tie."""
    rng = np.random.default_rng(4)
    n = 9_000
    center = quarters(n, rng)
    seen = rng.random(n) < 0.97
    one = VectorScorer(seen, center, None, threads=2)
    sources = rng.permutation(n)[:600].astype(np.int32)
    mask = sp.random(600, n, density=0.01, format="csr", random_state=5, dtype=np.float32)
    ids, scores = one.top_k(sources, 30, mask=mask)
    dense = np.zeros((n, n), dtype=np.float32)
    dense[sources] = (center / 2)[sources] @ (center / 2).T
    expected_ids, expected = dense_top_k(dense, seen, sources, 30, mask.toarray() != 0, positive_only=False)
    assert np.array_equal(ids, expected_ids)
    assert np.array_equal(scores, expected)
    single = VectorScorer(seen, center, None, threads=1).top_k(sources, 30, mask=mask)
    assert np.array_equal(ids, single[0]) and np.array_equal(scores, single[1])


def quarters(n: int, rng: np.random.Generator) -> np.ndarray:
    """float32 ``[n, 16]`` of length 2: cosines are multiples of 1/4 without rounding, so that many tie exactly."""
    rows = np.zeros((n, 16), dtype=np.float32)
    for column in rng.permuted(np.tile(np.arange(16), (n, 1)), axis=1)[:, :4].T:
        rows[np.arange(n), column] = rng.choice([-1, 1], n)
    return rows


@pytest.fixture(scope="module")
def crowd() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Which of 2,600 products are seen, their two vectors, and all scores between them."""
    rng = np.random.default_rng(9)
    n = 2_600
    seen = rng.random(n) < 0.9
    center, context = quarters(n, rng), quarters(n, rng)
    center[5] = context[5] = 0  # ties with everyone
    forth = (center / 2) @ (context / 2).T
    return seen, center, context, forth + forth.T


def lists_of_rows(dense: np.ndarray, allowed: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k best columns of each row, of equal ones the first; a stable sort of whole rows."""
    dense = np.where(allowed, dense, -np.inf)
    ids = np.argsort(-dense, axis=1, kind="stable")[:, :k]
    scores = np.take_along_axis(dense, ids, axis=1)
    return np.where(np.isfinite(scores), ids, -1), scores


@pytest.mark.parametrize("sources", ["all", "some", "twice"])
def test_lists_from_blocks_that_are_read_twice(crowd, monkeypatch, sources):
    """Ten blocks of products (with large blocks: three), of which none is as long as the others."""
    seen, center, context, dense = crowd
    n, k = len(seen), 20
    rng = np.random.default_rng(10)
    nodes = np.arange(n, dtype=np.int32)
    if sources != "all":  # in any order; then also a product with two lists, from which different ones are left out
        nodes = rng.permutation(nodes)[:1_400]
    if sources == "twice":
        nodes[-1] = nodes[0]
    hidden = rng.random((len(nodes), n)) < 0.05  # not symmetric: j may be left out of i's list and stay in the other
    hidden[:3] = True
    for blocked, mask in ((np.zeros_like(hidden), None), (hidden, sp.csr_matrix(hidden))):
        allowed = seen[nodes, None] & seen & ~blocked & (nodes[:, None] != np.arange(n))
        expected_ids, expected = lists_of_rows(dense[nodes], allowed, k)
        for large, threads in itertools.product((False, True), (1, 2, 3)):
            monkeypatch.setattr(exact_search, "_LARGE_FROM", 1 if large else 1 << 30)
            ids, scores = VectorScorer(seen, center, context, threads).top_k(nodes, k, mask=mask)
            assert np.array_equal(ids, expected_ids), (large, threads)
            assert np.array_equal(scores, expected), (large, threads)


def test_reading_blocks_twice_gives_the_lists_of_reading_them_once():
    """Vectors whose scores are rounded: they agree to rounding, and so do the lists' products but for near ties."""
    rng = np.random.default_rng(11)
    n = 2_000
    vectors = rng.standard_normal((n, 24), dtype=np.float32)
    sources = np.arange(n, dtype=np.int32)
    once, twice, same = (
        Search(lambda nodes: vectors[nodes], vectors, rng.random(n) < 2, symmetric, threads).top_k(sources, 30, silent)
        for symmetric, threads in ((False, 2), (True, 2), (True, 3))
    )
    assert np.allclose(once[1], twice[1], atol=1e-5)
    assert (once[0] == twice[0]).mean() > 0.999
    for a, b in zip(twice, same, strict=True):
        assert np.array_equal(a, b)


def test_scores_that_are_not_symmetric_are_lists_of_rows():
    rng = np.random.default_rng(12)
    n = 700
    center, context = rng.integers(-3, 4, (2, n, 6)).astype(np.float32)
    ids, scores = DotScorer(np.ones(n, bool), center, context).top_k(np.arange(n), 12)
    expected_ids, expected = lists_of_rows(center @ context.T, ~np.eye(n, dtype=bool), 12)
    assert np.array_equal(ids, expected_ids) and np.array_equal(scores, expected)


@pytest.mark.parametrize("n_rows", [1, 256, 257, 1_500])
@pytest.mark.parametrize("n_others", [0, 5_000])
@pytest.mark.parametrize("shared", [False, True])
def test_rounds_compute_every_score_once_and_share_no_list(n_rows, n_others, shared):
    n_columns = n_rows + n_others if shared else n_others
    count = np.zeros((n_rows, n_columns), dtype=int)
    for tasks in exact_search._rounds(n_rows, n_rows if shared else 0, n_columns, 256):
        written = np.zeros(n_rows, dtype=int)
        for rows, several, both in tasks:
            written[rows] += 1
            for columns in several:
                count[rows, columns] += 1
                if both:
                    count[columns, rows] += 1
                    written[columns] += 1
        assert written.max() <= 1
    assert (count == 1).all()


def test_zero_vectors_score_zero_not_nan():
    zeros = np.zeros((3, 4), dtype=np.float32)
    one = VectorScorer(np.ones(3, bool), zeros, zeros)
    assert one.score_pairs(np.array([0, 1]), np.array([1, 2])).tolist() == [0.0, 0.0]


def random_matrix(n: int, rng: np.random.Generator) -> sp.csr_matrix:
    """Sparse with small integer entries (sums are exact, ties are common), an empty row and stored zeros."""
    matrix = sp.random(n, n, density=0.2, format="csr", random_state=rng, dtype=np.float32)
    matrix.data = rng.integers(0, 4, len(matrix.data)).astype(np.float32)
    return matrix


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 12), st.integers(0, 10_000))
def test_chains_are_products_of_matrices(length, k, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 30))
    matrices = {f"chain_{i}": random_matrix(n, rng) for i in range(length)}
    product = np.eye(n)
    for i in range(length):
        product = product @ matrices[f"chain_{i}"].toarray()
    seen = rng.random(n) < 0.9
    chains = model(NATIVE, scorer="core.scoring.chains:chain")
    one = scorer(chains, TrainedModel("test", seen, matrices=matrices), NATIVE)
    source, target = rng.integers(n, size=(2, 200)).astype(np.int32)
    assert np.array_equal(one.score_pairs(source, target), (product + product.T)[source, target] / 2)
    assert_lists_match(one, product, seen, k, seed, positive_only=True)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 6), st.integers(0, 10_000))
def test_gram_is_the_matrix_times_its_transpose(width, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 30))
    dense = rng.integers(0, 3, (n, width)).astype(np.float32)
    grams = model(NATIVE, scorer="core.scoring.chains:gram")
    one = scorer(grams, TrainedModel("test", np.ones(n, bool), matrices={"gram": sp.csr_matrix(dense)}), NATIVE)
    assert isinstance(one, ChainScorer)
    source, target = rng.integers(n, size=(2, 200)).astype(np.int32)
    assert np.array_equal(one.score_pairs(source, target), (dense @ dense.T)[source, target])
    assert_lists_match(one, dense @ dense.T, np.ones(n, bool), 5, seed, positive_only=True)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(0, 10_000))
def test_rank_one_is_the_outer_product(k, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 30))
    value = rng.integers(0, 5, n).astype(np.float32)
    seen = rng.random(n) < 0.8
    gram = sp.csr_matrix(value[:, None])
    numbers = model(NATIVE, scorer="core.scoring.vectors:rank_one")
    one = scorer(numbers, TrainedModel("test", seen, matrices={"gram": gram}), NATIVE)
    assert isinstance(one, RankOneScorer)
    source, target = rng.integers(n, size=(2, 100)).astype(np.int32)
    assert np.array_equal(one.score_pairs(source, target), value[source] * value[target])
    assert_lists_match(one, np.outer(value, value), seen, k, seed, positive_only=True)


def test_chain_results_do_not_depend_on_threads():
    rng = np.random.default_rng(6)
    n = 2000
    chain = [sp.random(n, n, density=0.005, format="csr", random_state=rng, dtype=np.float32) for _ in range(3)]
    seen = np.ones(n, bool)
    source, target = rng.integers(n, size=(2, 40_000)).astype(np.int32)
    one, four = (ChainScorer(seen, chain, False, threads) for threads in (1, 4))
    assert np.array_equal(one.score_pairs(source, target), four.score_pairs(source, target))
    for a, b in zip(one.top_k(np.arange(n), 10), four.top_k(np.arange(n), 10), strict=True):
        assert np.array_equal(a, b)


def test_progress_reports_every_source_once():
    center, _ = vectors(1000, 4, 7)
    for one in (
        VectorScorer(np.ones(1000, bool), center, None),
        RankOneScorer(np.ones(1000, bool), np.arange(1000)),
        ChainScorer(np.ones(1000, bool), [sp.identity(1000, format="csr", dtype=np.float32)], False),
    ):
        calls: list[tuple] = []

        def report(*call: object, calls: list[tuple] = calls) -> None:
            calls.append(call)

        one.top_k(np.arange(700, dtype=np.int32), 3, report)
        assert [c[1] for c in calls] == sorted(c[1] for c in calls)
        assert calls[-1][1:3] == (700, 700)


def test_negative_matrix_entries_are_refused():
    matrix = sp.csr_matrix(np.array([[0.0, -1.0], [1.0, 0.0]]))
    with pytest.raises(ValueError, match="negative"):
        ChainScorer(np.ones(2, bool), [matrix], False)


def test_scorings_the_model_lacks_are_refused():
    trained = TrainedModel("test", np.ones(3, bool), np.eye(3, dtype=np.float32))
    with pytest.raises(ValueError, match="not by"):
        scorer(model(CENTER_CENTER), trained, NATIVE)
    with pytest.raises(ValueError, match="has no vectors"):
        scorer(model(CENTER_CONTEXT), trained, CENTER_CONTEXT)
