"""What p and q of node2vec do: a 3 x 3 grid of walks, each with a short skip-gram training, as a Markdown table.

    python benchmarks/node2vec_sweep.py --store data/store --category beauty

Vectors are shorter and epochs fewer than the model's defaults, and alike for all, so rows compare with each other and
not with the leaderboard. The exact walks for p = q = 1 are first-order walks.
"""

from itertools import product

from experiments import category, markdown, parser

from core.interfaces import Inputs, TrainContext
from core.models import MODELS
from core.walks import Node2VecConfig, node2vec_walks

GRID = (0.5, 1.0, 2.0)
STEPS = 0.06
"""Epochs times learning rate, as of the model's defaults (5 x 0.012)."""


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--dim", type=int, default=64)
    arguments.add_argument("--epochs", type=int, default=2)
    args = arguments.parse_args()
    data = category(args)
    model = MODELS["node2vec"]
    config = model.config_class(dim=args.dim, epochs=args.epochs, learning_rate=STEPS / args.epochs)
    rows = []
    for p, q in product(GRID, GRID):
        walks = node2vec_walks(data.graph, Node2VecConfig(p=p, q=q), threads=args.threads)
        inputs = Inputs(n_nodes=data.split.n_nodes, node2vec_walks=walks)
        numbers = data.measure("node2vec", model.fit(inputs, config, TrainContext(threads=args.threads)), args.threads)
        measured = (numbers.published_seen, numbers.matched_all, numbers.recall)
        rows.append([f"{p:g}", f"{q:g}", *(f"{value:.4f}" for value in measured)])
    print(markdown(("p", "q", "published, seen", "degree-matched, all", "recall@10"), rows))


if __name__ == "__main__":
    main()
