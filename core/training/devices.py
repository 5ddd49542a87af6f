"""Torch devices: whether one is there, how many threads and how exact its products are, and how often to halve."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from core.errors import InputError
from core.interfaces import PRECISIONS

MOST_HALVINGS = 6
"""Times that a batch is halved when the device's memory does not hold it, before the training fails."""

_Result = TypeVar("_Result")


def find_device(name: str) -> torch.device:
    """The device of this name. Raises InputError if it cannot be used."""
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # which of them depends on the device and the build
        raise InputError(f"device {name!r} cannot be used ({error}); choose cpu") from error
    return device


@contextlib.contextmanager
def torch_settings(threads: int, precision: str) -> Iterator[None]:
    """Limit torch's CPU threads and set how exactly it multiplies; both are the process's, so they are put back."""
    if precision not in PRECISIONS:
        raise InputError(f"torch_device.precision: the value is not one of {', '.join(PRECISIONS)}")
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(PRECISIONS[precision])
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.set_float32_matmul_precision(before[1])


@contextlib.contextmanager
def roomy(name: str, device: torch.device) -> Iterator[None]:
    """Say what to do when what must stand on the device for the whole training does not fit; no batch size helps."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise InputError(
            f"{name}: vectors and walks do not fit into the memory of {device}; choose a smaller {name}.dim or the "
            f"device cpu ({error})"
        ) from error


class Halving:
    """How often the parts in which a step is computed were halved because the device's memory did not hold them.

    Args:
        device: whose memory.

    Attributes:
        count: halvings so far; they stay for all later steps.
    """

    def __init__(self, device: torch.device) -> None:
        self.count = 0
        self._device = device

    def attempt(self, part: Callable[[], _Result], divisible: bool, too_large: str) -> _Result | None:
        """Compute a part of a step; None if memory does not hold it: then parts are half as large from now on.

        Args:
            part: computes it; must have changed nothing if it runs out of memory.
            divisible: whether a smaller part is possible.
            too_large: what to say if it is not, or if :data:`MOST_HALVINGS` were not enough.
        """
        try:
            return part()
        except torch.OutOfMemoryError as error:
            if self.count == MOST_HALVINGS or not divisible:
                raise InputError(f"{too_large} ({error})") from error
        # Outside the handler: the exception holds the tensors of the failed part.
        self.count += 1
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        return None
