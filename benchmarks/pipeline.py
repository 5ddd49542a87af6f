"""The whole pipeline at growing size, through Dagster: seconds and peak memory of every asset, and how both grow.

    python benchmarks/pipeline.py                                     # 20,000 and 100,000 products
    python benchmarks/pipeline.py --scale 100000:10 --scale 420000:9.52 --scale 2000000:13.25

A scale is a number of products and of pairs per product of the synthetic catalogue. Everything is materialized in a
folder of its own by the job that the UI runs, with gensim and skip-gram as models (--models), one step at a time, each
in a process of its own: so a step's peak memory and time are its own. Seconds count loading and storing too.
``table.py`` tells the slopes on log-log axes over all scales that were measured: at 1, twice the products take twice as
long.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measurements import Measurement, parser, report

ROOT = Path(__file__).resolve().parents[1]
CATEGORY = "scale"


def installation(folder: Path) -> dict[str, str]:
    """The environment of an installation of its own below ``folder``, with this tree's code."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("ALSOBOUGHT")}
    env |= {"ALSOBOUGHT_HOME": str(folder), "DAGSTER_HOME": str(folder), "DAGSTER_DISABLE_TELEMETRY": "yes"}
    return env | {"PYTHONPATH": os.pathsep.join([str(ROOT), env.get("PYTHONPATH", "")])}


def install(folder: Path, settings: dict[str, Any]) -> dict[str, str]:
    """Make ``folder`` an installation with one synthetic category; its environment."""
    shutil.copy(ROOT / "dagster.yaml", folder / "dagster.yaml")
    category = {"title": "Scale", "source": "sample", "settings": settings}
    (folder / "categories.yaml").write_text(json.dumps({"categories": {CATEGORY: category}}))  # JSON is YAML
    return installation(folder)


def materialize(
    products: int, per_product: float, models: list[str], select: str, folder: Path
) -> list[dict[str, Any]]:
    """Make one scale in a fresh installation below ``folder``; one dict per asset."""
    env = install(folder, {"sample": {"products": products, "pairs_per_product": per_product}})
    answer = folder / "assets.json"
    command = [sys.executable, __file__, "--run", str(answer), "--models", *models, "--select", select]
    subprocess.run(command, env=env, cwd=folder, check=True)
    return json.loads(answer.read_text())


def run_here(answer: Path, models: list[str], select: str) -> None:
    """Run the job in this process (its steps in their own) and leave what it cost in ``answer``."""
    import dagster as dg

    from orchestration import machine

    machine.STEPS_AT_ONCE = 1  # before the definitions are made with it
    from orchestration.command.foreground import rebuild_job
    from orchestration.definitions import defs

    if select:
        wanted = dg.AssetSelection.from_string(select)
    else:
        ends = [f"{stage}/{model}" for stage in ("metrics", "neighbours") for model in models]
        wanted = dg.AssetSelection.assets(*(end.split("/") for end in ends), "node2vec_walks").upstream()
    selection = wanted.required_multi_asset_neighbors().resolve(defs.resolve_asset_graph())
    with dg.DagsterInstance.get() as instance:
        result = dg.execute_job(
            dg.reconstructable(rebuild_job),
            instance=instance,
            tags={"dagster/partition": CATEGORY},
            run_config={"loggers": {"console": {}}},
            asset_selection=sorted(selection),
        )
        rows: dict[str, dict[str, Any]] = {}
        for event in result.all_events:
            if event.is_step_materialization:
                made = event.step_materialization_data.materialization
                row = rows.setdefault(event.step_key, {"assets": [], "gb": 0.0})
                row["assets"].append("/".join(made.asset_key.path))
                memory = made.metadata.get("peak memory (MB)")
                row["gb"] = max(row["gb"], memory.value / 1000 if memory else 0.0)
                if "search" in made.metadata:
                    row["recall"] = min(facts["recall"] for facts in made.metadata["search"].value.values())
            elif event.is_step_success and event.step_key in rows:
                rows[event.step_key]["seconds"] = event.step_success_data.duration_ms / 1000
        if not result.success:
            raise SystemExit("the run failed; its log above says why")
    answer.write_text(json.dumps(list(rows.values())))


def measurements(scales: list[tuple[int, float]], made: list[list[dict[str, Any]]]) -> list[Measurement]:
    found = []
    for (products, per_product), rows in zip(scales, made, strict=True):
        data = f"{products:,} products, {products * per_product / 1e6:.3g}M pairs"
        for row in rows:
            name = ", ".join(sorted(row["assets"]))
            if row.get("recall", 1.0) < 1:  # found by the index, and compared with exact search on a sample
                title = f"{name}: recall@50 of the index"
                found.append(Measurement("pipeline", data, title, row["recall"], "", ">= 0.95"))
            detail = {"gb": row["gb"], "products": products}
            found.append(Measurement("pipeline", data, f"{name}: time", row["seconds"], "s", detail=detail))
        training = next((row["seconds"] for row in rows if row["assets"] == ["embeddings/skipgram"]), None)
        if training is not None and products == 420_000:
            found.append(
                Measurement("pipeline", data, "skip-gram, five epochs (gensim took the article 2.58)", training / 60,
                            "minutes", "<= 2.58")
            )  # fmt: skip
        found.append(Measurement("pipeline", data, "all assets", sum(row["seconds"] for row in rows), "s"))
        found.append(Measurement("pipeline", data, "peak memory", max(row["gb"] for row in rows), "GB", "<= 20"))
    return found


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--scale", action="append", help="PRODUCTS:PAIRS_PER_PRODUCT; may be given several times")
    options.add_argument("--models", nargs="+", default=["gensim_word2vec", "skipgram"])
    options.add_argument("--select", default="", help="what to materialize instead, in Dagster's selection syntax")
    options.add_argument("--run", type=Path, help="(internal) make one scale here, write the answer to this file")
    args = options.parse_args()
    if args.run:
        run_here(args.run, args.models, args.select)
        return
    scales = []
    for text in args.scale or ["20000:10", "100000:10"]:
        products, _, per_product = text.partition(":")
        scales.append((int(products), float(per_product or 10)))
    made = []
    for products, per_product in scales:
        started = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="alsobought-pipeline-") as folder:
            made.append(materialize(products, per_product, args.models, args.select, Path(folder)))
        print(f"{products:,} products: {time.perf_counter() - started:.0f} s in all", file=sys.stderr, flush=True)
    report(measurements(scales, made), args.out)


if __name__ == "__main__":
    main()
