"""What the experiments on a materialized category share: arguments, data, numbers and tables."""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.evaluation import EvaluationConfig, evaluate
from core.graph import ProductGraph
from core.interfaces import CENTER_CENTER, CENTER_CONTEXT, TrainedModel
from core.models import MODELS
from core.pairs.split import PairSplit
from core.store import Store


@dataclass(frozen=True)
class Numbers:
    """What is compared: center_context scoring but for ``cold_start``, which is ROC-AUC by center_center.

    ``cold_start_context`` is that AUC by center_context and ``cold_recall`` the recall@10 of cold products' lists.
    """

    published_seen: float
    matched_all: float
    recall: float
    cold_start: float
    cold_start_context: float
    cold_recall: float


@dataclass(frozen=True)
class Category:
    """One category of a store.

    Attributes:
        store, name: where its artefacts are.
        split, graph: as materialized.
    """

    store: Store
    name: str
    split: PairSplit
    graph: ProductGraph

    def measure(self, model: str, trained: TrainedModel, threads: int) -> Numbers:
        """Evaluate as the pipeline does, without intervals; ``model`` is the registry name whose rules apply."""
        config = EvaluationConfig(bootstrap=0)
        table = evaluate(MODELS[model], trained, self.split, self.graph, config, threads=threads).metrics
        value = {
            (row["protocol"], row["subset"], row["scoring"], row["metric"]): row["value"] for row in table.to_pylist()
        }
        return Numbers(
            value["published", "seen", CENTER_CONTEXT, "roc_auc"],
            value["degree_matched", "all", CENTER_CONTEXT, "roc_auc"],
            value["ranking", "all", CENTER_CONTEXT, "recall@10"],
            value["cold_start", "all", CENTER_CENTER, "roc_auc"],
            value["cold_start", "all", CENTER_CONTEXT, "roc_auc"],
            value["cold_start", "all", CENTER_CONTEXT, "recall@10"],
        )


def parser(doc: str) -> argparse.ArgumentParser:
    """A parser with the arguments that every experiment has."""
    made = argparse.ArgumentParser(description=doc.splitlines()[0])
    made.add_argument("--store", default="data/store", help="where the category is materialized; only read")
    made.add_argument("--category", default="beauty")
    made.add_argument("--threads", type=int, default=2)
    return made


def category(args: argparse.Namespace) -> Category:
    """The category that the arguments name."""
    store = Store(args.store)
    split, graph = (store.read(asset, args.category) for asset in ("pair_split", "product_graph"))
    return Category(store, args.category, split, graph)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
