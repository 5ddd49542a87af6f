"""The executor has its server import what the assets of a run need, and no more."""

import dagster as dg
import pytest

from core.stages import stages
from orchestration.definitions import defs
from orchestration.steps import server


@pytest.mark.parametrize("asset", ["product_pairs", "walks", "embeddings/popularity", "leaderboard"])
def test_the_executor_of_a_run_preloads_what_its_assets_need(asset):
    selection = {dg.AssetKey.from_user_string(asset)}
    job = dg.reconstructable(job_of_all_assets).get_subset(asset_selection=selection)
    with dg.DagsterInstance.ephemeral() as instance:
        definition = job.get_definition().executor_def
        settings = {"max_concurrent": 1, "retries": {"enabled": {}}}
        executor = definition.executor_creation_fn(dg.InitExecutorContext(job, definition, settings, instance))
    modules = server.COMPLETE if stages()[asset].group == "models" else server.BASIC
    assert executor._start_method == "forkserver" and executor._explicit_forkserver_preload == modules


def job_of_all_assets():
    return defs.resolve_job_def("rebuild")
