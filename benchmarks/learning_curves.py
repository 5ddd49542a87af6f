"""What a restart of the learning rate does to ROC-AUC: the article's "forgetting", as a Markdown table.

    python benchmarks/learning_curves.py --store data/store --category beauty

Read from the learning curves of materialized models; skip-gram's learning rate falls without restarts there, so it is
also trained here, on the materialized walks, with the restarts that matrix factorization has. A restart is a row in
which the learning rate rises. Before it stands the last ROC-AUC of the old epoch, after it that of the curve's next
row (when some of the new epoch's steps are taken); the change over the epoch is from the old epoch's last row to the
new one's. Not every restart is printed (``--at``).
"""

from itertools import pairwise

import pyarrow as pa
from experiments import Category, category, markdown, parser

from core.evaluation import auc_probe
from core.interfaces import Inputs, TrainContext
from core.models import MODELS as REGISTRY

MODELS = (
    "matrix_factorization",
    "matrix_factorization_bias",
    "matrix_factorization_sequences",
    "skipgram",
    "node2vec",
    "gensim_word2vec",
)


def restarts(name: str, curve: pa.Table, at: list[int]) -> list[list[str]]:
    """One table row per restart at one of the epochs, or one that says there is none."""
    rows = [row for row in curve.to_pylist() if row["roc_auc"] is not None]
    last = {row["epoch"]: row["roc_auc"] for row in rows}
    steps = list(pairwise(rows))
    restarted = [(before, after) for before, after in steps if after["learning_rate"] > before["learning_rate"]]
    if not restarted:
        falls = max((before["roc_auc"] - after["roc_auc"] for before, after in steps), default=0.0)
        return [
            [
                name,
                "none",
                "",
                "",
                f"{rows[-1]['roc_auc']:.4f}",
                f"largest fall {falls:.4f}" if falls > 0 else "no fall",
                "",
            ]
        ]
    return [
        [
            name,
            str(after["epoch"]),
            f"{before['learning_rate']:.4f} → {after['learning_rate']:.4f}",
            f"{before['roc_auc']:.4f}",
            f"{after['roc_auc']:.4f}",
            f"{after['roc_auc'] - before['roc_auc']:+.4f}",
            f"{last[after['epoch']] - before['roc_auc']:+.4f}",
        ]
        for before, after in restarted
        if after["epoch"] in at
    ]


def skipgram_with_restarts(data: Category, threads: int) -> pa.Table:
    """The learning curve of skip-gram as it is but for the schedule."""
    model = REGISTRY["skipgram"]
    inputs = Inputs(n_nodes=data.split.n_nodes, walks=data.store.read("walks", data.name))
    context = TrainContext(threads=threads, probe=auc_probe(data.split))
    return model.fit(inputs, model.config_class(schedule="cosine_restarts"), context).learning_curve


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--at", nargs="+", type=int, default=[2, 3, 4, 5, 10, 15, 20], help="epochs to show")
    args = arguments.parse_args()
    data = category(args)
    rows = []
    for name in MODELS:
        if data.store.manifest(f"embeddings/{name}", data.name):
            rows += restarts(name, data.store.read(f"embeddings/{name}", data.name).learning_curve, args.at)
    rows += restarts("skipgram, restarts", skipgram_with_restarts(data, args.threads), args.at)
    head = ("model", "restart at epoch", "learning rate", "AUC before", "AUC after", "change", "change over the epoch")
    print(markdown(head, rows))


if __name__ == "__main__":
    main()
