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


class StoreIOManager(dg.UPathIOManager):
    """Artefacts in ``core.store``'s layout: ``<root>/<asset key>/<category>/``, atomic, with a manifest each."""

    def dump_to_path(self, context: dg.OutputContext, obj: Any, path: UPath) -> None:
        facts = context.output_metadata
        config, seconds, memory = (facts.get(name) for name in ("config", "seconds", "peak memory (MB)"))
        info = {
            "run_id": context.run_id,
            "code_version": context.asset_spec.code_version,
            "config": json.loads(json.dumps(config.value)) if config is not None else {},
            "seconds": seconds.value if seconds is not None else None,
            "peak_memory_mb": memory.value if memory is not None else None,
        }
        asset = "/".join(context.asset_key.path)
        manifest = write_artefact(path, asset, context.asset_partition_key, obj, info)
        context.add_output_metadata({"size (MB)": round(manifest.bytes / 1e6, 3), "version": manifest.version})
        if "checkpoints" in facts:
            # The artefact is current now: the checkpoints that led to it are no longer needed.
            from core.checkpoint import clear

            clear(Path(str(facts["checkpoints"].value)))

    def load_from_path(self, context: dg.InputContext, path: UPath) -> Any:
        if read_manifest(path) is None:
            key = context.asset_key.to_user_string()
            raise FileNotFoundError(
                f"{key} of {context.asset_partition_key} is not materialized; materialize it first, e.g. "
                f"`make materialize CATEGORY={context.asset_partition_key}`"
            )
        return read_artefact(path)

    def last(self, asset: str, category: str) -> Any | None:
        """What a rebuild of the asset is about to replace, or None: to start from, not to depend on."""
        store = Store(self._base_path)
        return store.read(asset, category) if store.manifest(asset, category) else None


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
