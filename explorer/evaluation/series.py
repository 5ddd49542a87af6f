"""Names of what the charts draw: a model, and which of its lists if it has two."""

import pandas as pd

from core.evaluation.display_names import GOES_WITH, model_title, scoring_title


def series_title(model: str, scoring: str | None) -> str:
    """The model's name; of its lists of similar products "…, similar to"."""
    question = scoring_title(scoring) if scoring else GOES_WITH
    return model_title(model) if question == GOES_WITH else f"{model_title(model)}, {question.lower()}"


def with_titles(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame with the columns model and, if it has several lists, scoring, and with the column series added."""
    scorings = frame["scoring"] if "scoring" in frame else [None] * len(frame)
    names = [series_title(model, scoring) for model, scoring in zip(frame["model"], scorings, strict=True)]
    return frame.assign(series=names)
