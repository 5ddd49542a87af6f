"""Stage 4: each model of the registry, its metrics and neighbours, and the leaderboard of all models."""

from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from core import checks, paths
from core.clock import Clock
from core.graph import ProductGraph
from core.interfaces import Model, TrainContext, TrainedModel
from core.models import MODELS
from core.pairs import ProductPairs
from core.pairs.split import PairSplit
from core.training.device_choice import ChosenDevice
from core.training.inputs import model_inputs
from orchestration.assets.arguments import asset_arguments
from orchestration.config import config_schema, resolve_config
from orchestration.metadata import StepReport, check_specs, floats, table
from orchestration.partitions import SEED, step_tags
from orchestration.pools import GPU_POOL
from orchestration.resources import Machine, StoreIOManager, TorchDevice

_EvaluationSchema, _NeighboursSchema = config_schema("evaluation"), config_schema("neighbours")


def model_assets(model: Model) -> list[dg.AssetsDefinition]:
    """The three assets of one model."""
    return [_embeddings(model), _metrics(model), _neighbours(model)]


def _embeddings(model: Model) -> dg.AssetsDefinition:
    settings_schema = config_schema(model.name)

    @dg.asset(
        **asset_arguments(f"embeddings/{model.name}"),
        check_specs=check_specs(["embeddings", model.name], checks.VECTORS),
        pool=GPU_POOL if model.gpu else None,
        op_tags=step_tags(model),
    )
    def embeddings(
        context: dg.AssetExecutionContext,
        config: settings_schema,  # type: ignore[valid-type]
        machine: Machine,
        torch_device: TorchDevice,
        store: dg.ResourceParam[StoreIOManager],
        split: PairSplit,
        **inputs: Any,
    ):
        clock = Clock()
        settings = resolve_config(context, model.name, config)
        report = StepReport(context, settings)
        checkpoints = paths.checkpoint_dir() / context.partition_key / model.name
        device = torch_device.resolve() if model.gpu else ChosenDevice("cpu", "this model uses no other")
        trained = model.fit(
            model_inputs(model, split.n_nodes, inputs),
            settings,
            TrainContext(
                seed=SEED,
                threads=machine.thread_count(),
                device=device.name,
                precision=torch_device.precision,
                progress=report.progress,
                probe=_probe(split) if model.learns else None,
                checkpoints=checkpoints,
                keys=split.keys,
                previous=_previous(model, settings, store, context.partition_key),
            ),
            clock,
        )
        if "start" in trained.info:
            context.log.info(_start_line(trained.info["start"]))
        return report.output(
            trained, checks.check_vectors(trained, split.n_nodes), device=str(device), **_facts(trained, checkpoints)
        )

    return embeddings


def _previous(model: Model, settings: Any, store: StoreIOManager, category: str) -> TrainedModel | None:
    if not getattr(settings, "warm_start", False):
        return None
    return store.last(f"embeddings/{model.name}", category)


def _start_line(start: dict[str, Any]) -> str:
    if not start["warm"]:
        return f"cold start: {start['why']}"
    return (
        f"warm start: {start['kept']:,} products keep their vectors, {start['from_neighbours']:,} new ones start at "
        f"their neighbours, {start['fresh']:,} start at random; {start['dropped']:,} were dropped"
    )


def _probe(split: PairSplit) -> Any:
    from core.evaluation import auc_probe

    return auc_probe(split, seed=SEED)


def _facts(trained: TrainedModel, checkpoints: Path) -> dict[str, Any]:
    curve = trained.learning_curve
    return {
        **{f"{phase}_seconds": round(seconds, 3) for phase, seconds in trained.info["timing"].items()},
        "products_with_an_answer": int(trained.seen.sum()),
        "training": dg.MetadataValue.json({k: v for k, v in trained.info.items() if k != "config"}),
        "learning_curve": table(curve, limit=40) if curve.num_rows else "this model has no learning curve",
        "checkpoints": dg.MetadataValue.path(str(checkpoints)),
    }


def _metrics(model: Model) -> dg.AssetsDefinition:
    @dg.asset(
        **asset_arguments(f"metrics/{model.name}"), check_specs=check_specs(["metrics", model.name], checks.METRICS)
    )
    def metrics(
        context: dg.AssetExecutionContext,
        config: _EvaluationSchema,  # type: ignore[valid-type]
        machine: Machine,
        store: dg.ResourceParam[StoreIOManager],
        trained: TrainedModel,
        split: PairSplit,
        graph: ProductGraph,
    ):
        from core.evaluation import evaluate, headline, summary_line

        settings = resolve_config(context, "evaluation", config)
        report = StepReport(context, settings)
        evaluation = evaluate(
            model, trained, split, graph, settings,
            seed=SEED, threads=machine.thread_count(), progress=report.progress,
        )  # fmt: skip
        context.log.info(summary_line(evaluation.metrics))
        guard = resolve_config(context, "guard")
        before = store.last(f"metrics/{model.name}", context.partition_key)
        findings = checks.check_metrics(
            evaluation.metrics, split, graph, before.metrics if before else None, guard.auc_drop, guard.coverage_drop
        )
        numbers = headline(evaluation.metrics) | {"training seconds": evaluation.info.get("timing", {}).get("training")}
        facts = {"metrics": table(evaluation.metrics, 60), "evaluation": dg.MetadataValue.json(evaluation.info)}
        return report.output(evaluation, findings, **floats(numbers), **facts)

    return metrics


def _neighbours(model: Model) -> dg.AssetsDefinition:
    @dg.asset(**asset_arguments(f"neighbours/{model.name}"))
    def neighbours(
        context: dg.AssetExecutionContext,
        config: _NeighboursSchema,  # type: ignore[valid-type]
        machine: Machine,
        trained: TrainedModel,
        pairs: ProductPairs,
    ) -> dg.MaterializeResult[Any]:
        from core.scoring.neighbours import nearest

        settings = resolve_config(context, "neighbours", config)
        report = StepReport(context, settings)
        ids = pairs.products["product_id"].combine_chunks()
        neighbours = nearest(
            model, trained, ids, settings,
            threads=machine.thread_count(), seed=SEED, progress=report.progress,
        )  # fmt: skip
        return report.output(
            neighbours,
            rows=neighbours.table.num_rows,
            search=dg.MetadataValue.json(neighbours.info),
            head=table(neighbours.table, 10),
        )

    return neighbours


@dg.asset(**asset_arguments("leaderboard"))
def leaderboard(context: dg.AssetExecutionContext, **evaluations: Any) -> dg.MaterializeResult[pa.Table]:
    """All models of the category side by side: one long table of category, model, protocol, metric and value."""
    from core.evaluation.leaderboard import leaderboard as combine
    from core.evaluation.leaderboard import to_markdown
    from core.evaluation.verdict import judge

    report = StepReport(context)
    timing = {name: evaluations[name].info.get("timing") for name in MODELS}
    long = combine({name: evaluations[name].metrics for name in MODELS}, context.partition_key, timing)
    text = to_markdown(long)
    untrained = [f"{name}: {reason}." for name in MODELS if (reason := evaluations[name].info.get("untrained"))]
    context.log.info("\n".join([f"Leaderboard of {context.partition_key}:\n{text}", *untrained]))
    n_models = len(evaluations) - len(untrained)
    verdict = judge(long)
    return report.output(
        long,
        (),
        verdict=verdict.sentence(),
        **verdict.facts(),
        models=n_models,
        not_trained=" ".join(untrained) or "none",
        leaderboard=dg.MetadataValue.md(text),
    )
