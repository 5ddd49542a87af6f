"""The torch device to train on: which of those that a machine has is taken, and why."""

import re
from typing import NamedTuple

from core.errors import InputError


class ChosenDevice(NamedTuple):
    """A torch device and why it was taken."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.name} ({self.why})"


def choose_device(device: str, where: str) -> ChosenDevice:
    """The device to use.

    Args:
        device: ``auto`` takes cuda, then mps, then cpu; ``cpu``, ``cuda``, ``cuda:N`` or ``mps`` demand one.
        where: what the user set, named in errors, e.g. "torch_device.device".

    Raises:
        InputError: the device is demanded and this machine does not have it, or the name is no device's.
    """
    import torch

    present = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available()), "cpu": 1}
    if device == "auto":
        chosen = next(kind for kind, number in present.items() if number)
        missing = [kind for kind in ("cuda", "mps") if not present[kind]]
        why = f"auto; this machine has no {' and no '.join(missing)}" if chosen == "cpu" else "auto"
        return ChosenDevice(chosen, why)
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", device):
        # The value is not repeated: the launchpad may take it from any variable of the environment.
        raise InputError(f"{where}: is not one of auto, cpu, cuda, cuda:N, mps")
    kind, _, number = device.partition(":")
    if int(number or 0) >= present[kind]:
        raise InputError(
            f"the torch device {device!r} was demanded but this machine has {present[kind]} of kind {kind}; "
            f"set {where} to 'auto' or 'cpu'"
        )
    return ChosenDevice(device, "demanded")
