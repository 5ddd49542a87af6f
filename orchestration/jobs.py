"""The jobs: the rebuild of a category, and the comparison of the whole store with its manifests.

The limits on how many runs execute at once are in dagster.yaml.
"""

import dagster as dg

from core.errors import InputError
from core.store.verify import verify
from orchestration.resources import StoreIOManager

rebuild = dg.define_asset_job(
    "rebuild",
    selection=dg.AssetSelection.all(),
    description="Rebuilds all assets of one category from its source.",
)

FOLD_IN = "fold_in"
"""Name of the job in which the final models are not trained."""

fold_in = dg.define_asset_job(
    FOLD_IN,
    selection=dg.AssetSelection.assets("product_pairs").upstream().required_multi_asset_neighbors()
    | dg.AssetSelection.assets("final_models", "recommendations")
    | dg.AssetSelection.groups("published"),
    description="Brings new products and pairs of one category into its lists without training. The models keep what "
    "they learned, and the next rebuild trains them again.",
)


@dg.op(description="Compares the size and SHA-256 of every stored file with its manifest.")
def compare_sums(context: dg.OpExecutionContext, store: dg.ResourceParam[StoreIOManager]) -> None:
    """Raises InputError that names every damaged artefact and the command that makes it again."""
    result = verify(store.store)
    if result.damage:
        raise InputError(
            f"{len(result.damage)} of {result.artefacts} artefacts are damaged:\n"
            + "\n".join(f"{asset} of {category}: {trouble}" for asset, category, trouble in result.damage)
        )
    context.log.info(f"All {result.artefacts} artefacts ({result.bytes / 1e6:,.1f} MB) are as their manifests say.")


@dg.job(description="Compares every stored file with its manifest, byte for byte. A damaged artefact fails the run.")
def verify_store() -> None:
    compare_sums()
