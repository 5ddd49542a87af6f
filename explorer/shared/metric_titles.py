"""Titles of metrics on the pages, and which metrics each protocol shows first."""

HEADLINE_METRICS = {
    "published": ("roc_auc", "average_precision"),
    "degree_matched": ("roc_auc", "average_precision"),
    "ranking": ("recall@10", "recall@20", "ndcg@10", "mrr", "coverage@10", "popularity_bias@10"),
    "cold_start": ("roc_auc", "roc_auc_uniform", "recall@10"),
}
"""Protocol → the metrics whose columns come first; other metrics follow."""

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
