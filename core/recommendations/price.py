"""What the rules cost: recall@10 of the judged models' lists with and without them, on the held-out pairs."""

from collections.abc import Mapping

import numpy as np

from core.evaluation.bootstrap import mean_intervals
from core.evaluation.metrics import recall
from core.graph import build_graph
from core.interfaces import TrainedModel
from core.models import MODELS
from core.pairs.ranking_task import ranking_task
from core.pairs.split import PairSplit
from core.recommendations.config import RecommendationsConfig
from core.recommendations.rules import apply
from core.recommendations.rules.apply import SlotRules

_SAMPLES = 200


def recall_price(
    trained: TrainedModel,
    scoring: str,
    split: PairSplit,
    rules: SlotRules,
    config: RecommendationsConfig | None = None,
    *,
    fetched: int = 60,
    sources: int = 2000,
    seed: int = 42,
    threads: int = 2,
) -> Mapping[str, float]:
    """Recall@10 of a judged model's lists, as the leaderboard measures it, without and with rules.

    Training pairs are left out of the lists, and pins and fallbacks are not used: the difference is the price of the
    rules alone. A held-out partner that the rules do not allow counts as not found.

    Args:
        trained: what the model learned from the training pairs.
        scoring: one of its scorings.
        split: the split on which it was judged.
        rules: the rules of a slot, with what is sold out.
        config: settings; ``k`` is used.
        fetched: number of candidates to which the rules are applied.
        sources, seed: of the leaderboard's ranking task.
        threads: CPU threads.

    Returns:
        ``recall@10``, ``with_rules``, ``price`` (their difference), ``low`` and ``high`` (its 95 % interval over
        products) and ``products``; no entry but ``products`` if nothing is held out.
    """
    from core.scoring.factory import scorer

    config = config or RecommendationsConfig()
    graph = build_graph(split.n_nodes, split.train.source, split.train.target, split.train.weight)
    task = ranking_task(split, graph, sources, seed)
    if not len(task.sources):
        return {"products": 0}
    judged = scorer(MODELS[trained.model], trained, scoring, threads)
    depth = min(max(fetched, 10), split.n_nodes)
    candidates, scores = judged.top_k(task.sources, depth, mask=graph.adjacency()[task.sources])
    lists = apply.empty(len(task.sources), max(config.k, 10))
    rules.extend(lists, task.sources, candidates, scores, apply.MODEL)
    plain, ruled = (recall(task.hits(nodes), task.n_targets, 10) for nodes in (candidates, lists.nodes))
    intervals = mean_intervals((plain - ruled)[:, None], _SAMPLES, np.random.default_rng(seed))
    low, high = intervals[0] if intervals else (float("nan"), float("nan"))
    return {
        "recall@10": float(plain.mean()),
        "with_rules": float(ruled.mean()),
        "price": float((plain - ruled).mean()),
        "low": float(low),
        "high": float(high),
        "products": len(task.sources),
    }
