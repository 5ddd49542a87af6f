"""Settings that all models share that learn from walks or pairs by gradient steps.

Nothing here imports torch or Numba.
"""

import math
from dataclasses import dataclass
from typing import Any

from core.interfaces import BOTH, SESSIONS, WALKS
from core.settings import setting


def sequence_source(default: str = WALKS) -> Any:
    """The setting ``learns_from`` of a model of sequences; see ``core.training.sequences``."""
    return setting(
        default,
        "Sequences that the model learns from: random walks on the training pairs, real sessions (orders, sessions or "
        "customers' histories), or both together. Only categories with orders have sessions.",
        choices=(WALKS, SESSIONS, BOTH),
    )


@dataclass(frozen=True)
class WarmStartConfig:
    """Settings of a training that can start from the vectors of the last one. Only for subclasses.

    The defaults were chosen on a real category with 5 % new pairs. A higher rate lowers the recall of skip-gram, as
    more epochs do.
    """

    warm_start: bool = setting(
        False,
        "Start from the vectors of the category's last training, if there are any, and train for a shorter time.",
    )
    warm_share: float = setting(0.25, "Share of the full training that is done after a warm start.", ge=0.001, le=1)
    warm_rate: float = setting(0.2, "Share of the learning rate that is used after a warm start.", ge=1e-6, le=1)


@dataclass(frozen=True)
class StepsConfig(WarmStartConfig):
    """Settings of training in steps. Only for subclasses."""

    dim: int = setting(128, "Length of the vectors.", ge=1, le=4096)
    negatives: float = setting(5.0, "Negatives per positive pair in the objective.", ge=0.01, le=1000)
    noise_power: float = setting(
        0.75, "Negatives are drawn in proportion to the products' frequency to this power.", ge=-2, le=2
    )
    epochs: int = setting(5, "Number of passes over the data.", ge=1, le=1000)
    learning_rate: float = setting(0.012, "Learning rate at the start.", ge=1e-8, le=1e8)
    min_learning_rate: float = setting(0.0001, "Learning rate at the end.", ge=0, le=1e8)
    backend: str = setting(
        "auto",
        "Code that takes the steps: compiled runs on CPU threads, torch on any torch device; auto chooses compiled on "
        "a CPU.",
        choices=("auto", "compiled", "torch"),
    )
    batch_walks: int = setting(
        1024,
        "Maximum number of walks (or pairs) per step of the torch back end; steps on small graphs have fewer, because "
        "large ones would diverge.",
        ge=1,
        le=1 << 20,
    )
    probes_per_epoch: int = setting(8, "Number of rows of the learning curve per epoch.", ge=1, le=1000)

    def contradiction(self) -> str | None:
        """How the settings contradict each other, or None."""
        return rising_rate(self.learning_rate, self.min_learning_rate)

    def rate(self, epoch: int, part: float) -> float:
        """The learning rate after ``part`` (0..1) of an epoch (1-based): a cosine that restarts with every epoch.

        Loshchilov and Hutter 2017 (SGDR), equation 5, with one epoch per cycle.
        """
        span = self.learning_rate - self.min_learning_rate
        return self.min_learning_rate + span * (1 + math.cos(math.pi * part)) / 2


def rising_rate(learning_rate: float, min_learning_rate: float) -> str | None:
    """The contradiction if the learning rate would rise, or None."""
    if min_learning_rate > learning_rate:
        return f"min_learning_rate: {min_learning_rate} is above learning_rate {learning_rate}"
    return None
