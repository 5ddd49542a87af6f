"""The choice of the torch device to train on, and the reason for it."""

import re
from typing import NamedTuple

from core.errors import InputError


class ChosenDevice(NamedTuple):
    """A torch device and the reason why it was chosen."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.name} ({self.why})"


def choose_device(device: str, where: str) -> ChosenDevice:
    """The device to use.

    Args:
        device: ``auto`` chooses cuda, else mps, else cpu; ``cpu``, ``cuda``, ``cuda:N`` or ``mps`` demand one.
        where: name of the setting for errors, e.g. "torch_device.device".

    Raises:
        InputError: the machine lacks the requested device, or no device has that name.
    """
    import torch

    present = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available()), "cpu": 1}
    if device == "auto":
        chosen = next(kind for kind, number in present.items() if number)
        missing = [kind for kind in ("cuda", "mps") if not present[kind]]
        why = f"auto; this machine has no {' and no '.join(missing)}" if chosen == "cpu" else "auto"
        return ChosenDevice(chosen, why)
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", device):
        # The message does not repeat the value, which the launchpad may take from any environment variable.
        raise InputError(f"{where}: the value is not one of auto, cpu, cuda, cuda:N, mps")
    kind, _, number = device.partition(":")
    if int(number or 0) >= present[kind]:
        raise InputError(
            f"{where}: the torch device {device!r} was demanded, but this machine has {present[kind]} devices of kind "
            f"{kind}; choose auto or cpu"
        )
    return ChosenDevice(device, "demanded")
