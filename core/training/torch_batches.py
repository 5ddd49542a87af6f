"""Negative sampling in batches of walks: the form that runs on an accelerator.

The gradients are written out instead of recorded by autograd: a step is six batched matrix products and two
scatter-adds, nothing as large as the tables is allocated, and only the rows of the batch are touched. All walks of a
batch see the tables as they were before the batch, so a node that occurs many times in it takes one step with the sum
of that many gradients; the objective limits their number.
"""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.training.corpus import WalkCorpus, walk_order
from core.training.devices import Halving
from core.training.kernels.arguments import Drawing
from core.training.trainer import Tally

_REPORT_EVERY = 32
"""Number of batches between two tallies, because reading a number from an accelerator waits for all queued work."""


class TorchTrainer:
    """Trains ranges of batches on a device; see ``core.training.trainer.Trainer``.

    Args:
        step: takes one step with nodes, reach, noise, labels and learning rate; returns loss and number of pairs.
        corpus: the walks.
        drawing: how a step is drawn from them.
        batch_walks: walks that make one step.
        seed: seed of all draws.
        device: device that trains.
        precision: precision of matrix products, only reported.
        pairs_per_row: number of walks of two nodes that make one row of nodes; 0 means that every row is a walk.
    """

    def __init__(
        self,
        step: Callable[[Tensor, Tensor, Tensor, Tensor | None, float], tuple[Tensor, Tensor]],
        corpus: WalkCorpus,
        drawing: Drawing,
        batch_walks: int,
        seed: int,
        device: torch.device,
        precision: str = "float32",
        pairs_per_row: int = 0,
    ) -> None:
        self.n_batches = math.ceil(corpus.n_walks / batch_walks)
        self.batch_walks = batch_walks
        self._step = step
        self._device, self._precision = device, precision
        self._halving = Halving(device)
        self._walks = torch.tensor(corpus.walks, device=device)
        self._keep = torch.tensor(drawing.keep, device=device) if drawing.keep.min() < 1 else None
        self._accept = torch.tensor(drawing.accept, device=device)
        self._alias = torch.tensor(drawing.alias, device=device)
        self._labels = None if corpus.labels is None else torch.tensor(corpus.labels, device=device)
        self._drawing, self._pairs_per_row = drawing, pairs_per_row
        self._seed = seed
        self._random = torch.Generator(device)

    @torch.no_grad()
    def batches(self, epoch: int, first: int, last: int, rate: Callable[[int], float]) -> Iterator[Tally]:
        """See ``Trainer``; yields a tally of every few batches."""
        for start in range(first, last, _REPORT_EVERY):
            tally = torch.zeros(3, device=self._device)
            for batch in range(start, min(start + _REPORT_EVERY, last)):
                tally += self._batch(epoch, batch, rate(batch))
            words, loss, pairs = tally.tolist()
            yield Tally(round(words), loss, round(pairs))

    def facts(self) -> dict[str, Any]:
        return {
            "backend": "torch",
            "device": str(self._device),
            "precision": self._precision,
            "batch_walks": self.batch_walks,
            "out_of_memory_halvings": self._halving.count,
        }

    def state(self) -> dict[str, np.ndarray]:
        return {}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        pass

    def _batch(self, epoch: int, batch: int, rate: float) -> Tensor:
        """Train on one batch; returns words, loss and pairs as float32 ``[3]``.

        If the device's memory does not hold the step, the batch becomes two steps of half the walks, and so on, for
        this and all later batches. A failed step has changed nothing, so no walk is trained on twice.
        """
        nodes, reach, noise, words = self._draw(epoch, batch)
        labels = None if self._labels is None else self._labels[self._walk_numbers(epoch, batch)]
        walks_per_row = max(1, self._pairs_per_row)
        if labels is not None:
            labels = _in_rows(labels[:, None], walks_per_row, 0.0)
        done, tally = 0, torch.stack([words, torch.zeros_like(words), torch.zeros_like(words)])
        while done < len(nodes):
            walks = self.batch_walks >> self._halving.count
            part = slice(done, done + max(1, walks // walks_per_row))
            part_labels = None if labels is None else labels[part]
            loss_and_pairs = self._halving.attempt(
                functools.partial(self._step, nodes[part], reach[part], noise[part], part_labels, rate),
                divisible=walks > walks_per_row,
                too_large=f"batch_walks: {self._device} does not have enough memory even for steps of "
                f"{(part.stop - part.start) * walks_per_row} walks; choose a smaller dim or another device",
            )
            if loss_and_pairs is not None:
                tally[1:] += torch.stack(loss_and_pairs)
                done = part.stop
        return tally

    def _draw(self, epoch: int, batch: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What a batch trains on: its nodes after subsampling (in rows of pairs, if any), reach, noise and words."""
        device, random = self._device, self._random
        random.manual_seed(int(np.random.SeedSequence([self._seed, epoch, batch]).generate_state(1)[0]))
        nodes = self._walks[self._walk_numbers(epoch, batch)].long()
        words = (nodes >= 0).sum().float()
        if self._keep is not None:
            kept = nodes >= 0
            kept &= torch.rand(nodes.shape, device=device, generator=random) < self._keep[nodes.clamp(min=0)]
            kept_first = torch.argsort(~kept, dim=1, stable=True)
            nodes = nodes.where(kept, -1).gather(1, kept_first)
        if self._pairs_per_row:
            nodes = _in_rows(nodes, self._pairs_per_row, -1)
        if self._drawing.dynamic:
            reach = torch.randint(1, self._drawing.window + 1, nodes.shape, device=device, generator=random)
        else:
            reach = torch.full_like(nodes, self._drawing.window)
        shape = (len(nodes), self._drawing.shared)
        slot = torch.randint(len(self._accept), shape, device=device, generator=random)
        coin = torch.rand(shape, device=device, generator=random)
        noise = slot.where(coin < self._accept[slot], self._alias[slot].long())
        return nodes, reach, noise, words

    def _walk_numbers(self, epoch: int, batch: int) -> Tensor:
        """int64: the numbers of the walks that make a batch."""
        order = walk_order(len(self._walks), self._seed, epoch)
        first = batch * self.batch_walks
        last = min(first + self.batch_walks, len(self._walks))
        position = torch.arange(first, last, device=self._device)
        return (position * order.stride + order.offset) % len(self._walks)


def step(
    center: Tensor, context: Tensor, nodes: Tensor, reach: Tensor, noise: Tensor, negatives: float, rate: float
) -> tuple[Tensor, Tensor]:
    """One SGD step on the summed loss of a batch of walks (see ``update_walk``).

    Args:
        center, context: float32 ``[n_nodes, dim]``, updated in place.
        nodes: int64 ``[B, L]``, -1 after a walk's end.
        reach: int64 ``[B, L]``.
        noise: int64 ``[B, K]``.
        negatives: negatives per positive pair in the objective.
        rate: learning rate.

    Returns:
        the loss before the step and its number of positive pairs, both float32 scalars on the device.
    """
    inside = _inside(nodes, reach).float()
    nodes = nodes.clamp(min=0)  # padding becomes node 0, which does no harm because its gradients are zero
    positives = inside.sum(2, keepdim=True)  # [B, L, 1]
    weight = positives * (negatives / noise.shape[1])

    c, x, n = center[nodes], context[nodes], context[noise]  # [B, L, dim], [B, L, dim], [B, K, dim]
    near = c @ x.mT  # [B, L, L]
    far = c @ n.mT  # [B, L, K]
    softplus = torch.nn.functional.softplus
    loss = (softplus(-near) * inside).sum() + (softplus(far) * weight).sum()

    pull = torch.sigmoid(-near) * inside * rate
    push = torch.sigmoid(far) * weight * -rate
    dim = center.shape[1]
    # Everything that needs memory comes before the first update, so that a step that does not fit changes nothing.
    to_center, to_context, to_noise = pull @ x + push @ n, pull.mT @ c, push.mT @ c
    n_pairs = positives.sum()
    center.index_add_(0, nodes.flatten(), to_center.view(-1, dim))
    context.index_add_(0, nodes.flatten(), to_context.view(-1, dim))
    context.index_add_(0, noise.flatten(), to_noise.view(-1, dim))
    return loss, n_pairs


def tied_step(
    table: Tensor,
    bias: Tensor | None,
    labels: Tensor | None,
    l2: float,
    nodes: Tensor,
    reach: Tensor,
    noise: Tensor,
    negatives: float,
    rate: float,
) -> tuple[Tensor, Tensor]:
    """One SGD step of matrix factorization on a batch of walks (see ``update_tied``).

    Args:
        table: float32 ``[n_nodes, dim]``, updated in place.
        bias: float32 ``[n_nodes]``, updated in place, or None.
        labels: float32 ``[B]``, or None if all are 1.
        l2: weight of the squared lengths.

    The other arguments and the returned values are those of :func:`step`.
    """
    label = torch.ones(1, 1, 1, device=table.device) if labels is None else labels[:, None, None]
    inside = (_inside(nodes, reach) & (nodes[:, :, None] != nodes[:, None, :])).float()
    shrink = torch.full((1, 1, 1), rate * l2, device=table.device)
    return _tied(table, bias, label, nodes, inside, noise, negatives, rate, shrink, shrink)


def pairs_step(
    table: Tensor,
    bias: Tensor | None,
    labels: Tensor | None,
    l2: float,
    nodes: Tensor,
    noise: Tensor,
    negatives: float,
    rate: float,
) -> tuple[Tensor, Tensor]:
    """One SGD step of matrix factorization on B rows of P pairs (see ``update_pairs``).

    Args:
        labels: float32 ``[B, P]``, or None if all are 1.
        nodes: int64 ``[B, 2 P]``: the two products of a pair are neighbours; -1 after a row's last pair.

    The other arguments and the returned values are those of :func:`tied_step`.
    """
    device = table.device
    label = torch.ones(1, 1, 1, device=device) if labels is None else labels.repeat_interleave(2, 1)[:, :, None]
    position = torch.arange(nodes.shape[1], device=device)
    partners = position[:, None] == (position ^ 1)[None, :]
    inside = (partners & (nodes >= 0)[:, :, None]).float()
    shrink = torch.full((1, 1, 1), rate * l2, device=device)
    share = inside.sum((1, 2))[:, None, None] * (negatives / (2 * noise.shape[1]))
    return _tied(table, bias, label, nodes, inside, noise, negatives, rate, shrink, shrink * share)


def _tied(
    table: Tensor,
    bias: Tensor | None,
    label: Tensor,
    nodes: Tensor,
    inside: Tensor,
    noise: Tensor,
    negatives: float,
    rate: float,
    shrink: Tensor,
    shrink_noise: Tensor,
) -> tuple[Tensor, Tensor]:
    """The part that both tied steps share.

    Args:
        label: float32, of a shape that broadcasts with ``inside``.
        inside: float32 ``[B, L, L]``: 1 where two positions are a positive pair.
        shrink, shrink_noise: float32 ``[1 or B, 1, 1]``: the share by which l2 shortens the rows of nodes and of noise.
    """
    valid = (nodes >= 0).float()
    positives = inside.sum(2, keepdim=True)  # [B, L, 1]
    weight = positives * (negatives / noise.shape[1]) * (nodes[:, :, None] != noise[:, None, :])  # [B, L, K]
    nodes = nodes.clamp(min=0)

    v, n = table[nodes], table[noise]  # [B, L, dim], [B, K, dim]
    near, far = v @ v.mT, v @ n.mT
    if bias is not None:
        b, c = bias[nodes], bias[noise]
        near = near + b[:, :, None] + b[:, None, :]
        far = far + b[:, :, None] + c[:, None, :]
    softplus = torch.nn.functional.softplus
    loss = ((softplus(near) - label * near) * inside).sum() + (softplus(far) * weight).sum()

    pull = (label - torch.sigmoid(near)) * inside * rate
    pull = pull + pull.mT  # every row is a center and a context
    push = torch.sigmoid(far) * weight * -rate
    dim = table.shape[1]
    # Everything that needs memory comes before the first update, as in :func:`step`.
    to_nodes = pull @ v + push @ n - shrink * valid[:, :, None] * v
    to_noise = push.mT @ v - shrink_noise * n
    n_pairs = positives.sum()
    if bias is not None:
        to_node_bias = (pull.sum(2) + push.sum(2) - shrink[:, :, 0] * valid * b).flatten()
        to_noise_bias = (push.sum(1) - shrink_noise[:, :, 0] * c).flatten()
        bias.index_add_(0, nodes.flatten(), to_node_bias)
        bias.index_add_(0, noise.flatten(), to_noise_bias)
    table.index_add_(0, nodes.flatten(), to_nodes.view(-1, dim))
    table.index_add_(0, noise.flatten(), to_noise.view(-1, dim))
    return loss, n_pairs


def _in_rows(walks: Tensor, per_row: int, filler: float) -> Tensor:
    """``[B, L]`` → ``[ceil(B / per_row), per_row * L]``: ``per_row`` walks side by side, with the last row filled."""
    missing = -len(walks) % per_row
    return torch.nn.functional.pad(walks, (0, 0, 0, missing), value=filler).reshape(-1, per_row * walks.shape[1])


def _inside(nodes: Tensor, reach: Tensor) -> Tensor:
    """bool ``[B, L, L]``: the second position is in the window of the first, and neither is padding."""
    valid = nodes >= 0
    position = torch.arange(nodes.shape[1], device=nodes.device)
    distance = (position[:, None] - position[None, :]).abs()
    return (distance > 0) & (distance <= reach[:, :, None]) & valid[:, :, None] & valid[:, None, :]
