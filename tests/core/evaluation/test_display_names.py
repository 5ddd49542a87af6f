"""Every identifier that a page could show has a name for people."""

import re
import subprocess
import sys

from core.clock import PHASES
from core.evaluation import display_names as names
from core.evaluation.metrics import DEFINITIONS, PROTOCOLS
from core.models import MODELS
from core.stages import stages

_IDENTIFIER = re.compile(r"[a-z0-9]+_[a-z0-9_]+|\bnative\b")


def test_no_title_is_an_identifier_and_no_two_models_share_one():
    titles = [names.model_title(name) for name in MODELS]
    assert len(set(titles)) == len(titles)
    shown = [
        *titles,
        *(names.scoring_title(scoring) for model in MODELS.values() for scoring in model.scorings),
        *(names.protocol_title(protocol) for protocol in PROTOCOLS),
        *(names.protocol_note(protocol) for protocol in PROTOCOLS),
        *(names.metric_title(metric.name, metric.protocol) for metric in DEFINITIONS),
        *(names.phase_title(phase) for phase in PHASES),
        *(names.group_title(stage.group) for stage in stages().values()),
    ]
    assert all(shown) and not [text for text in shown if _IDENTIFIER.search(text)]


def test_the_names_can_be_imported_before_anything_else():
    """The module and the evaluation, which it takes the metrics from and which shows its names, need each other."""
    subprocess.run([sys.executable, "-c", "import core.evaluation.display_names"], check=True, timeout=300)


def test_notes_explain_and_name_what_people_have_to_type():
    for name in MODELS:
        assert names.model_note(name).endswith(f"({name})")
    for metric in DEFINITIONS:
        assert len(names.metric_note(metric.name, metric.protocol)) > len(metric.name) + 10


def test_a_model_answers_a_question_by_one_scoring_only():
    for model in MODELS.values():
        titles = [names.scoring_title(scoring) for scoring in model.scorings]
        assert len(set(titles)) == len(titles) and set(titles) <= {"Goes with", "Similar to"}


def test_what_an_older_or_newer_program_stored_keeps_its_name():
    assert names.model_title("gone_model") == "gone model" and names.model_note("gone_model")
    assert names.metric_title("new@7") == names.metric_note("new@7") == "new@7"
    assert names.model_title("![x](http://a.example/_)<b>") == "xhttpaexample b"
    assert names.protocol_title("other_protocol") == "Other protocol" and names.scoring_title("odd_one") == "odd one"
