"""The supervised ranker of the blend: a few small networks whose mean output orders pairs.

Belongs here: the networks, their two losses and their training, on plain arrays of features. Does not belong here: what
the features are (``core.models.blend.features``) and where the examples come from (``core.models.blend.config``).

One score has to do two things. In a list it orders candidates that all look good: there the loss is the cross entropy
of a softmax over the list, each list counting once (ListNet's top-one probability; Cao et al., "Learning to rank: from
pairwise approach to listwise approach", ICML 2007). Against pairs drawn at random it tells related products from
unrelated ones: there it is the logistic loss. The sum of both is minimized. The networks see the same examples and
differ in their start; their mean varies less than one of them.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core.errors import InputError
from core.training.devices import MOST_HALVINGS, find_device, torch_settings

_LISTS_PER_STEP = 64
_PAIRS_PER_STEP = 4_096
_PREDICT_BLOCK = 8_192
_WEIGHT_DECAY = 1e-4


@dataclass(frozen=True)
class Examples:
    """What the ranker learns from.

    Attributes:
        lists: float32 ``[n, f]``: features of the candidates of all lists, list by list.
        starts: int64 ``[l + 1]``: list r has the rows ``starts[r]`` to ``starts[r + 1]``.
        relevant: bool ``[n]``; every list has at least one relevant row.
        pairs: float32 ``[m, f]``.
        related: bool ``[m]``.
    """

    lists: np.ndarray
    starts: np.ndarray
    relevant: np.ndarray
    pairs: np.ndarray
    related: np.ndarray


def train_ranker(
    examples: Examples,
    networks: int,
    hidden: int,
    epochs: int,
    learning_rate: float,
    seed: int,
    done: Callable[[int, float], None],
    device: str = "cpu",
    precision: str = "float32",
) -> tuple[dict[str, np.ndarray], int]:
    """Train the networks: two hidden layers, AdamW, learning rate falling to 0 along a cosine.

    Args:
        examples: what to learn from.
        networks: how many.
        hidden: width of both hidden layers.
        epochs: passes over the lists (or over the pairs, if there are no lists).
        learning_rate: at the start.
        seed: of start values and order; on a CPU the result depends on it, not on the machine's number of cores.
        done: called after each epoch with its number and the mean loss of its steps.
        device: torch device name.
        precision: of matrix products on it, see ``core.interfaces.PRECISIONS``.

    Returns:
        float32 arrays for :func:`predict`: ``mean``, ``scale`` ``[f]`` and the layers ``weight_1`` … ``bias_3``, whose
        first axis is the network (without any related pair or list they return the first feature); and how often the
        parts in which a step is computed were halved because the device ran out of memory.

    Raises:
        InputError: a device that is not there or whose memory does not hold even the smallest part.
    """
    if not examples.related.any() and not len(examples.lists):
        return _first_feature(examples.pairs.shape[1]), 0
    features = np.concatenate([examples.lists, examples.pairs])
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale[scale < 1e-6] = 1
    lists, pairs = (torch.from_numpy((part - mean) / scale) for part in (examples.lists, examples.pairs))
    relevant, related = (torch.from_numpy(flags.astype(np.float32)) for flags in (examples.relevant, examples.related))
    rng = np.random.default_rng(seed)
    layers = _start_values(rng, networks, features.shape[1], hidden, find_device(device))
    optimizer = torch.optim.AdamW(layers, lr=learning_rate, weight_decay=_WEIGHT_DECAY)
    n_lists = len(examples.starts) - 1
    steps = max(1, -(-n_lists // _LISTS_PER_STEP) if n_lists else -(-len(pairs) // _PAIRS_PER_STEP))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps * epochs)

    def losses(chosen: np.ndarray, drawn: np.ndarray, parts: int) -> Iterator[torch.Tensor]:
        """The loss of a step's lists and pairs, as a sum of parts."""
        for some, few in zip(np.array_split(chosen, parts), np.array_split(drawn, parts), strict=True):
            loss = torch.zeros((), device=device)
            if len(some):
                loss = loss + _list_loss(layers, lists, relevant, examples.starts, some) * (len(some) / len(chosen))
            if len(few):
                logits = _outputs(layers, pairs[few].to(device))
                wanted = related[few].to(device).expand_as(logits)
                crossed = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted)
                loss = loss + crossed * (len(few) / len(drawn))
            if loss.requires_grad:
                yield loss

    halvings = 0
    with torch_settings(1, precision):  # sums of floats depend on how many threads share them
        for epoch in range(1, epochs + 1):
            order, total = rng.permutation(n_lists), 0.0
            for step in range(steps):
                chosen = order[step * _LISTS_PER_STEP : (step + 1) * _LISTS_PER_STEP]
                drawn = rng.integers(len(pairs), size=min(_PAIRS_PER_STEP, len(pairs))) if len(pairs) else order[:0]
                loss, halvings = _gradients(optimizer, functools.partial(losses, chosen, drawn), halvings, device)
                optimizer.step()
                schedule.step()
                total += loss
            done(epoch, total / steps)
    names = [f"{kind}_{layer}" for layer in (1, 2, 3) for kind in ("weight", "bias")]
    arrays = {name: layer.detach().cpu().numpy() for name, layer in zip(names, layers, strict=True)}
    return {"mean": mean, "scale": scale, **arrays}, halvings


def _gradients(
    optimizer: torch.optim.Optimizer, losses: Callable[[int], Iterable[torch.Tensor]], halvings: int, device: str
) -> tuple[float, int]:
    """Compute the gradients of a step in ``2 ** halvings`` parts, or in more where memory does not hold them.

    Returns:
        the loss, and the number of halvings that the device's memory asked for.
    """
    while True:
        try:
            optimizer.zero_grad()
            loss = 0.0
            for part in losses(1 << halvings):
                part.backward()
                loss += float(part.detach())
            return loss, halvings
        except torch.OutOfMemoryError as error:
            if halvings == MOST_HALVINGS:
                raise InputError(
                    f"blend: {device} has not enough memory even for a {1 << halvings}th of a step; choose a smaller "
                    f"blend.hidden or another device ({error})"
                ) from error
        # Outside the handler: the exception holds the tensors of the failed step.
        halvings += 1
        if device.startswith("cuda"):
            torch.cuda.empty_cache()


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
    """A ranker that returns the first feature: of a category with too few pairs to learn from any."""
    pass_on, keep = np.zeros((1, features, 2), np.float32), np.eye(2, dtype=np.float32)[None]
    pass_on[0, 0] = 1, -1
    apart = np.array([[[1], [-1]]], np.float32)
    none = np.zeros((1, 1, 2), np.float32)
    return {
        "mean": np.zeros(features, np.float32), "scale": np.ones(features, np.float32),
        "weight_1": pass_on, "bias_1": none, "weight_2": keep, "bias_2": none,
        "weight_3": apart, "bias_3": none[..., :1],
    }  # fmt: skip


def _start_values(
    rng: np.random.Generator, networks: int, features: int, hidden: int, device: torch.device
) -> list[torch.Tensor]:
    """Weights normal with variance 2 / inputs (He et al., ICCV 2015), biases zero."""
    layers = []
    for inputs, outputs in ((features, hidden), (hidden, hidden), (hidden, 1)):
        weight = rng.standard_normal((networks, inputs, outputs), dtype=np.float32) * np.float32((2 / inputs) ** 0.5)
        layers += [torch.from_numpy(weight), torch.zeros(networks, 1, outputs)]
    return [layer.to(device).requires_grad_() for layer in layers]


def _outputs(layers: list[torch.Tensor], features: torch.Tensor) -> torch.Tensor:
    """Logits ``[networks, n]`` of features ``[n, f]``."""
    hidden = features.expand(len(layers[0]), *features.shape)
    for layer in (0, 2):
        hidden = torch.relu(torch.baddbmm(layers[layer + 1], hidden, layers[layer]))
    return torch.baddbmm(layers[5], hidden, layers[4])[..., 0]


def _list_loss(
    layers: list[torch.Tensor], features: torch.Tensor, relevant: torch.Tensor, starts: np.ndarray, chosen: np.ndarray
) -> torch.Tensor:
    """Mean over lists and networks of: minus the mean log softmax of the list's relevant rows."""
    length = starts[chosen + 1] - starts[chosen]
    number = np.repeat(np.arange(len(chosen)), length)
    rows = np.arange(len(number)) + np.repeat(starts[chosen] - np.cumsum(length) + length, length)
    device = layers[0].device
    segment, wanted = torch.from_numpy(number).to(device), relevant[rows].to(device)
    logits = _outputs(layers, features[rows].to(device))
    segments = segment.expand_as(logits)
    shape = (len(logits), len(chosen))
    highest = logits.new_full(shape, -torch.inf).scatter_reduce(1, segments, logits.detach(), "amax")
    exponents = torch.exp(logits - highest.gather(1, segments))
    normalizer = torch.log(logits.new_zeros(shape).scatter_add(1, segments, exponents)) + highest
    share = wanted / wanted.new_zeros(len(chosen)).index_add(0, segment, wanted)[segment]
    return ((normalizer.gather(1, segments) - logits) * share).sum() / (shape[0] * shape[1])
