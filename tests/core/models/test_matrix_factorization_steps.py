"""The steps of matrix factorization on both back ends against autograd of the loss, pair by pair."""

import functools

import numpy as np
import pytest
import torch

from core.training import torch_batches
from core.training.compiled import CompiledTrainer
from core.training.corpus import WalkCorpus
from core.training.kernels import factorization_on_pairs
from core.training.kernels.factorization_on_walks import update_tied
from core.training.kernels.rows import make_scratch
from core.training.noise import noise_table
from core.training.objectives import PairFactorization, WalkFactorization

N_NODES, DIM, RATE = 30, 20, np.float32(1e-3)


def _tables(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.7, (N_NODES, DIM)).astype(np.float32), rng.normal(0, 0.5, N_NODES).astype(np.float32)


def _plain(table, bias, nodes, reach, label, noise, negatives, l2):
    """Loss of one walk pair by pair in float64 (without l2), gradients with l2 by autograd, number of pairs."""
    v = torch.tensor(table, dtype=torch.float64, requires_grad=True)
    b = torch.tensor(bias, dtype=torch.float64, requires_grad=True)
    cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits

    def h(i, j, y):
        z = v[i] @ v[j] + b[i] + b[j]
        return cross_entropy(z, torch.tensor(float(y), dtype=torch.float64))

    loss, pairs = torch.zeros((), dtype=torch.float64), 0
    for t in range(len(nodes)):
        for j in range(len(nodes)):
            if abs(j - t) > reach[t] or nodes[j] == nodes[t]:
                continue
            pairs += 1
            loss = loss + h(nodes[t], nodes[j], label)
            for k in noise:
                if k != nodes[t]:
                    loss = loss + negatives / len(noise) * h(nodes[t], k, 0)
    places = np.concatenate([nodes, noise])
    (loss + l2 / 2 * ((v[places] ** 2).sum() + (b[places] ** 2).sum())).backward()
    return float(loss.detach()), pairs, v.grad.numpy(), b.grad.numpy()


def _assert_gradients(tables, new_tables, gradients):
    """Compare tables before and after a step of ``RATE``; an empty table, or None, is not trained."""
    for before, after, gradient in zip(tables, new_tables, gradients, strict=True):
        if after is not None and len(after):
            np.testing.assert_allclose((before - np.asarray(after)) / RATE, gradient, atol=3e-3, rtol=1e-3)


def _case(length, shared, seed):
    rng = np.random.default_rng(seed)
    nodes = rng.integers(0, 12, length)  # so few nodes that some are in the walk twice
    if length == 2:
        nodes = np.array([3, 8])
    noise = rng.integers(0, N_NODES, shared)
    noise[0] = nodes[0]
    return nodes, rng.integers(1, 6, length), noise


CASES = [(2, 5), (2, 1), (10, 16), (7, 4), (13, 9)]


@pytest.mark.parametrize(("label", "with_bias", "l2"), [(1.0, True, 0.3), (0.35, True, 0.3), (0.35, False, 0.0)])
@pytest.mark.parametrize(("length", "shared"), CASES)
def test_compiled_step_is_the_gradient_of_the_plain_loss(length, shared, label, with_bias, l2):
    nodes, reach, noise = _case(length, shared, length)
    table, bias = _tables()
    if not with_bias:
        bias[:] = 0
    loss, pairs, *gradients = _plain(table, bias, nodes, reach, label, noise, 5.0, l2)
    new, new_bias = table.copy(), bias.copy() if with_bias else np.empty(0, np.float32)
    scratch = make_scratch(length + 3, shared, DIM)
    for part in scratch:
        part[:] = 7.0  # what earlier walks leave there must not matter
    numbers = [np.float32(x) for x in (5.0, l2, RATE)]
    got = update_tied(new, new_bias, nodes, reach, np.float32(label), noise, *numbers, scratch, True)
    assert got == (pytest.approx(loss, rel=1e-4), pairs)
    _assert_gradients((table, bias), (new, new_bias), gradients)


@pytest.mark.parametrize("with_bias", [False, True])
def test_torch_step_is_the_sum_of_the_plain_gradients_of_its_walks(with_bias):
    table, bias = _tables()
    if not with_bias:
        bias[:] = 0
    labels = np.array([1.0, 0.2, 0.7, 0.5], np.float32)
    cases = [_case(length, 6, length) for length in (10, 4, 2, 7)]
    nodes = np.full((4, 10), -1)
    reach = np.ones((4, 10), np.int64)
    for row, (walk, walk_reach, _) in enumerate(cases):
        nodes[row, : len(walk)] = walk
        reach[row, : len(walk)] = walk_reach
    noise = np.stack([case[2] for case in cases])
    expected = [
        _plain(table, bias, walk, walk_reach, label, drawn, 3.0, 0.3)
        for (walk, walk_reach, drawn), label in zip(cases, labels, strict=True)
    ]
    new, new_bias = torch.tensor(table), torch.tensor(bias) if with_bias else None
    drawn = torch.tensor(nodes), torch.tensor(reach), torch.tensor(noise)
    loss, pairs = torch_batches.tied_step(new, new_bias, torch.tensor(labels), 0.3, *drawn, 3.0, float(RATE))
    assert float(loss) == pytest.approx(sum(e[0] for e in expected), rel=1e-4)
    assert int(pairs) == sum(e[1] for e in expected)
    gradients = [sum(e[part] for e in expected) for part in (2, 3)]
    _assert_gradients((table, bias), (new, new_bias), gradients)


def _plain_pairs(table, bias, nodes, labels, noise, negatives, l2):
    """The same for a step of pairs: the sum over the single pairs, except for l2 of the noise, which is written out."""
    steps = [
        _plain(table, bias, nodes[2 * p : 2 * p + 2], np.ones(2), labels[p], noise, negatives, 0.0)
        for p in range(len(nodes) // 2)
    ]
    loss, pairs, rows, biases = (sum(parts) for parts in zip(*steps, strict=True))
    for node in nodes:
        rows[node] += l2 * table[node]
        biases[node] += l2 * bias[node]
    for node in noise:
        share = negatives * (len(nodes) // 2) / len(noise)
        rows[node] += share * l2 * table[node]
        biases[node] += share * l2 * bias[node]
    return loss, pairs, rows, biases


def _pairs_case(per_step, shared, seed):
    rng = np.random.default_rng(seed)
    nodes = np.concatenate([rng.choice(12, 2, replace=False) for _ in range(per_step)])  # some are in several pairs
    noise = rng.integers(0, N_NODES, shared)
    noise[0], noise[-1] = nodes[0], nodes[-1]
    return nodes, noise, rng.random(per_step).astype(np.float32)


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize(("per_step", "shared"), [(1, 5), (1, 1), (3, 8), (8, 8), (5, 13), (16, 4)])
def test_compiled_step_on_pairs_is_the_gradient_of_the_plain_loss(per_step, shared, with_bias):
    nodes, noise, labels = _pairs_case(per_step, shared, per_step)
    table, bias = _tables()
    if not with_bias:
        bias[:] = 0
    loss, pairs, *gradients = _plain_pairs(table, bias, nodes, labels, noise, 5.0, 0.3)
    new, new_bias = table.copy(), bias.copy() if with_bias else np.empty(0, np.float32)
    scratch = factorization_on_pairs.make_pairs_scratch(per_step + 5, shared, DIM)
    for part in scratch:
        part[:] = 7.0  # what earlier steps leave there must not matter
    numbers = [np.float32(x) for x in (5.0, 0.3, RATE)]
    got = factorization_on_pairs.update_pairs(new, new_bias, nodes, labels, noise, *numbers, scratch, True)
    assert got == (pytest.approx(loss, rel=1e-4), pairs)
    _assert_gradients((table, bias), (new, new_bias), gradients)


@pytest.mark.parametrize("with_bias", [False, True])
def test_torch_step_on_pairs_is_the_sum_of_the_plain_gradients_of_its_rows(with_bias):
    table, bias = _tables()
    if not with_bias:
        bias[:] = 0
    cases = [_pairs_case(per_step, 6, per_step) for per_step in (4, 4, 1)]  # the last row is not full
    nodes, labels = np.full((3, 8), -1), np.zeros((3, 4), np.float32)
    for row, (pairs, _, label) in enumerate(cases):
        nodes[row, : len(pairs)], labels[row, : len(label)] = pairs, label
    expected = [_plain_pairs(table, bias, pairs, label, noise, 3.0, 0.3) for pairs, noise, label in cases]
    new, new_bias = torch.tensor(table), torch.tensor(bias) if with_bias else None
    drawn = torch.tensor(nodes), torch.tensor(np.stack([noise for _, noise, _ in cases]))
    loss, count = torch_batches.pairs_step(new, new_bias, torch.tensor(labels), 0.3, *drawn, 3.0, float(RATE))
    assert float(loss) == pytest.approx(sum(e[0] for e in expected), rel=1e-4)
    assert int(count) == sum(e[1] for e in expected)
    gradients = [sum(e[part] for e in expected) for part in (2, 3)]
    _assert_gradients((table, bias), (new, new_bias), gradients)


PER_STEP = pytest.mark.parametrize("per_step", [0, 1, 3])
"""One walk of two nodes at a time, and steps of pairs, where the last step of a batch is not full."""


def _objective(corpus, noise, negatives, shared, l2, per_step):
    keep = np.ones(len(corpus.counts), np.float32)
    if per_step:
        return PairFactorization(corpus, keep, noise, 1, False, negatives, shared, l2, per_step)
    return WalkFactorization(corpus, keep, noise, 1, False, negatives, shared, l2)


def _trainer(backend, objective, table, bias, batch):
    """Train the table and the biases in place on one thread."""
    corpus = objective.corpus
    if backend == "compiled":
        return CompiledTrainer(objective.kernel(table, table, bias), corpus.n_walks, batch, 1, 1)
    on_torch = torch.from_numpy(table)
    step = functools.partial(objective.step, on_torch, on_torch, None if bias is None else torch.from_numpy(bias))
    cpu, rows = torch.device("cpu"), objective.pairs_per_row
    return torch_batches.TorchTrainer(step, corpus, objective.drawing(), batch, 1, cpu, pairs_per_row=rows)


@PER_STEP
@pytest.mark.parametrize("backend", ["compiled", "torch"])
def test_l2_touches_no_row_outside_the_steps(backend, per_step):
    """Noise is drawn only from the first ten products, and the walks stay there too."""
    counts = np.r_[np.full(10, 5), np.zeros(N_NODES - 10, int)]
    walks = np.random.default_rng(0).permuted(np.tile(np.arange(10, dtype=np.int32), (200, 1)), axis=1)[:, :2].copy()
    corpus = WalkCorpus(walks, counts, np.full(len(walks), 0.5, np.float32))
    objective = _objective(corpus, noise_table(counts, 0.75), 5.0, 5, 1.0, per_step)
    table, bias = _tables()
    new, new_bias = table.copy(), bias.copy()
    trainer = _trainer(backend, objective, new, new_bias, 20)
    list(trainer.batches(1, 0, 10, lambda batch: 0.02))
    assert (new[10:] == table[10:]).all() and (new_bias[10:] == bias[10:]).all()
    assert (new[:10] != table[:10]).all() and (new_bias[:10] != bias[:10]).all()
    assert (np.linalg.norm(new[:10], axis=1) < np.linalg.norm(table[:10], axis=1)).all()


@PER_STEP
@pytest.mark.parametrize("backend", ["compiled", "torch"])
def test_each_pair_is_trained_with_its_own_label(backend, per_step):
    """Without common products and nearly without negatives, the scores of the pairs move to their labels."""
    n_pairs = 40
    walks = np.arange(2 * n_pairs, dtype=np.int32).reshape(n_pairs, 2)
    labels = np.linspace(0.1, 0.9, n_pairs).astype(np.float32)
    counts = np.ones(2 * n_pairs, int)
    corpus = WalkCorpus(walks, counts, labels)
    objective = _objective(corpus, noise_table(counts, 0.0), 1e-6, 1, 0.0, per_step)
    table = np.random.default_rng(0).normal(0, 0.3, (2 * n_pairs, 8)).astype(np.float32)
    trainer = _trainer(backend, objective, table, None, 7)
    for epoch in range(1, 301):
        list(trainer.batches(epoch, 0, 6, lambda batch: 0.2))
    score = np.einsum("ij,ij->i", table[::2], table[1::2])
    np.testing.assert_allclose(1 / (1 + np.exp(-score)), labels, atol=0.01)
