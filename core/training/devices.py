"""Torch devices: finding one, setting threads and precision, and halving steps when its memory runs out."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from core.errors import InputError
from core.interfaces import PRECISIONS

MAX_HALVINGS = 6
"""Number of times that a batch is halved because the device's memory does not hold it, before the training fails."""

_Result = TypeVar("_Result")


def find_device(name: str) -> torch.device:
    """The device of this name. Raises InputError if it cannot be used."""
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # the type depends on the device and the build of torch
        raise InputError(f"device {name!r} cannot be used ({error}); choose cpu") from error
    return device


@contextlib.contextmanager
def torch_settings(threads: int, precision: str) -> Iterator[None]:
    """Set torch's CPU threads and precision; both belong to the whole process, so they are restored afterwards."""
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
def explained_out_of_memory(name: str, device: torch.device) -> Iterator[None]:
    """Raise InputError if what must stay on the device for the whole training does not fit; no batch size helps."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise InputError(
            f"{name}: the vectors and walks do not fit into the memory of {device}; choose a smaller {name}.dim or the "
            f"device cpu ({error})"
        ) from error


class Halving:
    """Counts how often the parts of a step were halved because the device's memory did not hold them.

    Args:
        device: the device that computes.

    Attributes:
        count: halvings so far; they apply to all later steps.
    """

    def __init__(self, device: torch.device) -> None:
        self.count = 0
        self._device = device

    def attempt(self, part: Callable[[], _Result], divisible: bool, too_large: str) -> _Result | None:
        """Compute a part of a step; returns None if the memory does not hold it, and halves all parts from then on.

        Args:
            part: computes the part; must have changed nothing if it runs out of memory.
            divisible: whether a smaller part is possible.
            too_large: the error message if it is not, or if :data:`MAX_HALVINGS` were not enough.

        Raises:
            InputError: the part cannot be made smaller.
        """
        try:
            return part()
        except torch.OutOfMemoryError as error:
            if self.count == MAX_HALVINGS or not divisible:
                raise InputError(f"{too_large} ({error})") from error
        # This is outside the handler, because the exception keeps the tensors of the failed part alive.
        self.count += 1
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        return None
