"""What the assets are given: the artefact store, the torch device and the machine's share.

Belongs here: Dagster resources and IO managers. Does not belong here: formats (``core.store``) and deciding what
to compute.
"""

import json
import os
from pathlib import Path
from typing import Any

import dagster as dg
from upath import UPath

from core import paths
from core.store import Store, read_artefact, read_manifest, write_artefact
from orchestration import inputs


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
        return StoreIOManager(UPath(self.root or paths.store_root()))


class TorchDevice(dg.ConfigurableResource):
    """The device on which torch models train.

    Attributes:
        device: ``auto`` takes cuda, then mps, then cpu; ``cpu``, ``cuda``, ``cuda:N`` or ``mps`` demand one.
    """

    device: str = "auto"

    def resolve(self) -> str:
        """Name of the torch device. Raises RuntimeError when a demanded device is not there."""
        import torch

        if self.device == "auto":
            if torch.cuda.is_available():
                return "cuda"
            return "mps" if torch.backends.mps.is_available() else "cpu"
        kind = self.device.split(":")[0]
        present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        if not present.get(kind, False):
            raise RuntimeError(
                f"the torch device {self.device!r} was demanded but is not available on this machine; "
                "set the resource 'torch_device' to 'auto' or 'cpu'"
            )
        return self.device


class Machine(dg.ConfigurableResource):
    """What one step may use of the machine.

    Attributes:
        threads: CPU threads per step; 0 means all cores this process may run on.
    """

    threads: int = 0

    def thread_count(self) -> int:
        return self.threads or len(os.sched_getaffinity(0))
