"""The nightly comparison of all that is stored with its manifests.

What is damaged fails the run, so that it is told wherever failed runs are told (``orchestration.sensors``).
"""

import dagster as dg

from core.errors import InputError
from core.store.verify import verify
from orchestration.resources import StoreIOManager

_CRON = "30 4 * * *"


@dg.op(description="Compares size and SHA-256 of every stored file with its manifest.")
def compare_sums(context: dg.OpExecutionContext, store: dg.ResourceParam[StoreIOManager]) -> None:
    """Raises InputError that names every damaged artefact and the command that makes it again."""
    found = verify(store.store)
    if found.damage:
        raise InputError(
            f"{len(found.damage)} of {found.artefacts} artefacts are damaged:\n"
            + "\n".join(f"{asset} of {category}: {trouble}" for asset, category, trouble in found.damage)
        )
    context.log.info(f"{found.artefacts} artefacts, {found.bytes / 1e6:,.1f} MB: all as their manifests say")


@dg.job(description="Compares all that is stored with its manifests, byte for byte.")
def verify_store() -> None:
    compare_sums()


nightly = dg.ScheduleDefinition(
    name="verify_store_nightly",
    job=verify_store,
    cron_schedule=_CRON,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Finds artefacts that a disk has damaged, every night; a run that fails names them.",
)
