"""The supervised ranker of the blend: a few small networks whose mean output orders pairs.

One score has two tasks. In a list it orders candidates that all look good; for this the loss is the cross-entropy of a
softmax over the list, where each list counts once (ListNet's top-one probability; Cao et al., "Learning to rank: from
pairwise approach to listwise approach", ICML 2007). Among randomly drawn pairs it separates related from unrelated
products; for this the loss is the logistic loss. The sum of both is minimized. The networks see the same examples and
differ in their start values; their mean varies less than any one of them.
"""

import dataclasses
import functools
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core.interfaces import TrainContext
from core.models.blend.config import BlendConfig
from core.training.autograd import AutogradObjective
from core.training.config import StepsConfig
from core.training.loop import Training, fit
from core.training.trainer import Unit

_LISTS_PER_STEP = 64
_PAIRS_PER_STEP = 4_096
_PREDICT_BLOCK = 8_192
_WEIGHT_DECAY = 1e-4


@dataclass(frozen=True)
class Examples:
    """The examples that the ranker learns from.

    Attributes:
        lists: float32 ``[n, f]``: features of the candidates of all lists, list by list.
        starts: int64 ``[l + 1]``: list r has the rows ``starts[r]`` to ``starts[r + 1]``.
        relevant: bool ``[n]``: the candidates that are held-out partners; every list has at least one.
        pairs: float32 ``[m, f]``: features of the pairs.
        related: bool ``[m]``: the pairs whose products are related.
    """

    lists: np.ndarray
    starts: np.ndarray
    relevant: np.ndarray
    pairs: np.ndarray
    related: np.ndarray


class Ranker(torch.nn.Module):
    """The networks side by side, each with two hidden layers, on features with mean 0 and standard deviation 1.

    Args:
        examples: the examples to learn from; at least one related pair or one list.
        networks: number of networks.
        hidden: width of both hidden layers.
        rng: draws the start values.
    """

    def __init__(self, examples: Examples, networks: int, hidden: int, rng: np.random.Generator) -> None:
        super().__init__()
        features = np.concatenate([examples.lists, examples.pairs])
        self.mean, self.scale = features.mean(axis=0), features.std(axis=0)
        self.scale[self.scale < 1e-6] = 1
        self._lists, self._pairs = (
            torch.from_numpy((part - self.mean) / self.scale) for part in (examples.lists, examples.pairs)
        )
        self._relevant, self._related = (
            torch.from_numpy(flags.astype(np.float32)) for flags in (examples.relevant, examples.related)
        )
        self._starts = examples.starts
        self.layers = torch.nn.ParameterList(_start_values(rng, networks, features.shape[1], hidden))

    def list_loss(self, chosen: np.ndarray) -> torch.Tensor:
        """Mean loss of the lists with these numbers."""
        return _list_loss(list(self.layers), self._lists, self._relevant, self._starts, chosen)

    def pair_loss(self, drawn: np.ndarray) -> torch.Tensor:
        """Mean loss of the pairs with these numbers."""
        device = self.layers[0].device
        logits = _outputs(list(self.layers), self._pairs[drawn].to(device))
        labels = self._related[drawn].to(device).expand_as(logits)
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)

    def arrays(self) -> dict[str, np.ndarray]:
        """float32 arrays for :func:`predict`."""
        names = [f"{kind}_{layer}" for layer in (1, 2, 3) for kind in ("weight", "bias")]
        layers = {name: layer.detach().cpu().numpy() for name, layer in zip(names, self.layers, strict=True)}
        return {"mean": self.mean, "scale": self.scale, **layers}


@dataclass(frozen=True)
class _Schedule(StepsConfig):
    """The ranker's schedule: one cosine over the whole training."""

    min_learning_rate: float = 0.0
    probes_per_epoch: int = 1

    def rate(self, epoch: int, part: float) -> float:
        return self.learning_rate * (1 + math.cos(math.pi * (epoch - 1 + part) / self.epochs)) / 2


class _Draws:
    """The batches of every epoch: lists in random order, and pairs drawn with replacement.

    The epochs share one stream of random numbers; the numbers of skipped epochs are drawn and discarded.
    """

    def __init__(self, rng: np.random.Generator, n_lists: int, n_pairs: int) -> None:
        self._rng, self._n_lists, self._n_pairs = rng, n_lists, n_pairs
        self._next = 1

    def __call__(self, epoch: int) -> Iterator[tuple[np.ndarray, ...]]:
        while self._next < epoch:
            for _ in self._epoch():
                pass
        return self._epoch()

    def _epoch(self) -> Iterator[tuple[np.ndarray, ...]]:
        self._next += 1
        order, steps = self._rng.permutation(self._n_lists), _steps(self._n_lists, self._n_pairs)
        for step in range(steps):
            chosen = order[step * _LISTS_PER_STEP : (step + 1) * _LISTS_PER_STEP]
            drawn = self._rng.integers(max(1, self._n_pairs), size=min(_PAIRS_PER_STEP, self._n_pairs))
            yield chosen, drawn


def _steps(n_lists: int, n_pairs: int) -> int:
    """Number of steps per epoch."""
    return max(1, -(-n_lists // _LISTS_PER_STEP) if n_lists else -(-n_pairs // _PAIRS_PER_STEP))


def train_ranker(
    examples: Examples, config: BlendConfig, context: TrainContext
) -> tuple[dict[str, np.ndarray], Training | None]:
    """Train the networks: two hidden layers, AdamW, and a learning rate that falls to 0 along a cosine.

    Args:
        examples: the examples to learn from.
        config: settings; an epoch is a pass over the lists (or over the pairs, if there are no lists).
        context: circumstances of the run. On a CPU the result depends on the seed, not on the number of cores.

    Returns:
        float32 arrays for :func:`predict`: ``mean``, ``scale`` ``[f]`` and the layers ``weight_1`` … ``bias_3``, whose
        first axis is the network; and the loop's report. If there is no related pair and no list, the networks return
        the first feature, and the report is None.

    Raises:
        InputError: the device does not exist, its memory does not hold even the smallest part, or training diverges
            with this learning rate.
    """
    if not examples.related.any() and not len(examples.lists):
        return _first_feature(examples.pairs.shape[1]), None
    rng = np.random.default_rng(context.seed % 2**64)
    ranker = Ranker(examples, config.networks, config.hidden, rng)
    n_lists, n_pairs = len(examples.starts) - 1, len(examples.pairs)
    steps = _steps(n_lists, n_pairs)
    objective = AutogradObjective(
        [ranker.list_loss, ranker.pair_loss],
        examples=n_lists or steps * min(_PAIRS_PER_STEP, n_pairs),
        n_batches=steps,
        draw=_Draws(rng, n_lists, n_pairs),
        optimizer=functools.partial(torch.optim.AdamW, weight_decay=_WEIGHT_DECAY),
        inputs=[examples.lists, examples.starts, examples.relevant, examples.pairs, examples.related],
        unit=Unit("lists" if n_lists else "pairs", 1),
    )
    schedule = _Schedule(epochs=config.epochs, learning_rate=config.learning_rate)
    one_thread = dataclasses.replace(context, threads=1)  # sums of floats depend on how many threads share them
    training = fit("blend", ranker, objective, schedule, one_thread)
    return ranker.arrays(), training


def predict(ranker: dict[str, np.ndarray], features: np.ndarray, threads: int = 2) -> np.ndarray:
    """float32 ``[n]``: the networks' mean output for features float32 ``[n, f]``."""
    scores = np.empty(len(features), dtype=np.float32)

    def work(first: int) -> None:
        block = (features[first : first + _PREDICT_BLOCK] - ranker["mean"]) / ranker["scale"]
        total = np.zeros(len(block), dtype=np.float32)
        for network in range(len(ranker["weight_1"])):
            hidden = block
            for layer in (1, 2):
                hidden = hidden @ ranker[f"weight_{layer}"][network]
                hidden += ranker[f"bias_{layer}"][network]
                np.maximum(hidden, 0, out=hidden)
            total += (hidden @ ranker["weight_3"][network] + ranker["bias_3"][network])[:, 0]
        scores[first : first + _PREDICT_BLOCK] = total / len(ranker["weight_1"])

    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(0, len(features), _PREDICT_BLOCK)))
    return scores


def _first_feature(features: int) -> dict[str, np.ndarray]:
    """A ranker that returns the first feature, for a category with too few pairs to learn from.

    Each hidden layer holds the feature and its negative, since a layer passes on only what is positive.
    """
    both_signs, identity = np.zeros((1, features, 2), np.float32), np.eye(2, dtype=np.float32)[None]
    both_signs[0, 0] = 1, -1
    difference = np.array([[[1], [-1]]], np.float32)
    zero = np.zeros((1, 1, 2), np.float32)
    return {
        "mean": np.zeros(features, np.float32), "scale": np.ones(features, np.float32),
        "weight_1": both_signs, "bias_1": zero, "weight_2": identity, "bias_2": zero,
        "weight_3": difference, "bias_3": zero[..., :1],
    }  # fmt: skip


def _start_values(rng: np.random.Generator, networks: int, features: int, hidden: int) -> list[torch.Tensor]:
    """Normally distributed weights with variance 2 / inputs (He et al., ICCV 2015), and biases of zero."""
    layers = []
    for inputs, outputs in ((features, hidden), (hidden, hidden), (hidden, 1)):
        weight = rng.standard_normal((networks, inputs, outputs), dtype=np.float32) * np.float32((2 / inputs) ** 0.5)
        layers += [torch.from_numpy(weight), torch.zeros(networks, 1, outputs)]
    return layers


def _outputs(layers: list[torch.Tensor], features: torch.Tensor) -> torch.Tensor:
    """Logits ``[networks, n]`` of features ``[n, f]``."""
    hidden = features.expand(len(layers[0]), *features.shape)
    for layer in (0, 2):
        hidden = torch.relu(torch.baddbmm(layers[layer + 1], hidden, layers[layer]))
    return torch.baddbmm(layers[5], hidden, layers[4])[..., 0]


def _list_loss(
    layers: list[torch.Tensor], features: torch.Tensor, relevant: torch.Tensor, starts: np.ndarray, chosen: np.ndarray
) -> torch.Tensor:
    """The mean over lists and networks of minus the mean log softmax of the list's relevant rows."""
    length = starts[chosen + 1] - starts[chosen]
    number = np.repeat(np.arange(len(chosen)), length)
    rows = np.arange(len(number)) + np.repeat(starts[chosen] - np.cumsum(length) + length, length)
    device = layers[0].device
    segment, target = torch.from_numpy(number).to(device), relevant[rows].to(device)
    logits = _outputs(layers, features[rows].to(device))
    segments = segment.expand_as(logits)
    shape = (len(logits), len(chosen))
    highest = logits.new_full(shape, -torch.inf).scatter_reduce(1, segments, logits.detach(), "amax")
    exponents = torch.exp(logits - highest.gather(1, segments))
    normalizer = torch.log(logits.new_zeros(shape).scatter_add(1, segments, exponents)) + highest
    share = target / target.new_zeros(len(chosen)).index_add(0, segment, target)[segment]
    return ((normalizer.gather(1, segments) - logits) * share).sum() / (shape[0] * shape[1])
