"""What the server that steps are forked from has behind it, so that no step has to load it again.

The rest of ``orchestration`` imports nothing of this at module level; only the fork server imports this module.
"""

from importlib import import_module

for _name in (
    "orchestration.instance_storage",  # and with it SQLAlchemy and Alembic, to write events
    "orchestration.definitions",
    "pandas",
    "pyarrow.dataset",  # to read Parquet
    "core.evaluation.run",
    "core.models.blend.scorer",
    "core.models.skipgram.train",  # and with it torch
    "core.training.warm_start",
):
    import_module(_name)

# Numba reads its tables of functions when it is first asked to compile or to load something compiled.
_cpu = import_module("numba.core.registry").cpu_target
_cpu.typing_context.refresh()
_cpu.target_context.refresh()
