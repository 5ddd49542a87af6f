"""How torch training behaves on a device whose memory is too small.

There is no accelerator in CI, so the error is injected where it would come from: every torch operation whose result is
newly allocated and too large raises what CUDA's allocator raises. All code from there on is the real one.
"""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from core.errors import InputError
from core.interfaces import Inputs, TrainContext
from core.models.blend.config import BlendConfig
from core.models.blend.ranker import Examples, train_ranker
from core.models.skipgram.config import SkipGramConfig
from core.models.skipgram.train import train
from core.training import devices, torch_batches

N_NODES, N_WALKS, LENGTH = 120, 3000, 10
WALK_BYTES = N_WALKS * LENGTH * 4


class SmallMemory(TorchDispatchMode):
    """Refuses every allocation above ``limit`` bytes, and the ``refuse``-th one (counted from 0) of any size."""

    def __init__(self, limit=float("inf"), refuse=-1):
        super().__init__()
        self.limit, self.refuse, self.allocations = limit, refuse, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        given = {a.untyped_storage().data_ptr() for a in args if isinstance(a, torch.Tensor)}
        if isinstance(result, torch.Tensor) and result.untyped_storage().data_ptr() not in given:
            self.allocations += 1
            if result.nbytes > self.limit or self.allocations - 1 == self.refuse:
                raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {result.nbytes} bytes")
        return result


def fit(limit, **config):
    rng = np.random.default_rng(0)
    start = rng.integers(0, N_NODES, (N_WALKS, 1))
    walks = ((start + np.cumsum(rng.integers(0, 3, (N_WALKS, LENGTH)), axis=1)) % N_NODES).astype(np.int32)
    settings = SkipGramConfig(**{"dim": 64, "epochs": 2, "learning_rate": 0.005, "backend": "torch"} | config)
    with SmallMemory(limit):
        return train(Inputs(n_nodes=N_NODES, walks=walks), settings, TrainContext(threads=1))


def test_a_batch_that_does_not_fit_is_halved_and_said():
    roomy = fit(float("inf"))
    assert roomy.info["out_of_memory_halvings"] == 0
    whole = roomy.info["batch_walks"] * 16 * 64 * 4  # bytes of the largest tensor, [walks, negatives, dim]
    tight = fit(whole // 3)
    assert tight.info["out_of_memory_halvings"] == 2
    assert tight.info["words"] == roomy.info["words"]
    # The same walks in smaller steps: nearly the same result.
    assert tight.learning_curve["loss"][-1].as_py() == pytest.approx(roomy.learning_curve["loss"][-1].as_py(), rel=0.05)
    cosine = (tight.center * roomy.center).sum(1) / np.linalg.norm(tight.center, axis=1)
    assert np.median(cosine / np.linalg.norm(roomy.center, axis=1)) > 0.95


def test_too_small_for_any_batch_is_a_sentence(monkeypatch):
    monkeypatch.setattr(devices, "MAX_HALVINGS", 1)
    with pytest.raises(InputError, match="does not have enough memory even for steps of"):
        fit(WALK_BYTES)


def test_too_small_for_the_walks_is_a_sentence():
    with pytest.raises(InputError, match="the vectors and walks do not fit"):
        fit(WALK_BYTES - 1)


@pytest.mark.parametrize("objective", ["skip-gram", "factorization"])
def test_a_step_that_runs_out_of_memory_anywhere_has_changed_nothing(objective):
    random = torch.Generator().manual_seed(0)
    tables = [torch.randn(20, 4, generator=random) for _ in range(2)] + [torch.randn(20, generator=random)]
    nodes, reach, noise = (torch.randint(1, 20, shape, generator=random) for shape in ((6, 5), (6, 5), (6, 3)))

    def step(center, context, bias):
        if objective == "skip-gram":
            torch_batches.step(center, context, nodes, reach, noise, 5.0, 0.1)
        else:
            torch_batches.tied_step(center, bias, None, 0.01, nodes, reach, noise, 5.0, 0.1)

    copies = [table.clone() for table in tables]
    with SmallMemory() as counter:
        step(*copies)
    assert counter.allocations > 20
    for allocation in range(counter.allocations):
        copies = [table.clone() for table in tables]
        with SmallMemory(refuse=allocation), pytest.raises(torch.OutOfMemoryError):
            step(*copies)
        assert all(torch.equal(copy, table) for copy, table in zip(copies, tables, strict=True)), allocation


def ranker(limit=float("inf"), refuse=-1):
    rng = np.random.default_rng(0)
    lists, pairs = (rng.standard_normal((n, 6)).astype(np.float32) for n in (80 * 10, 5000))
    relevant = np.arange(len(lists)) % 10 == lists[:, 0].reshape(80, 10).argmax(axis=1).repeat(10)
    examples = Examples(lists, np.arange(81) * 10, relevant, pairs, pairs[:, 0] > 0)
    with SmallMemory(limit, refuse) as memory:
        arrays, training = train_ranker(examples, BlendConfig(networks=2, hidden=16, epochs=2), TrainContext(seed=0))
    return arrays, training.info["out_of_memory_halvings"], memory.allocations


def test_the_blends_networks_take_a_step_in_parts():
    roomy, none, _ = ranker()
    largest = 2 * 4096 * 16 * 4  # bytes of a hidden layer's outputs for the pairs of a step
    tight, halvings, _ = ranker(largest // 3)
    assert (none, halvings) == (0, 2)
    for name in roomy:  # the same gradients, summed in another order
        np.testing.assert_allclose(tight[name], roomy[name], atol=2e-3)
    with pytest.raises(InputError, match=r"blend: cpu does not have enough memory even for 1/64 of a step"):
        ranker(1000)


def test_the_blends_networks_lose_nothing_of_a_part_that_failed():
    roomy, _, allocations = ranker()
    for allocation in (allocations // 8, allocations // 3, allocations - 200):
        arrays, halvings, _ = ranker(refuse=allocation)
        assert halvings == 1
        for name in roomy:
            np.testing.assert_allclose(arrays[name], roomy[name], atol=2e-3)
