"""A model as somebody adds one: a module of its own settings, vectors and loss. The registry knows nothing of it."""

from dataclasses import dataclass

import numpy as np
import torch

from core.interfaces import CENTER_CENTER, Inputs, Model, TrainContext
from core.settings import setting
from core.training.autograd import AutogradObjective
from core.training.config import StepsConfig
from core.training.loop import train_vectors
from core.training.trainer import VectorModel

ENTRY = Model(
    name="toy",
    description="Vectors whose products tell pairs from pairs that are none.",
    train="tests.toy_model:train",
    config="tests.toy_model:ToyConfig",
    inputs=("graph",),
    scorings=(CENTER_CENTER,),
    learns=True,
)


@dataclass(frozen=True)
class ToyConfig(StepsConfig):
    """Settings of the toy."""

    dim: int = setting(8, "Length of the vectors.", ge=1, le=64)
    epochs: int = setting(12, "Passes over the pairs.", ge=1, le=1000)
    learning_rate: float = setting(0.1, "Learning rate at the start of each epoch.", ge=1e-8, le=1e8)
    probes_per_epoch: int = setting(2, "Rows of the learning curve per epoch.", ge=1, le=1000)


class Toy(VectorModel):
    """One vector for every product."""

    cosine = False

    def __init__(self, graph, dim, seed):
        super().__init__()
        self.seen = graph.degree > 0
        self.vectors = torch.nn.Parameter(
            torch.from_numpy(np.random.default_rng(seed).normal(0, 0.3, (graph.n_nodes, dim)).astype(np.float32))
        )
        self.source = np.repeat(np.arange(graph.n_nodes), graph.degree)
        self.target = graph.indices.astype(np.int64)

    def loss(self, examples):
        source, target = self.source[examples], self.target[examples]
        other = (target + 7 * examples + 1) % len(self.seen)
        near, far = ((self.vectors[source] * self.vectors[to]).sum(1) for to in (target, other))
        return (torch.nn.functional.softplus(-near) + torch.nn.functional.softplus(far)).mean()

    def rows(self, nodes):
        return self.vectors.detach()[nodes].cpu().numpy(), None


def train(inputs: Inputs, config: ToyConfig, context: TrainContext):
    """The whole of what a new model writes."""
    module = Toy(inputs.graph, config.dim, context.seed)
    objective = AutogradObjective([module.loss], len(module.source), batch=64, inputs=[module.source, module.target])
    return train_vectors("toy", module, objective, config, context)
