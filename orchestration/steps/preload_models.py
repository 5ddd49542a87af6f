"""The slow imports of steps that work with models, done once in the server that steps are forked from.

Only that server imports this module, and only for a run that has such a step: torch, Numba and scikit-learn take longer
to import than most other steps take to do their work.
"""

from importlib import import_module

for _name in (
    "core.evaluation.run",
    "core.models.blend.scorer",
    "core.models.skipgram.train",  # with it torch
    "core.training.warm_start",
):
    import_module(_name)

# Numba reads its tables of functions when it first compiles something or loads something compiled.
_cpu = import_module("numba.core.registry").cpu_target
_cpu.typing_context.refresh()
_cpu.target_context.refresh()
