"""Stage 6: the models of a shop's lists, trained on everything, and the lists under the shop's rules."""

from typing import Any

import dagster as dg
import pyarrow as pa

from core import checks, paths
from core.pairs import ProductPairs
from core.recommendations.form import FinalModels, Recommendations
from orchestration.assets.arguments import asset_arguments
from orchestration.config import config_schema, resolve_config
from orchestration.jobs import FOLD_IN
from orchestration.metadata import StepReport, check_specs, table
from orchestration.observations import lists_state
from orchestration.partitions import CATEGORIES, SEED, gpu_step_tags
from orchestration.pools import GPU_POOL
from orchestration.resources import Machine, StoreIOManager, TorchDevice

FinalModelsSchema = config_schema("final_models")
RecommendationsSchema = config_schema("recommendations", "guard")


@dg.asset(**asset_arguments("final_models"), pool=GPU_POOL, op_tags=gpu_step_tags())
def final_models(
    context: dg.AssetExecutionContext,
    config: FinalModelsSchema,  # type: ignore[valid-type]
    machine: Machine,
    torch_device: TorchDevice,
    store: dg.ResourceParam[StoreIOManager],
    pairs: ProductPairs,
    history: pa.Table,
    board: pa.Table,
) -> dg.MaterializeResult[FinalModels]:
    """The best model for each kind of list, trained on all pairs and orders with the settings that were judged.

    In the job ``fold_in``, the last final models are brought to today's products and pairs instead.
    """
    from core.recommendations.choice import choose
    from core.recommendations.final import judged_settings, needed_models, train_final, with_candidates

    settings = resolve_config(context, "final_models", config)
    report = StepReport(context, settings)
    if context.job_name == FOLD_IN:
        return _folded_in(context, settings, report, machine.thread_count(), store, pairs, history)
    choices = choose(board, settings, has_orders=history.num_rows > 0)
    judged = judged_settings(
        needed_models(choices.values()), lambda name: store.store.manifest(name, context.partition_key)
    )
    checkpoints = paths.checkpoint_dir() / context.partition_key / "final_models"
    final = train_final(
        choices, pairs, history, judged, seed=SEED, threads=machine.thread_count(), device=torch_device.device,
        precision=torch_device.precision, checkpoints=checkpoints, progress=report.progress,
    )  # fmt: skip
    final = with_candidates(final, settings, machine.thread_count(), SEED, report.progress)
    return report.output(final, checkpoints=dg.MetadataValue.path(str(checkpoints)), **_training_facts(final, board))


def _folded_in(
    context: dg.AssetExecutionContext,
    settings: Any,
    report: StepReport,
    threads: int,
    store: StoreIOManager,
    pairs: ProductPairs,
    history: pa.Table,
) -> dg.MaterializeResult[FinalModels]:
    from core.recommendations.final import judged_settings
    from core.recommendations.fold_in import check_foldable, fold_in

    check_foldable(store.store, context.partition_key)
    last: FinalModels = store.store.read("final_models", context.partition_key)
    judged = judged_settings(last.models, lambda name: store.store.manifest(name, context.partition_key))
    final = fold_in(last, pairs, history, judged, settings, seed=SEED, threads=threads, progress=report.progress)
    facts: dict[str, Any] = {"slots": dg.MetadataValue.json(final.slots), **(final.folded_in or {})}
    return report.output(final, **facts)


def _training_facts(final: FinalModels, board: pa.Table) -> dict[str, Any]:
    from core.recommendations.final import judged_seconds, training_seconds

    names, seconds = training_seconds(final.models)
    judged = judged_seconds(names, board)
    return {
        "slots": dg.MetadataValue.json(final.slots),
        "models": ", ".join(names),
        **{f"{phase}_seconds": round(value, 3) for phase, value in seconds.items()},
        "judged_seconds": round(judged, 3),
        "cost": round(sum(seconds.values()) / judged, 3) if judged else "the judged trainings took no time",
        "vouched_for_by": table(_vouchers(final)),
    }


def _vouchers(final: FinalModels) -> pa.Table:
    rows = [
        {"slot": slot, "model": choice["model"], "scoring": choice["scoring"]}
        | {name: choice["vouched_by"][name] for name in ("protocol", "metric", "value", "low", "high")}
        for slot, choice in final.slots.items()
    ]
    return pa.Table.from_pylist(rows) if rows else pa.table({"slot": pa.array([], pa.string())})


@dg.asset(**asset_arguments("recommendations"), check_specs=check_specs("recommendations", checks.LISTS))
def recommendations(
    context: dg.AssetExecutionContext,
    config: RecommendationsSchema,  # type: ignore[valid-type]
    machine: Machine,
    store: dg.ResourceParam[StoreIOManager],
    final: FinalModels,
    pairs: ProductPairs,
):
    """A full list for every product and slot, under the rules of categories.yaml."""
    from core.recommendations.make import make_lists, price_of_rules

    category = CATEGORIES[context.partition_key]
    settings = resolve_config(context, "recommendations", config.recommendations)  # type: ignore[attr-defined]
    guard = resolve_config(context, "guard", config.guard)  # type: ignore[attr-defined]
    report = StepReport(context, settings)
    state = lists_state(category)  # before the files are read, so that a change in between is seen next time
    made = make_lists(
        category, final, pairs, settings, guard, store.last("published/api", category.name),
        threads=machine.thread_count(), seed=SEED, progress=report.progress,
    )  # fmt: skip
    price = price_of_rules(
        final, pairs, made.slots, settings, lambda name: store.last(name, category.name),
        seed=SEED, threads=machine.thread_count(),
    )  # fmt: skip
    facts = _list_facts(made.lists, price) | {"lists_state": dg.MetadataValue.json(state)}
    return report.output(made.lists, made.findings, **facts)


def _list_facts(lists: Recommendations, price: dict[str, Any]) -> dict[str, Any]:
    first = next(lists.batches(rows=20), None)
    return {
        "rows": lists.rows,
        "products": lists.products.num_rows,
        "entries_by_source": dg.MetadataValue.json(lists.info["by_source"]),
        "lists_that_are_not_full": dg.MetadataValue.json(lists.info["short_lists"]),
        "models": dg.MetadataValue.json(lists.info["models"]),
        "rules": dg.MetadataValue.json(lists.info["rules"]),
        "recall_price_of_the_rules": dg.MetadataValue.json(price),
        "stock": dg.MetadataValue.json(lists.info["stock"]),
        "pins": dg.MetadataValue.json(lists.info["pins"]),
        "head": table(pa.Table.from_batches([first]), 20) if first is not None else "there are no lists",
    }
