"""How metrics are called on the pages, and which of them a protocol shows first."""

HEADLINE_METRICS = {
    "published": ("roc_auc", "average_precision"),
    "degree_matched": ("roc_auc", "average_precision"),
    "ranking": ("recall@10", "recall@20", "ndcg@10", "mrr", "coverage@10", "popularity_bias@10"),
    "cold_start": ("roc_auc", "roc_auc_uniform", "recall@10"),
}
"""Columns that come first; whatever else a protocol measures follows."""

METRIC_TITLES = {
    "roc_auc": "ROC-AUC",
    "roc_auc_uniform": "ROC-AUC, uniform negatives",
    "average_precision": "Average precision",
    "mrr": "MRR",
    "recall@10": "Recall@10",
    "recall@20": "Recall@20",
    "ndcg@10": "NDCG@10",
    "coverage@10": "Coverage@10",
    "popularity_bias@10": "Popularity bias@10",
}
