"""What the assets are given: the artefact store, the torch device and the machine's share.

Belongs here: Dagster resources and IO managers. Does not belong here: formats (``core.store``) and deciding what
to compute.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from upath import UPath

from core import paths
from core.devices import ChosenDevice, choose_device
from core.store import Store, read_artefact, read_manifest, store_path, write_artefact
from orchestration import inputs, machine

GPU_POOL = "gpu"
"""Pool of the steps that train on the torch device; dagster.yaml says how many may do so at once."""


class StoreIOManager(dg.UPathIOManager):
    """Artefacts in ``core.store``'s layout: ``<root>/<asset key>/<category>/``, atomic, with a manifest each.

    Attributes:
        store: the same artefacts by asset name.
    """

    def __init__(self, root: UPath) -> None:
        super().__init__(root)
        self.store = Store(root)
        self._digests: dict[str, dict[str, str]] = {}
        """Step → asset it has read → digest."""

    def dump_to_path(self, context: dg.OutputContext, obj: Any, path: UPath) -> None:
        facts = {name: getattr(fact, "value", fact) for name, fact in context.output_metadata.items()}
        config, source = facts.get("config") or {}, facts.get("source state")
        info = {
            "run_id": context.run_id,
            "code_version": context.asset_spec.code_version,
            "config": json.loads(json.dumps(config)),
            "seconds": facts.get("seconds"),
            "peak_memory_mb": facts.get("peak memory (MB)"),
            "inputs": self._digests.pop(context.step_context.step.key, {}),
            "source": source,
        }
        asset = "/".join(context.asset_key.path)
        manifest = write_artefact(path, asset, context.asset_partition_key, obj, info)
        inputs.record(context, config, source)
        # Equal content has an equal version: making an artefact again as it was leaves what follows up to date.
        context.step_context.set_data_version(context.asset_key, dg.DataVersion(manifest.digest[:16]))
        context.add_output_metadata({"size (MB)": round(manifest.bytes / 1e6, 3), "version": manifest.version})
        if "checkpoints" in facts:
            # The artefact is current now: the checkpoints that led to it are no longer needed.
            from core.checkpoint import clear, sweep

            clear(Path(str(facts["checkpoints"])))
            sweep(paths.checkpoint_dir())

    def load_from_path(self, context: dg.InputContext, path: UPath) -> Any:
        manifest = read_manifest(path)
        if manifest is None:
            key = context.asset_key.to_user_string()
            raise FileNotFoundError(
                f"{key} of {context.asset_partition_key} is not materialized; materialize it first, e.g. "
                f"`make materialize CATEGORY={context.asset_partition_key}`"
            )
        # Before the read: if the input is replaced in between, what is made of it counts as out of date, never as new.
        self._digests.setdefault(context.step_context.step.key, {})[manifest.asset] = manifest.digest
        return read_artefact(path)

    def last(self, asset: str, category: str) -> Any | None:
        """What a rebuild of the asset is about to replace, or None: to start from, not to depend on."""
        return self.store.read(asset, category) if self.store.manifest(asset, category) else None


class StoreResource(dg.ConfigurableIOManagerFactory):
    """The IO manager ``store``.

    Attributes:
        root: folder or URL of the artefact store; empty means ``ALSOBOUGHT_STORE`` or ``data/store``.
    """

    root: str = ""

    def create_io_manager(self, context: dg.InitResourceContext) -> StoreIOManager:
        machine.end_with_run()  # here, because every step stores something
        return StoreIOManager(store_path(self.root or paths.store_root()))


class TorchDevice(dg.ConfigurableResource):
    """The device on which torch models train, and how exactly it multiplies matrices.

    Attributes:
        device: ``auto`` takes cuda, then mps, then cpu; ``cpu``, ``cuda``, ``cuda:N`` or ``mps`` demand one.
        precision: of matrix products of 32-bit numbers: ``float32`` (exact), ``tf32`` (TensorFloat-32 where the
            device has it) or ``bf16``; see :data:`core.models.base.PRECISIONS`.
    """

    device: str = "auto"
    precision: str = "float32"

    def resolve(self) -> ChosenDevice:
        """The device to use. Raises InputError when it is demanded and not there, or is no device's name."""
        return choose_device(self.device, "torch_device.device")


class Machine(dg.ConfigurableResource):
    """What one step may use of the machine; while a step that has this resource runs, its libraries keep to it.

    Attributes:
        threads: CPU threads per step; 0 means this step's share of the cores.
    """

    threads: int = 0

    def thread_count(self) -> int:
        return self.threads or machine.THREADS_PER_STEP

    @contextlib.contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Machine"]:
        with machine.capped(self.thread_count()):
            yield self
