"""Torch devices: whether one is there, how many threads and how exact its products are, and how often to halve.

Belongs here: what every training in torch asks of its device. Does not belong here: any model.
"""

import contextlib
from collections.abc import Iterator

import torch

from core.errors import InputError
from core.interfaces import PRECISIONS

MOST_HALVINGS = 6
"""Times that a batch is halved when the device's memory does not hold it, before the training fails."""


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
        raise InputError(f"precision {precision!r} is not one of {', '.join(PRECISIONS)}")
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(PRECISIONS[precision])
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.set_float32_matmul_precision(before[1])
