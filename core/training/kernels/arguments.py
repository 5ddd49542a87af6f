"""The arguments of the kernels, in small named tuples."""

from typing import NamedTuple

import numpy as np


class Drawing(NamedTuple):
    """How a step is drawn from a walk.

    Attributes:
        keep: float32 ``[n_nodes]``: the probability that an occurrence of a node is trained on.
        accept, alias: the noise table, float32 and int32 ``[n_nodes]``.
        window: reach of a center to either side.
        dynamic: whether each center's reach is drawn from 1..window.
        shared: number of negatives per step.
    """

    keep: np.ndarray
    accept: np.ndarray
    alias: np.ndarray
    window: int
    dynamic: bool
    shared: int


class Stretch(NamedTuple):
    """A part of an epoch, and how far each of its steps goes.

    Attributes:
        rate: float32 learning rate.
        key: uint64 key of the epoch's random numbers.
        first, last: the walks at positions ``first..last-1`` of the epoch's order.
        stride, offset: the epoch's order, see ``WalkOrder``.
        measure_every: the loss is measured on every ``measure_every``-th step.
    """

    rate: np.float32
    key: np.uint64
    first: int
    last: int
    stride: int
    offset: int
    measure_every: int


class Tied(NamedTuple):
    """What matrix factorization has besides its table of vectors.

    Attributes:
        bias: float32 ``[n_nodes]``, or ``[0]`` without biases.
        labels: float32 ``[n_walks]`` in 0..1, or ``[0]`` if all are 1.
        l2: float32 weight of the squared lengths.
    """

    bias: np.ndarray
    labels: np.ndarray
    l2: np.float32
