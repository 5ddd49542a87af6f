"""Skip-gram with negative sampling in batches of walks: the form that runs on an accelerator.

Belongs here: batches made on the device and one gradient step on a batch, in torch operations only. Does not belong
here: what the settings mean and the training loop (``core.training.loop``), or the compiled form for CPUs
(``core.training.compiled``), whose objective this is: per walk, with negatives that the walk shares.

The gradients are written out instead of recorded: a step is six batched matrix products and two scatter-adds, nothing
of the size of the tables is allocated, and only the rows of the batch are touched. The walks of one batch all see the
tables as they were before the batch, so a node that stands in a batch many times takes one step of that many
gradients; :func:`stable_batch` bounds how many.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from core.errors import InputError
from core.training.corpus import Objective, WalkCorpus, walk_order
from core.training.devices import MOST_HALVINGS

_REPORT_EVERY = 32
"""Batches between two looks at the tally: reading a number from an accelerator waits for all work queued on it."""

_LONGEST_STEP = 6.0
"""Bound of :func:`stable_batch`; measured: on a small dense graph 7 still converged and 10 diverged."""


def stable_batch(wished: int, corpus: WalkCorpus, objective: Objective, learning_rate: float) -> int:
    """Walks per batch: as wished, or fewer where the most frequent node would take too long a step.

    All gradients of a batch are taken at the same point, so a node that stands in it n times goes n times as far; past
    the point where that holds, the scores swing and training diverges. The step's length is in proportion to n, the
    learning rate and the terms of the loss per occurrence, and their product is kept below a bound.
    """
    reach = objective.window + 1 if objective.dynamic_window else 2 * objective.window
    terms = min(reach, corpus.walks.shape[1]) * (1 + objective.negatives)
    if objective.tied:  # a row moves as a center and as a context
        terms *= 2
    per_walk = int(corpus.counts.max()) / corpus.n_walks  # times the most frequent node stands in a walk, on average
    return max(1, min(wished, int(_LONGEST_STEP / (learning_rate * terms * per_walk))))


class TorchTrainer:
    """Trains ranges of batches; the same face as :class:`core.training.compiled.CompiledTrainer`.

    Args:
        center, context: float32 ``[n_nodes, dim]`` on the device that shall train, updated in place.
        corpus, objective, seed: as there.
        batch_walks: walks that make one step.
        bias: float32 ``[n_nodes]`` there, updated in place; a tied objective only.

    Attributes:
        halvings: how often the batch had to be halved because the device ran out of memory.
    """

    def __init__(
        self,
        center: Tensor,
        context: Tensor,
        corpus: WalkCorpus,
        objective: Objective,
        batch_walks: int,
        seed: int,
        bias: Tensor | None = None,
    ) -> None:
        self.batch_walks = batch_walks
        self.halvings = 0
        self._center, self._context, self._bias = center, context, bias
        device = center.device
        self._walks = torch.tensor(corpus.walks, device=device)
        self._keep = torch.tensor(objective.keep, device=device) if objective.keep.min() < 1 else None
        self._accept = torch.tensor(objective.noise.accept, device=device)
        self._alias = torch.tensor(objective.noise.alias, device=device)
        self._labels = None if corpus.labels is None else torch.tensor(corpus.labels, device=device)
        self._objective = objective
        self._seed = seed
        self._random = torch.Generator(device)

    @torch.no_grad()
    def batches(
        self, epoch: int, first: int, last: int, rate: Callable[[int], float]
    ) -> Iterator[tuple[int, float, int]]:
        """Train on batches ``first..last-1`` of an epoch; yields a tally of every few batches.

        Args:
            epoch: 1-based.
            rate: learning rate by batch number within the epoch.

        Yields:
            words read, summed loss, number of pairs.
        """
        for start in range(first, last, _REPORT_EVERY):
            tally = torch.zeros(3, device=self._center.device)
            for batch in range(start, min(start + _REPORT_EVERY, last)):
                tally += self._batch(epoch, batch, rate(batch))
            words, loss, pairs = tally.tolist()
            yield round(words), loss, round(pairs)

    def _batch(self, epoch: int, batch: int, rate: float) -> Tensor:
        """Train on one batch; words, loss and pairs as a float32 ``[3]``.

        Where the device's memory does not hold its step, the batch becomes two steps of half the walks, and so on, for
        this and all later batches. A step that fails has changed nothing, so no walk is trained on twice.
        """
        nodes, reach, noise, words = self._draw(epoch, batch)
        labels = None if self._labels is None else self._labels[self._places(epoch, batch)]
        together = max(1, self._objective.pairs_per_step)  # walks that make a row of nodes
        if labels is not None:
            labels = _in_rows(labels[:, None], together, 0.0)
        done, tally = 0, torch.stack([words, torch.zeros_like(words), torch.zeros_like(words)])
        while done < len(nodes):
            part = slice(done, done + max(1, (self.batch_walks >> self.halvings) // together))
            try:
                own = None if labels is None else labels[part]
                loss, pairs = self._step(nodes[part], reach[part], noise[part], own, rate)
            except torch.OutOfMemoryError as error:
                if self.halvings == MOST_HALVINGS or self.batch_walks >> self.halvings <= together:
                    raise InputError(
                        f"batch_walks: {self._center.device} has not enough memory even for steps of "
                        f"{(part.stop - part.start) * together} walks; choose a smaller dim or another device ({error})"
                    ) from error
            else:
                tally[1:] += torch.stack([loss, pairs])
                done = part.stop
                continue
            # Outside the handler: the exception holds the tensors of the failed step.
            self.halvings += 1
            if self._center.device.type == "cuda":
                torch.cuda.empty_cache()
        return tally

    def _step(
        self, nodes: Tensor, reach: Tensor, noise: Tensor, labels: Tensor | None, rate: float
    ) -> tuple[Tensor, Tensor]:
        """The objective's step on what was drawn; ``labels`` ``[B, 1]``, or ``[B, P]`` of rows of P pairs."""
        objective = self._objective
        if not objective.tied:
            return step(self._center, self._context, nodes, reach, noise, objective.negatives, rate)
        tables = self._center, self._bias
        if objective.pairs_per_step:
            return pairs_step(*tables, labels, objective.l2, nodes, noise, objective.negatives, rate)
        own = None if labels is None else labels[:, 0]
        return tied_step(*tables, own, objective.l2, nodes, reach, noise, objective.negatives, rate)

    def _draw(self, epoch: int, batch: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The walks of a batch after subsampling, or rows of as many pairs as make a step, and the step's draws."""
        device, random = self._center.device, self._random
        random.manual_seed(int(np.random.SeedSequence([self._seed, epoch, batch]).generate_state(1)[0]))
        nodes = self._walks[self._places(epoch, batch)].long()
        words = (nodes >= 0).sum().float()
        if self._keep is not None:
            kept = nodes >= 0
            kept &= torch.rand(nodes.shape, device=device, generator=random) < self._keep[nodes.clamp(min=0)]
            closed_up = torch.argsort(~kept, dim=1, stable=True)
            nodes = nodes.where(kept, -1).gather(1, closed_up)
        if self._objective.pairs_per_step:
            nodes = _in_rows(nodes, self._objective.pairs_per_step, -1)
        if self._objective.dynamic_window:
            reach = torch.randint(1, self._objective.window + 1, nodes.shape, device=device, generator=random)
        else:
            reach = torch.full_like(nodes, self._objective.window)
        shape = (len(nodes), self._objective.shared_negatives)
        slot = torch.randint(len(self._accept), shape, device=device, generator=random)
        coin = torch.rand(shape, device=device, generator=random)
        noise = slot.where(coin < self._accept[slot], self._alias[slot].long())
        return nodes, reach, noise, words

    def _places(self, epoch: int, batch: int) -> Tensor:
        """int64: which walks make a batch."""
        order = walk_order(len(self._walks), self._seed, epoch)
        first = batch * self.batch_walks
        last = min(first + self.batch_walks, len(self._walks))
        position = torch.arange(first, last, device=self._center.device)
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
    nodes = nodes.clamp(min=0)  # gradients of padding are zero, so it does no harm that it becomes node 0
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
    # All that needs memory comes before the first update, so that a step which does not fit has changed nothing.
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
        labels: float32 ``[B]``, or None where all are 1.
        l2: weight of the squared lengths.

    The other arguments and what is returned are as of :func:`step`.
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
        labels: float32 ``[B, P]``, or None where all are 1.
        nodes: int64 ``[B, 2 P]``: the two products of a pair stand side by side; -1 after a row's last pair.

    The other arguments and what is returned are as of :func:`tied_step`.
    """
    device = table.device
    label = torch.ones(1, 1, 1, device=device) if labels is None else labels.repeat_interleave(2, 1)[:, :, None]
    place = torch.arange(nodes.shape[1], device=device)
    partners = place[:, None] == (place ^ 1)[None, :]
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
    """What both tied steps share.

    Args:
        label: float32, of a shape that broadcasts with ``inside``.
        inside: float32 ``[B, L, L]``: 1 where two places are a positive pair.
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
    # All that needs memory comes before the first update, as in :func:`step`.
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


def _in_rows(walks: Tensor, together: int, filler: float) -> Tensor:
    """``[B, L]`` → ``[ceil(B / together), together * L]``: so many walks side by side, the last row filled up."""
    missing = -len(walks) % together
    return torch.nn.functional.pad(walks, (0, 0, 0, missing), value=filler).reshape(-1, together * walks.shape[1])


def _inside(nodes: Tensor, reach: Tensor) -> Tensor:
    """bool ``[B, L, L]``: the second place is in the window of the first, and neither is padding."""
    valid = nodes >= 0
    place = torch.arange(nodes.shape[1], device=nodes.device)
    distance = (place[:, None] - place[None, :]).abs()
    return (distance > 0) & (distance <= reach[:, :, None]) & valid[:, :, None] & valid[:, None, :]
