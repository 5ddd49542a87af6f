"""The leaderboard as the terminal, a document, a spreadsheet and a program get it."""

import csv
import json

import pytest
from rich.cells import cell_len

from core.evaluation.leaderboard import leaderboard
from core.evaluation.result import METRICS
from orchestration.command.leaderboard import BEST, as_table, written
from tests.core.evaluation.boards import board

LONG = leaderboard(
    {
        "popularity": board(
            ("popularity", "native", "ranking", "recall@10", 0.003, 0.002, 0.004),
            ("popularity", "native", "degree_matched", "roc_auc", 0.495),
            ("popularity", "native", "published", "roc_auc", 0.925),
        ),
        "skipgram": board(
            ("skipgram", "center_center", "ranking", "recall@10", 0.044, 0.04, 0.05),
            ("skipgram", "center_context", "ranking", "recall@10", 0.395, 0.38, 0.41),
            ("skipgram", "center_context", "degree_matched", "roc_auc", 0.973),
            ("skipgram", "center_context", "ranking", "ndcg@10", 0.326),
        ),
        "blend": board(
            ("blend", "native", "ranking", "recall@10", 0.588, 0.57, 0.606),
            ("blend", "native", "degree_matched", "roc_auc", 0.984),
        ),
    },
    "beauty",
    {"skipgram": {"training": 3.6, "probing": 0.0, "setup": 0.4, "compilation": 0.0}},
)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_the_table_fits_and_is_sorted_and_aligned_with_the_best_marked(width):
    text = as_table(LONG, width)
    assert max(map(cell_len, text.splitlines())) <= width
    verdict, table, note = text.rstrip("\n").split("\n\n")
    assert " ".join(verdict.split()).startswith("blend is best: 59 % of held-out partners are in its first ten")
    heading, *rows = table.splitlines()
    assert [row.split("  ")[0] for row in rows] == ["blend", "skip-gram", "popularity"]
    end = heading.index("recall@10") + len("recall@10")
    assert [row[:end].split("  ")[-1].strip() for row in rows] == [
        f"{BEST} 0.588 ± 0.018", "0.395 ± 0.015", "0.003 ± 0.001"
    ]  # fmt: skip
    hidden = " ".join(note.split()).partition("Not shown: ")[2].rstrip(".").split(", ")
    every = ["degree-matched AUC", "NDCG@10", "article's AUC (easy)", "training", "name in settings"]
    assert all((name in heading) != (name in hidden) for name in every)
    assert ("degree-matched AUC" in heading) == (width >= 60)


def test_nothing_is_coloured_unless_the_terminal_shows_colours():
    assert "\x1b" not in as_table(LONG, 80) and "\x1b[1m" in as_table(LONG, 80, colour=True)


def test_a_category_without_numbers_has_only_the_sentence():
    assert as_table(leaderboard({"a": METRICS.empty_table()}, "c"), 80) == "No model was measured yet.\n"


def test_the_spreadsheet_has_every_list_unrounded():
    rows = list(csv.DictReader(written(LONG, "csv").splitlines()))
    assert [(row["model"], row["list"]) for row in rows] == [
        ("blend", "goes with"), ("skipgram", "goes with"), ("skipgram", "similar to"), ("popularity", "goes with"),
    ]  # fmt: skip
    assert [float(row["recall@10"]) for row in rows] == [0.588, 0.395, 0.044, 0.003]
    assert rows[1]["recall@10 low"] == "0.38" and rows[1]["training seconds"] == "3.6" and rows[0]["NDCG@10"] == ""


def test_a_program_gets_every_number():
    assert json.loads(written(LONG, "json")) == LONG.to_pylist()
    assert written(LONG, "markdown").startswith("**blend** is best")
