"""The gradient steps of both back ends against autograd of the plain negative-sampling loss, pair by pair."""

import dataclasses
import functools

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from core.training import torch_batches
from core.training.compiled import CompiledTrainer
from core.training.corpus import build_corpus, walk_order
from core.training.kernels import rows as row_kernels
from core.training.kernels import skipgram
from core.training.noise import NoiseTable, noise_table
from core.training.objectives import SkipGramObjective

N_NODES, RATE = 30, np.float32(0.25)


def _tables(dim, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 0.7, (N_NODES, dim)).astype(np.float32) for _ in range(2)]


def _plain(center, context, nodes, reach, noise, negatives):
    """Loss of one walk summed pair by pair in float64, its gradients by autograd, and the number of pairs."""
    c = torch.tensor(center, dtype=torch.float64, requires_grad=True)
    x = torch.tensor(context, dtype=torch.float64, requires_grad=True)
    log_sigmoid = torch.nn.functional.logsigmoid
    loss, pairs = torch.zeros((), dtype=torch.float64), 0
    for t in range(len(nodes)):
        for j in range(len(nodes)):
            if j == t or abs(j - t) > reach[t]:
                continue
            pairs += 1
            loss = loss - log_sigmoid(c[nodes[t]] @ x[nodes[j]])
            for k in noise:
                loss = loss - negatives / len(noise) * log_sigmoid(-(c[nodes[t]] @ x[k]))
    loss.backward()
    return float(loss.detach()), pairs, c.grad.numpy(), x.grad.numpy()


def _case(length, shared, seed):
    rng = np.random.default_rng(seed)
    nodes = rng.integers(0, 12, length)  # so few nodes that some are in the walk twice
    return nodes, rng.integers(1, 6, length), rng.integers(0, N_NODES, shared)


CASES = [(10, 16, 128), (10, 5, 128), (7, 4, 20), (2, 1, 3), (13, 9, 33), (80, 6, 16)]


@pytest.mark.parametrize(("length", "shared", "dim"), CASES)
def test_compiled_step_is_the_gradient_of_the_plain_loss(length, shared, dim):
    nodes, reach, noise = _case(length, shared, length)
    center, context = _tables(dim)
    loss, pairs, center_gradient, context_gradient = _plain(center, context, nodes, reach, noise, 5.0)
    new_center, new_context = center.copy(), context.copy()
    scratch = row_kernels.make_scratch(length + 3, shared, dim)
    for part in scratch:
        part[:] = 7.0  # what earlier walks leave there must not matter
    got = skipgram.update_walk(new_center, new_context, nodes, reach, noise, np.float32(5), RATE, scratch, True)
    assert got == (pytest.approx(loss, rel=1e-4), pairs)
    np.testing.assert_allclose((center - new_center) / RATE, center_gradient, atol=2e-4, rtol=1e-4)
    np.testing.assert_allclose((context - new_context) / RATE, context_gradient, atol=2e-4, rtol=1e-4)


def test_torch_step_is_the_sum_of_the_plain_gradients_of_its_walks():
    center, context = _tables(24)
    cases = [_case(length, 6, length) for length in (10, 4, 1, 7)]
    nodes = np.full((4, 10), -1)
    reach = np.ones((4, 10), np.int64)
    for row, (walk, walk_reach, _) in enumerate(cases):
        nodes[row, : len(walk)] = walk
        reach[row, : len(walk)] = walk_reach
    noise = np.stack([case[2] for case in cases])
    expected = [_plain(center, context, *case, 3.0) for case in cases if len(case[0]) > 1]

    new_center, new_context = torch.tensor(center), torch.tensor(context)
    loss, pairs = torch_batches.step(
        new_center, new_context, torch.tensor(nodes), torch.tensor(reach), torch.tensor(noise), 3.0, float(RATE)
    )
    assert float(loss) == pytest.approx(sum(e[0] for e in expected), rel=1e-4)
    assert int(pairs) == sum(e[1] for e in expected)
    for old, new, gradient in (
        (center, new_center, sum(e[2] for e in expected)),
        (context, new_context, sum(e[3] for e in expected)),
    ):
        np.testing.assert_allclose((old - new.numpy()) / RATE, gradient, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_both_back_ends_take_the_same_step(seed):
    nodes, reach, noise = _case(9, 8, seed)
    center, context = _tables(40, seed)
    on_torch = torch.tensor(center), torch.tensor(context)
    rows = [torch.tensor(part)[None] for part in (nodes, reach, noise)]
    torch_batches.step(*on_torch, *rows, 5.0, float(RATE))
    scratch = row_kernels.make_scratch(9, 8, 40)
    skipgram.update_walk(center, context, nodes, reach, noise, np.float32(5), RATE, scratch, False)
    np.testing.assert_allclose(center, on_torch[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(context, on_torch[1].numpy(), atol=1e-5)


def test_a_diverged_vector_shows_as_nan_in_the_loss():
    center, context = _tables(8)
    nodes, reach, noise = _case(6, 4, 0)
    center[nodes[0], 3] = np.nan
    scratch = row_kernels.make_scratch(6, 4, 8)
    loss, _ = skipgram.update_walk(center, context, nodes, reach, noise, np.float32(5), RATE, scratch, True)
    assert np.isnan(loss)


def _objective(corpus, noise: NoiseTable, **changes):
    base = {"window": 4, "dynamic_window": True, "negatives": 5.0, "shared_negatives": 4}
    return SkipGramObjective(corpus, keep=np.ones(len(corpus.counts), np.float32), noise=noise, **(base | changes))


def _trainers(objective, dim=4, seed=3):
    corpus = objective.corpus
    tables = [np.zeros((len(corpus.counts), dim), np.float32) for _ in range(2)]
    cpu = CompiledTrainer(objective.kernel(*tables, None), corpus.n_walks, 50, seed, 1)
    tables = [torch.zeros(len(corpus.counts), dim) for _ in range(2)]
    step = functools.partial(objective.step, *tables, None)
    on_torch = torch_batches.TorchTrainer(step, corpus, objective.drawing(), 50, seed, torch.device("cpu"))
    return cpu, on_torch


def test_both_back_ends_read_every_word_and_draw_as_many_pairs():
    walks = np.random.default_rng(0).integers(0, 20, (3000, 8)).astype(np.int32)
    walks[::3, 5:] = -1
    corpus = build_corpus(walks, 20)
    for trainer in _trainers(_objective(corpus, noise_table(corpus.counts, 0.75), dynamic_window=False)):
        tallies = list(trainer.batches(1, 0, 60, lambda batch: 0.0))
        words, loss, pairs = (sum(column) for column in zip(*tallies, strict=True))
        assert words == (walks >= 0).sum()
        assert loss / pairs == pytest.approx(6 * np.log(2), rel=1e-4)  # all scores zero: log 2 for each of 1 + 5 terms
    assert pairs == sum(
        (abs(a - b) <= 4) and a != b for row in walks for a in range((row >= 0).sum()) for b in range((row >= 0).sum())
    )


def test_subsampling_keeps_the_share_it_should():
    """With an unlimited window and walks of one length, the number of pairs shows how many words were kept."""
    walks = np.tile(np.arange(6, dtype=np.int32), (40_000, 1))
    corpus = build_corpus(walks, 6)
    keep = np.array([1, 0.5, 0.2, 0.9, 0.05, 0.7], np.float32)
    objective = SkipGramObjective(corpus, keep, noise_table(corpus.counts, 0.75), 10, False, 5.0, 4)
    expected = sum(float(keep[a]) * float(keep[b]) for a in range(6) for b in range(6) if a != b)
    for trainer, share in zip(_trainers(objective), (0.5, 1.0), strict=True):
        pairs = sum(tally[2] for tally in trainer.batches(1, 0, 800, lambda batch: 0.0))
        assert pairs / (40_000 * share) == pytest.approx(expected, rel=0.07)


def test_compiled_negatives_follow_the_noise_distribution():
    """Centers that all point in one direction push each noise row once per draw, so its length counts the draws."""
    n_nodes = 12
    walks = np.zeros((60_000, 2), np.int32)
    walks[:, 1] = 1
    counts = np.array([1, 1, *range(10, 110, 10)])
    objective = _objective(build_corpus(walks, n_nodes), noise_table(counts, 0.75), shared_negatives=4)
    center, context = np.zeros((n_nodes, 1), np.float32), np.zeros((n_nodes, 1), np.float32)
    center[:2] = 1e-3  # so short that scores stay near zero and every push is the same
    trainer = CompiledTrainer(objective.kernel(center, context, None), 60_000, 60_000, 5, 1)
    rate = 1e-7
    list(trainer.batches(1, 0, 1, lambda batch: rate))
    push = rate * 2 * (5.0 / 4) * 0.5 * 1e-3  # rate × two centers × weight × sigmoid(0) × center
    drawn = -context[2:, 0].astype(np.float64) / push
    weight = counts[2:] ** 0.75
    expected = weight / weight.sum() * drawn.sum()
    assert drawn.sum() == pytest.approx(240_000 * weight.sum() / (weight.sum() + 2), rel=0.02)
    assert chisquare(drawn, expected).pvalue > 1e-4


def test_torch_batches_bring_the_walks_of_the_common_order():
    walks = np.arange(300, dtype=np.int32).reshape(100, 3)
    corpus = build_corpus(walks, 300)
    _, trainer = _trainers(_objective(corpus, noise_table(corpus.counts, 0.75)))
    nodes, reach, noise, words = trainer._draw(2, 1)
    order = walk_order(100, 3, 2)
    assert (nodes.numpy() == walks[(np.arange(50, 100) * order.stride + order.offset) % 100]).all()
    assert words == 150 and noise.shape == (50, 4)
    assert set(reach.unique().tolist()) == {1, 2, 3, 4}


def test_torch_batches_shrink_where_a_hub_would_take_too_long_a_step():
    star = np.array([[0, node, 0, node] for node in range(1, 400)], np.int32)
    objective = _objective(build_corpus(star, 400), noise_table(np.ones(400), 0.75), dynamic_window=False)
    # The hub is in a walk twice, each time in at most 4 pairs of 1 + 5 terms.
    assert objective.stable_batch(1024, 0.01) == int(6 / (2 * 24 * 0.01))
    assert objective.stable_batch(1024, 10.0) == 1
    wide = np.arange(40_000, dtype=np.int32).reshape(10_000, 4)
    assert dataclasses.replace(objective, corpus=build_corpus(wide, 40_000)).stable_batch(1024, 0.01) == 1024
