"""What the place in a list and the weight of also_viewed are worth to RP3beta.

    python benchmarks/places.py ../shared/data/meta_Beauty.json.gz ../shared/data/meta_Magazine_Subscriptions.json.gz
    python benchmarks/places.py FILE ... --judge     # on the pairs that judge all models

The split of a file's pairs is the one that the asset graph makes. Without ``--judge``, the training pairs are split
once more and the pairs that judge all models are not looked at: this is how the defaults were chosen. The same pairs
are held out whatever the weights are; a listing that weighs 0 is only missing from the training.
"""

import argparse
import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from experiments import markdown

from core.catalog import Source, read_catalog
from core.evaluation import EvaluationConfig, evaluate
from core.graph import ProductGraph, build_graph
from core.interfaces import Inputs
from core.models import MODELS
from core.models.rp3beta import DEGREE, WEIGHT, RP3BetaConfig
from core.pairs import PairsConfig, build_pairs
from core.pairs.listings import Listings, as_pair_weights
from core.pairs.split import PairSplit, SplitConfig, split_product_pairs, training_pairs
from core.relationships import known_name

SEED = 42
NO_PLACES = 0.0
COLUMNS = ("recall@10", "degree-matched, all")


@dataclass(frozen=True)
class Case:
    """A split whose training pairs have listings."""

    name: str
    split: PairSplit
    listings: Listings

    def graph(self, place_halving: float, also_viewed: float) -> ProductGraph:
        """The training graph with other weights of the listings."""
        names = self.listings.names
        weights = [
            also_viewed if known_name(name) == "also_viewed" else PairsConfig().weight_of(name) for name in names
        ]
        weighted = replace(self.listings, relationship_weights=np.array(weights), place_halving=place_halving)
        sums = weighted.pair_weights()
        kept, train = sums > 0, self.split.train
        return build_graph(self.split.n_nodes, train.source[kept], train.target[kept], as_pair_weights(sums[kept]))

    def measure(self, graph: ProductGraph, config: RP3BetaConfig, args: argparse.Namespace) -> list[float]:
        """recall@10 and ROC-AUC against degree-matched negatives."""
        model, measured = MODELS["rp3beta"], EvaluationConfig(bootstrap=0, ranking_sources=args.sources)
        trained = model.fit(Inputs(n_nodes=graph.n_nodes, graph=graph), config)
        rows = evaluate(model, trained, self.split, graph, measured, SEED, args.threads).metrics.to_pylist()
        value = {(row["protocol"], row["subset"], row["metric"]): row["value"] for row in rows}
        return [value["ranking", "all", "recall@10"], value["degree_matched", "all", "roc_auc"]]


def case(path: Path, judge: bool) -> Case:
    """The split of a file's pairs, or that of its training pairs."""
    with tempfile.TemporaryDirectory() as folder:
        catalog = read_catalog(Source(str(path.resolve())), Path(folder), Path(folder))
    pairs = build_pairs(catalog.products, catalog.relationships)
    split = split_product_pairs(pairs, SplitConfig(), SEED)
    if not judge:
        pairs = training_pairs(pairs, split.train)
        split = split_product_pairs(pairs, SplitConfig(), SEED + 1)
    listings = training_pairs(pairs, split.train).listings
    if listings is None:
        raise SystemExit(f"{path}: no listing has a place")
    return Case(path.name, split, listings)


def table(cases: list[Case], args: argparse.Namespace) -> Iterator[list[str]]:
    grid = itertools.product(args.place_halving, args.also_viewed, args.beta, args.popularity)
    for halving, viewed, beta, popularity in grid:
        measured = (c.measure(c.graph(halving, viewed), RP3BetaConfig(beta, popularity), args) for c in cases)
        cells = [f"{value:.4f}" for values in measured for value in values]
        yield ["none" if halving == NO_PLACES else f"{halving:g}", f"{viewed:g}", f"{beta:g}", popularity, *cells]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, help="Amazon metadata")
    parser.add_argument("--judge", action="store_true", help="measure on the pairs that judge all models")
    parser.add_argument("--place-halving", nargs="*", type=float, default=[NO_PLACES, 10, 20, 50])
    parser.add_argument("--also-viewed", nargs="*", type=float, default=[0.5, 0.2, 0.0])
    parser.add_argument("--beta", nargs="*", type=float, default=[RP3BetaConfig().beta])
    parser.add_argument("--popularity", nargs="*", default=[RP3BetaConfig().popularity], choices=(WEIGHT, DEGREE))
    parser.add_argument("--sources", type=int, default=2000, help="number of products whose lists are evaluated")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    cases = [case(path, args.judge) for path in args.files]
    head = [
        "place_halving",
        "also_viewed",
        "beta",
        "popularity",
        *(f"{c.name.split('.')[0]}: {name}" for c in cases for name in COLUMNS),
    ]
    print(markdown(head, table(cases, args)))


if __name__ == "__main__":
    main()
