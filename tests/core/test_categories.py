"""categories.yaml with one bad entry: that entry is refused by a sentence, the others load, whatever is wrong."""

import re
import subprocess
import sys

import pytest
import yaml
from dagster._utils.schedules import is_valid_cron_schedule
from hypothesis import example, given
from hypothesis import strategies as st

from core.categories import load_categories
from core.errors import InputError
from tests.conftest import ROOT

SECRET = "hunter2"
BOMB = "[{}]".format(", ".join(["*z"] * 60))


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("{source: x, cron: 61 3 * * *}", "x.cron: '61 3 * * *' is not a time"),
        ("{source: x, cron: '* * * * * *'}", "five parts"),
        ("{source: x, cron: ''}", "five parts"),
        ("{source: x, fold_in: every hour}", "x.fold_in: 'every hour' is not a time"),
        ("{source: x, cron: every night}", "five parts"),
        ("{source: x, cron: 0 3 30 2 *}", "is not a time"),  # well written, and never comes
        ("{source: x, cron: 0 3 31 4 *}", "is not a time"),
        ("{source: x, cron: [0 3 * * *]}", "x.cron: the value is not a text but a list"),
        ("{source: x, cron: 2026-01-01}", "x.cron: the value is not a text but a date"),
        ("{source: x, timezone: Europe/Berlyn}", "did you mean 'Europe/Berlin'"),
        ("{source: x, timezone: Europe}", "no time zone 'Europe'"),
        ("{source: x, timezone: ../../etc/passwd}", "no time zone"),
        ("{source: x, timezone: ''}", "no time zone ''"),
        ("{source: x, sha256: abc}", "x.sha256: 'abc' is not 64 hex digits"),
        ("{source: x, sha256: 12}", "x.sha256: the value is not a text but a int"),
        ("{source: ''}", "x.source: is empty"),
        ("{source: '  '}", "x.source: is empty"),
        ("{source: }", "needs at least 'source"),
        ('{source: "a\\nb"}', "holds a line break"),
        ('{source: "a\\0b"}', "holds a line break"),
        ("{source: 'https://[bad/x'}", "host or port is wrong"),
        ("{source: 'https://u:hunter2@host:port/x'}", "host or port is wrong"),
        ("{source: [https://u:hunter2@host/x]}", "x.source: the value is not a text but a list"),
        ("{source: x, products: ''}", "x.products: is empty"),
        ("{source: x, title: {a: b}}", "x.title: the value is not a text"),
        ("{source: x, 5: a, b: c}", "unknown key '5'"),
        ("[source, x]", "needs at least 'source"),
        ("", "needs at least 'source"),
        ("{source: x, source: y}", "the key 'source' stands twice, first in line 3"),
        ("{source: x, settings: *nothing}", "there is no anchor &nothing"),
        ("{source: x, settings: &s {walks: *s}}", "an anchor holds itself"),
        ("{source: x, settings: {walks: {walk_length: !!int abc}}}", "not of the type it looks like"),
        ("{source: x, cron: !!timestamp abc}", "not of the type it looks like"),
        ("{source: x, title: 2026-13-45}", "not of the type it looks like"),
        ("{source: x, settings: !!python/object/apply:os.system [ls]}", "could not determine a constructor"),
        ("{source: x, settings: {walks: {walks_per_node: " + "9" * 5000 + "}}}", "not of the type it looks like"),
        ("{source: x, settings: {skipgram: {learning_rate: " + "9" * 400 + "}}}", "number is too large"),
        ("{source: x, settings: {skipgram: {learning_rate: 0x" + "f" * 5000 + "}}}", "the number is too large"),
        ("{source: x, settings: {walks: {colour: red}}}", "there is no setting 'colour'"),
        ("{source: x, settings: {walks: {1: 2}}}", "there is no setting 1"),
        (f"{{source: x, settings: {{a: &z {BOMB.replace('*z', '1')}, b: &y {BOMB}, c: &x {BOMB.replace('z', 'y')}, "
         f"d: {BOMB.replace('z', 'x')}}}}}", "more than 20,000 values"),
    ],
)  # fmt: skip
def test_a_bad_entry_is_refused_with_its_name_and_the_others_load(tmp_path, entry, sentence):
    path = tmp_path / "categories.yaml"
    path.write_text(
        f"categories:\n  a: {{source: a.csv, settings: &own {{walks: {{walk_length: 7}}}}}}\n  x: {entry}\n"
        "  b: {source: b.csv, cron: 0 3 * * *, timezone: Europe/Berlin, settings: *own}\n"
    )
    found = load_categories(path)
    assert list(found) == ["a", "b"] and found["b"].config("walks").walk_length == 7
    assert list(found.refused) == ["x"] and sentence in found.refused["x"]
    assert re.search(r"categories\.yaml: (categories\.)?x\b", found.refused["x"])
    assert "\n" not in found.refused["x"] and len(found.refused["x"]) < 1000
    assert SECRET not in found.refused["x"]
    with pytest.raises(InputError) as error:
        found["x"]
    assert str(error.value) == found.refused["x"]


def test_a_name_that_stands_twice_is_refused_and_an_unknown_one_is_guessed(tmp_path):
    path = tmp_path / "categories.yaml"
    path.write_text("categories:\n  beauty: {source: a}\n  x: {source: a}\n  'x': {source: b}\n  x: {source: c}\n")
    found = load_categories(path)
    assert list(found) == ["beauty"] and "lines 3 and 5; rename one" in found.refused["x"]
    with pytest.raises(InputError, match="did you mean 'beauty'"):
        found["beuaty"]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"categories:\n  a: {source: caf\xe9}\n", "line 2 is not valid YAML: it is not UTF-8"),
        (b"categories:\n  a: {source: x\x07}\n", "line 2 is not valid YAML"),
        (b"\xff\xfec\x00a", "not valid YAML"),
        (b"\xff\xfea", "not valid YAML"),
        (b"categories:\n  a: {source: x\n  b: y: z", "not valid YAML"),
        (b"categories:\n\ta: 1", "line 2, column 1 is not valid YAML"),
        (b"categories: {a: {source: https://u:hunter2@h/x: y}}", "not valid YAML"),
        (b"categories: *none", "no anchor"),
        (b"categories: {a: {source: x}}\n---\nb: c", "not valid YAML"),
        (b"categories: {a: {source: x}}\ncategories: {}", "stands twice, the second time in line 2"),
        (b"- a", "expected a mapping"),
        (b"just text", "expected a mapping"),
        (b"categories: {[a, b]: {source: x}}", "unhashable key"),
        (b"[" * 20_000, "nested too deeply"),
        (b"#" * (5 << 20), "no such file needs more"),
    ],
)  # fmt: skip
def test_a_file_that_is_broken_as_a_whole_is_one_sentence(tmp_path, data, sentence):
    path = tmp_path / "categories.yaml"
    path.write_bytes(data)
    with pytest.raises(InputError) as error:
        load_categories(path)
    text = str(error.value)
    assert sentence in text and str(path) in text and "\n" not in text and SECRET not in text
    with pytest.raises(InputError, match="cannot be read"):
        load_categories(tmp_path)


def test_utf_16_is_read(tmp_path):
    path = tmp_path / "categories.yaml"
    path.write_text("categories: {a: {source: café.csv}}", encoding="utf-16")
    assert load_categories(path)["a"].source == "café.csv"


FIELD = st.sampled_from(
    ["*", "*/5", "0", "5", "59", "60", "L", "1-5", "5-1", "mon", "jan", "30", "31", "?", "2", "R", "-", "*/0"]
)


@given(st.lists(FIELD, min_size=4, max_size=7).map(" ".join))
@example("@daily")
@example("@reboot")
@example("0 0 30 2 *")
@example("* * 30 2 */5")
@example("0 3 * * *\n")
@example("0 0 * * mon#6")
@example("H H * * *")
def test_a_cron_that_is_accepted_is_one_that_dagster_takes(tmp_path_factory, cron):
    path = tmp_path_factory.getbasetemp() / "cron.yaml"
    path.write_text(yaml.safe_dump({"categories": {"a": {"source": "x"}, "b": {"source": "x", "cron": cron}}}))
    found = load_categories(path)
    assert "b" in found.refused or is_valid_cron_schedule(cron)
    if cron == "@daily":
        assert "b" in found


@pytest.mark.slow
def test_the_definitions_load_without_the_bad_entry_and_show_it(tmp_path):
    path = tmp_path / "categories.yaml"
    path.write_text("categories:\n  a: {source: sample}\n  x: {source: sample, cron: nightly}\n")
    program = """
import dagster as dg
from orchestration.definitions import defs
from orchestration.partitions import BY_CATEGORY
assert BY_CATEGORY.get_partition_keys() == ["a"]
print(defs.metadata["refused categories"].value)
sensor = defs.get_sensor_def("categories_refused")
assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
try:
    sensor(dg.build_sensor_context())
except Exception as error:
    print(error)
"""
    environment = {"ALSOBOUGHT_CATEGORIES": str(path), "ALSOBOUGHT_HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    shown, raised = done.stdout.splitlines()
    assert "categories.x.cron: 'nightly' is not a time" in shown and shown == raised
