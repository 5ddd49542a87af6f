"""A learning-curve probe that keeps what it was shown."""

import numpy as np


class RecordingProbe:
    """Wants the vectors of ``nodes`` and answers with ``answer(center, context)``."""

    def __init__(self, nodes, answer):
        self.nodes = np.asarray(nodes)
        self.shown = []
        self.cosine = []
        self._answer = answer

    def __call__(self, center, context, cosine=True):
        self.shown.append((center.copy(), None if context is None else context.copy()))
        self.cosine.append(cosine)
        return self._answer(center, context)
