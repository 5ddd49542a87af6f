"""The resources of the assets: the artefact store, the torch device and their share of the machine."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from upath import UPath

from core import paths
from core.delivery.api import ASSET as PUBLISHED_LISTS
from core.errors import InputError
from core.store.artefacts import Store, read_artefact, read_manifest, store_path, write_artefact
from core.store.manifest import Manifest
from core.training.device_choice import ChosenDevice, choose_device
from orchestration import machine
from orchestration.observations import record_inputs
from orchestration.steps.process import end_with_run

_WITH_PREVIOUS = {PUBLISHED_LISTS, "leaderboard"}
"""Assets whose previous version is kept: to put it back, or to show what has changed since."""


class StoreIOManager(dg.UPathIOManager):
    """Artefacts in ``core.store``'s layout: ``<root>/<asset key>/<category>/``, atomic, with a manifest each.

    Attributes:
        store: the same artefacts by asset name.
    """

    def __init__(self, root: UPath) -> None:
        super().__init__(root)
        self.store = Store(root)
        self._inputs: dict[str, dict[str, Manifest]] = {}
        """Step → asset that it has read → the manifest that was current then."""

    def dump_to_path(self, context: dg.OutputContext, obj: Any, path: UPath) -> None:
        facts = {name: getattr(fact, "value", fact) for name, fact in context.output_metadata.items()}
        config, source, lists = facts.get("config") or {}, facts.get("source state"), facts.get("lists state")
        info = {
            "run_id": context.run_id,
            "code_version": context.asset_spec.code_version,
            "config": json.loads(json.dumps(config)),
            "seconds": facts.get("seconds"),
            "peak_memory_mb": facts.get("peak memory (MB)"),
            **self._inputs_of(context.step_context.step.key),
            "source": source,
        }
        if lists is not None:
            info["lists"] = json.loads(json.dumps(lists))
        asset = "/".join(context.asset_key.path)
        instance, run_id = context.step_context.instance, context.run_id

        def still_wanted() -> bool:
            # The step of a run that was cancelled or reported as failed may have outlived it, on this or another
            # machine, and another run may already have stored what follows.
            run = instance.get_run_by_id(run_id)
            return run is not None and not run.is_finished

        way_back = asset in _WITH_PREVIOUS
        manifest = write_artefact(path, asset, context.asset_partition_key, obj, info, still_wanted, way_back)
        record_inputs(context, config, source, lists)
        # Equal content has an equal version, so an artefact that is made again with the same content leaves everything
        # that follows up to date.
        context.step_context.set_data_version(context.asset_key, dg.DataVersion(manifest.digest[:16]))
        context.add_output_metadata({"size (MB)": round(manifest.bytes / 1e6, 3), "version": manifest.version})
        if "checkpoints" in facts:
            # The artefact is current now: the checkpoints that led to it are no longer needed.
            from core.training.checkpoint import clear, sweep

            clear(Path(str(facts["checkpoints"])))
            sweep(paths.checkpoint_dir())

    def load_from_path(self, context: dg.InputContext, path: UPath) -> Any:
        asset = "/".join(context.asset_key.path)
        manifest = read_manifest(path, asset, context.asset_partition_key)
        if manifest is None:
            key = context.asset_key.to_user_string()
            raise InputError(
                f"{key} of {context.asset_partition_key} is not materialized; materialize it first, e.g. with "
                f"`make materialize CATEGORY={context.asset_partition_key}`"
            )
        # Before the read: if the input is replaced in between, what is made from it counts as out of date.
        self._inputs.setdefault(context.step_context.step.key, {})[asset] = manifest
        # Compiled code will use all of it without checks of its own, so its sums are compared first.
        return read_artefact(path, asset, context.asset_partition_key, sums=True)

    def inputs_read(self, context: dg.AssetExecutionContext) -> dict[str, Manifest]:
        """Asset → its manifest when the step read it."""
        return self._inputs[context.op_execution_context.get_step_execution_context().step.key]

    def last(self, asset: str, category: str) -> Any | None:
        """The value that a rebuild of the asset is about to replace, or None if there is none or it is damaged.

        A rebuild may start from it but must not depend on it.
        """
        try:
            return read_artefact(self.store.folder(asset, category), asset, category, sums=True)
        except FileNotFoundError:
            return None
        except InputError as error:
            dg.get_dagster_logger().warning(f"{error}; this run continues as if it had never been made")
            return None

    def _inputs_of(self, step: str) -> dict[str, Any]:
        """What a manifest says about the step's inputs: asset → digest, and the digest of the product_pairs that number
        the products in all of them."""
        used = self._inputs.pop(step, {})
        numbered = {
            manifest.digest if name == "product_pairs" else manifest.info.get("products")
            for name, manifest in used.items()
            if name != "leaderboard"  # it holds no nodes, and is older than the products that are folded in
        } - {None}
        return {
            "inputs": {name: m.digest for name, m in used.items()},
            "products": numbered.pop() if len(numbered) == 1 else None,
        }


class StoreResource(dg.ConfigurableIOManagerFactory):
    """The IO manager ``store``, in the folder or bucket that :func:`core.paths.store_root` takes from the environment.

    It has no setting, because the launchpad could change one: whoever starts a run must not choose where it writes.
    """

    def create_io_manager(self, context: dg.InitResourceContext) -> StoreIOManager:
        end_with_run()  # here, because every step stores something
        return StoreIOManager(store_path(paths.store_root()))


class TorchDevice(dg.ConfigurableResource):
    """The device on which torch models train, and its precision.

    Attributes:
        device: ``auto`` takes the first of cuda, mps and cpu that the machine has; ``cpu``, ``cuda``, ``cuda:N`` and
            ``mps`` require that device.
        precision: precision of products of 32-bit matrices: ``float32`` (exact), ``tf32`` (TensorFloat-32 where the
            device has it) or ``bf16``; see :data:`core.interfaces.PRECISIONS`.
    """

    device: str = "auto"
    precision: str = "float32"

    def resolve(self) -> ChosenDevice:
        """The device to use. Raises InputError if the required device is absent or the name is not one of a device."""
        return choose_device(self.device, "torch_device.device")


class Machine(dg.ConfigurableResource):
    """The share of the machine that one step may use. The libraries of a step with this resource keep to it.

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
