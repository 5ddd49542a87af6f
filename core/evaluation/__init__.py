"""All metrics of all models, computed from scores and lists alone.

Importing this package is cheap, because the scorers and Numba are imported when something is evaluated.
"""

from core.evaluation.leaderboard import LEADERBOARD, headline, leaderboard, summary_line, to_markdown
from core.evaluation.probe import auc_probe
from core.evaluation.result import CURVES, METRICS, SCORES, Evaluation, EvaluationConfig
from core.evaluation.run import evaluate

__all__ = [
    "CURVES",
    "LEADERBOARD",
    "METRICS",
    "SCORES",
    "Evaluation",
    "EvaluationConfig",
    "auc_probe",
    "evaluate",
    "headline",
    "leaderboard",
    "summary_line",
    "to_markdown",
]
