"""The highest ROC-AUC over all published pairs that the rule for unseen products leaves to a model of distinct scores.

    python benchmarks/median_rule.py --store data/store --category beauty

Under the published rule a pair with a product that training never saw scores the median of the scores of seen pairs.
So let a model order the seen pairs perfectly, every held-out pair above every negative: no model whose scores are
distinct, as those of vectors are, can do better. The median halves the seen pairs. Where seen pairs are more often
positive than negative it lies among the positives, and all unseen negatives stand above those below it.
"""

import numpy as np
from experiments import category, markdown, parser

from core.evaluation.link import roc_auc, thresholds


def main() -> None:
    data = category(parser(__doc__ or "").parse_args())
    in_train, split = data.graph.degree > 0, data.split
    rows = []
    for negatives, source, target in (
        ("published", split.uniform_negatives.source, split.uniform_negatives.target),
        ("degree-matched", split.degree_matched_negatives.source, split.degree_matched_negatives.target),
    ):
        positive = in_train[split.validation.source] & in_train[split.validation.target]
        negative = in_train[source] & in_train[target]
        scores = [side * (base + np.arange(len(side))) for side, base in ((positive, len(negative) + 1), (negative, 1))]
        median = np.median(np.concatenate([scores[0][positive], scores[1][negative]]))
        filled = [np.where(side, one, median) for side, one in zip((positive, negative), scores, strict=True)]
        counts = thresholds(*filled)
        best = float(roc_auc(counts.true_positives, counts.false_positives))
        rows.append([negatives, f"{1 - positive.mean():.1%}", f"{1 - negative.mean():.1%}", f"{best:.4f}"])
    print(markdown(("negatives", "positives not seen", "negatives not seen", "best possible AUC, all"), rows))


if __name__ == "__main__":
    main()
