"""Settings, categories.yaml and progress lines."""

from dataclasses import dataclass

import pytest

from core import settings
from core.categories import load_categories
from core.configs import CONFIGS
from core.errors import InputError
from core.progress import ProgressLine
from tests.conftest import ROOT


@dataclass(frozen=True)
class Example:
    epochs: int = settings.setting(5, "Passes.", ge=1, le=100)
    rate: float = settings.setting(0.05, "Step size.", ge=1e-6, le=10)
    mode: str = settings.setting("a", "Kind.", choices=("a", "b"))
    flag: bool = settings.setting(False, "Switch.")


def test_overrides_replace_defaults_and_none_keeps_them():
    built = settings.build(Example, {"epochs": 7, "rate": 1, "mode": None, "flag": True}, "here")
    assert built == Example(epochs=7, rate=1.0, mode="a", flag=True)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"epoch": 1}, "no setting 'epoch'"),
        ({"epochs": 0}, "below the smallest"),
        ({"epochs": 101}, "above the largest"),
        ({"epochs": 2.5}, "not a int"),
        ({"epochs": True}, "not a int"),
        ({"epochs": "__import__('os')"}, "not a int"),
        ({"rate": float("nan")}, "below the smallest"),
        ({"mode": "c"}, "not one of a, b"),
        ({"flag": 1}, "not a bool"),
    ],
)
def test_bad_values_are_refused_with_their_place(overrides, message):
    with pytest.raises(InputError, match=message) as error:
        settings.build(Example, overrides, "categories.yaml: x")
    assert "categories.yaml: x" in str(error.value)


@pytest.mark.parametrize("section", list(CONFIGS))
def test_every_setting_has_help_and_a_default_within_its_bounds(section):
    for name, _, default, meta in settings.describe(CONFIGS[section]):
        assert len(meta["help"]) > 8, name
        assert settings.build(CONFIGS[section], {name: default}, section) == CONFIGS[section]()


def test_the_shipped_categories_are_valid():
    categories = load_categories(ROOT / "categories.yaml")
    assert {"sample", "beauty", "cell_phones", "gift_cards", "electronics", "books"} <= set(categories)
    for category in categories.values():
        for section in CONFIGS:
            category.config(section)


def write(tmp_path, text):
    path = tmp_path / "categories.yaml"
    path.write_text(text)
    return path


def test_category_settings_and_run_config_override_in_this_order(tmp_path):
    path = write(tmp_path, "categories:\n  x: {source: x.gz, settings: {sample: {products: 100}}}\n")
    category = load_categories(path)["x"]
    assert category.title == "X"
    assert category.config("sample").products == 100
    assert category.config("sample", {"products": None, "pairs_per_product": 3.0}).products == 100
    assert category.config("sample", {"products": 200}).products == 200
    with pytest.raises(InputError, match="run config of sample"):
        category.config("sample", {"products": 1})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a mapping"),
        ("categories: [a]", "expected a mapping"),
        ("categories:\n  'Bad Name': {source: x}", "lower-case"),
        ("categories:\n  ../x: {source: x}", "lower-case"),
        ("categories:\n  x: {}", "needs at least"),
        ("categories:\n  x: {source: y, colour: red}", "unknown key 'colour'"),
        ("categories:\n  x: {source: y, format: xml}", "not one of"),
        ("categories:\n  x: {source: y, cron: 5}", "not a text"),
        ("categories:\n  x: {source: y, schedule: often}", "not true or false"),
        ("categories:\n  x: {source: y, watch: 1}", "x.watch: 1 is not true or false"),
        ("categories:\n  x: {source: y, settings: {skipgram: {min_learning_rate: 5}}}", "is above learning_rate"),
        ("categories:\n  x: {source: y, settings: [walks]}", "section -> setting"),
        ("categories:\n  x: {source: y, settings: {nope: {}}}", "no section 'nope'"),
        ("categories:\n  x: {source: y, settings: {sample: {products: -1}}}", "below the smallest"),
        ("categories: !!python/object/apply:os.system ['true']", "not valid YAML"),
    ],
)
def test_bad_files_are_refused_with_place_and_remedy(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        load_categories(write(tmp_path, text))


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match="ALSOBOUGHT_CATEGORIES"):
        load_categories(tmp_path / "none.yaml")


def test_progress_lines_are_throttled_and_always_end():
    lines = []
    report = ProgressLine(lines.append, every=3600)
    for done in range(0, 1001, 10):
        report("walks", done, 1000, "steps")
    assert len(lines) == 1
    assert lines[0].startswith("walks: 1,000 steps in ")
    report("split", 5, 5, "parts")
    assert lines[1] == "split: 5 parts"


def test_a_progress_line_gives_share_rate_and_time_left():
    line = ProgressLine.describe("walks", 250, 1000, "steps", seconds=5.0, advanced=250)
    assert line == "walks: 25% of 1,000 steps, 50 steps/s, 15 s left"
