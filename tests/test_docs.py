"""What the documentation says is there: pages, links, commands and settings; and its examples work."""

import importlib.util
import re
import sys
import textwrap
import unicodedata
from types import ModuleType, SimpleNamespace

import networkx as nx
import numpy as np
import pytest
import yaml
from streamlit.testing.v1 import AppTest

from core.catalog import Source, formats, read_catalog
from core.categories import load_categories, load_step_tags
from core.errors import InputError
from core.evaluation import EvaluationConfig, evaluate
from core.graph import build_graph
from core.interfaces import Inputs
from core.models import MODELS
from core.pairs.split import SplitConfig, split_pairs
from orchestration import cli
from tests import explorer_fixture
from tests.conftest import ROOT

README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").glob("*.md"))
TEXTS = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *PAGES]
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def name(path):
    return str(path.relative_to(ROOT))


def blocks(path, language):
    """The code blocks of one language, without the indentation that they have inside a list."""
    return [textwrap.dedent(body) for _, kind, body in FENCE.findall(path.read_text()) if kind == language]


def code(path):
    """All that is set as code: blocks and spans."""
    text = path.read_text()
    return "\n".join([body for *_, body in FENCE.findall(text)] + re.findall(r"`([^`\n]+)`", FENCE.sub("", text)))


def anchors(path):
    """The ids that Python-Markdown's toc gives to a page's headings."""
    found = set()
    for title in re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text()), re.MULTILINE):
        plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
        found.add(re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower()))
    return found


def test_the_readme_fits_a_few_screens():
    lines = README.read_text().splitlines()
    assert len(lines) <= 150
    assert [line for line in lines if len(line) > 120 and not line.startswith("|")] == []


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_every_relative_link_leads_somewhere(path):
    text = FENCE.sub("", path.read_text())
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    for link in links:
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        assert file.is_file() and ROOT in file.parents, f"{name(path)}: {link}"
        if anchor:
            assert anchor in anchors(file), f"{name(path)}: {link}; {name(file)} has {sorted(anchors(file))}"


def test_every_page_is_in_the_navigation_and_every_picture_is_shown():
    def files(entries):
        for entry in entries:
            for value in entry.values():
                yield from [value] if isinstance(value, str) else files(value)

    listed = list(files(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert sorted(listed) == [page.name for page in PAGES]
    shown = set(re.findall(r"images/([\w-]+\.png)", "".join(path.read_text() for path in TEXTS)))
    assert shown == {picture.name for picture in (ROOT / "docs" / "images").iterdir()}


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_every_make_target_and_command_that_is_named_exists(path):
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    variables = set(re.findall(r"^(?:export )?([A-Z_]+) \?=", makefile, re.MULTILINE))
    for arguments in re.findall(r"\bmake((?: [^\s#]+)+)", code(path)):
        words = re.sub(r"'[^']*'", "", arguments).split()
        for word in words:
            variable, is_variable, _ = word.partition("=")
            assert variable in variables if is_variable else word in targets, f"{name(path)}: make{arguments}"
    for command in re.findall(r"\balsobought ([a-z-]+)", code(path)):
        with pytest.raises(SystemExit) as ended:
            cli.main([command, "--help"])
        assert ended.value.code == 0, f"{name(path)}: alsobought {command}"


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_every_program_that_is_named_is_there(path):
    for file in re.findall(r"\b((?:benchmarks|docs|tests|orchestration)/[\w/.-]+\.\w+)", code(path)):
        assert (ROOT / file).is_file(), file


def example_categories():
    for path in TEXTS:
        for number, block in enumerate(blocks(path, "yaml")):
            content = yaml.safe_load(block)
            if "categories" not in content:  # README shows the lines to add
                block, content = "categories:\n" + textwrap.indent(block, "  "), {"categories": content}
            yield pytest.param(block, content, id=f"{name(path)}-{number}")


@pytest.mark.parametrize(("text", "content"), list(example_categories()))
def test_example_categories_are_read_as_they_stand(text, content, tmp_path):
    file = tmp_path / "categories.yaml"
    file.write_text(text)
    found = load_categories(file)
    assert {key: entry["source"] for key, entry in content["categories"].items()} == {
        key: category.source for key, category in found.items()
    }
    assert load_step_tags(file) == content.get("step_tags", {})


def test_the_readme_has_an_example_category():
    assert len(blocks(README, "yaml")) == 1


def test_python_examples_are_python():
    for path in TEXTS:
        for block in blocks(path, "python"):
            compile(block, name(path), "exec")


EXTENDING = ROOT / "docs" / "extending.md"


def example(text):
    """The one Python block of the page on extending that holds a text."""
    [block] = [block for block in blocks(EXTENDING, "python") if text in block]
    return block


def read_example_format(tmp_path, monkeypatch, wanted, content):
    """Read a file with the reader and the entry of the example added."""
    module = ModuleType("core.catalog.json_pairs")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(example("class JsonPairsReader"), module.__dict__)
    entry = eval(example("Format("), {"Format": formats.Format})
    monkeypatch.setattr(formats, "FORMATS", {entry.name: entry, **formats.FORMATS})
    (tmp_path / "export").write_text(content)
    file = tmp_path / "categories.yaml"
    file.write_text(f"categories: {{shop: {{source: export, format: {wanted}}}}}")
    category = load_categories(file)["shop"]
    return read_catalog(Source(category.source, category.format), tmp_path, tmp_path, max_bad_share=0.9)


@pytest.mark.parametrize("wanted", ["auto", "json_pairs"])
def test_the_format_of_the_example_is_read_and_recognised(wanted, tmp_path, monkeypatch):
    content = """{"from": "B001", "to": "B002", "times": 12}

{"from": "B001", "times": 1}
[1]
{"from": "B002", "to": "B003", "times": "many"}
{"from": "B003", "to": "B001", "times": 0.5}
"""
    catalog = read_example_format(tmp_path, monkeypatch, wanted, content)
    assert catalog.info["format"] == "json_pairs"
    assert (catalog.info["lines"], catalog.info["bad_lines"]) == (5, 3)
    columns = [catalog.relationships[name].to_pylist() for name in ("product1", "product2", "weight")]
    assert list(zip(*columns, strict=True)) == [("B001", "B002", 12.0), ("B003", "B001", 0.5)]
    assert catalog.quarantine["line"].to_pylist() == [3, 4, 5]
    assert catalog.quarantine["reason"].to_pylist() == [
        "product id is not text but NoneType",
        "is not an object",
        "times is not a positive number",
    ]


def test_the_format_of_the_example_leaves_other_files_alone(tmp_path, monkeypatch):
    catalog = read_example_format(tmp_path, monkeypatch, "auto", "product1,product2\nA,B\n")
    assert catalog.info["format"] == "pairs"
    monkeypatch.undo()
    with pytest.raises(InputError, match=r"this is a table .* `format: json_pairs` means .*: JSON lines"):
        read_example_format(tmp_path, monkeypatch, "json_pairs", "product1,product2\nA,B\n")


def test_the_page_on_formats_names_every_format():
    page = (ROOT / "docs" / "data-formats.md").read_text()
    [row] = re.findall(r"^\| `format` \|(.*)\|.*\|$", page, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", row)) == sorted(formats.format_names())
    for name in formats.FORMATS:
        assert re.search(rf"^## .*\(`{name}`\)$", page, re.MULTILINE), f"no section on `format: {name}`"


@pytest.mark.slow
def test_the_metric_of_the_example_is_measured_and_shown(monkeypatch):
    from core.evaluation import metrics, summary_line

    space = dict(vars(metrics))
    exec(example("def hit_rate"), space)
    hits = np.array([[False, True, False], [False, False, True], [False, False, False]])
    assert space["hit_rate"](hits, 2).tolist() == [1.0, 0.0, 0.0]
    assert space["hit_rate"](hits, 3).tolist() == [1.0, 1.0, 0.0]
    entry = eval(example("per_list="), space)
    monkeypatch.setattr(metrics, "DEFINITIONS", (*metrics.DEFINITIONS, entry))
    monkeypatch.setattr(importlib.import_module("core.evaluation.leaderboard"), "DEFINITIONS", metrics.DEFINITIONS)
    reference = nx.gnm_random_graph(60, 400, seed=1)
    source, target = (np.array(ends, dtype=np.int32) for ends in zip(*reference.edges, strict=True))
    split = split_pairs(60, source, target, np.ones(len(source), np.float32), np.zeros(60, bool), SplitConfig())
    graph = build_graph(60, split.train.source, split.train.target, split.train.weight)
    model = MODELS["adamic_adar"]
    measured = evaluate(
        model, model.fit(Inputs(60, graph=graph), model.config_class()), split, graph, EvaluationConfig()
    )
    values = {row["metric"]: row for row in measured.metrics.to_pylist() if row["protocol"] == "ranking"}
    hit, recall = values["hit_rate@10"], values["recall@10"]
    assert recall["value"] <= hit["value"] <= 1 and hit["low"] <= hit["value"] <= hit["high"]
    assert f"hit rate@10 {hit['value']:.3f}" in summary_line(measured.metrics)


@pytest.mark.slow
def test_the_page_of_the_example_draws(tmp_path, monkeypatch):
    store = explorer_fixture.write(tmp_path / "store")
    monkeypatch.setenv("ALSOBOUGHT_STORE", str(store.root))
    for category, shown in (
        (explorer_fixture.CATEGORY, store.read("quarantine", explorer_fixture.CATEGORY)),
        ("x", None),
    ):
        page = AppTest.from_string(example("st.dataframe(rows"), default_timeout=120)
        page.session_state["category"] = SimpleNamespace(name=category)
        page.run()
        assert not page.exception, page.exception[0].value
        if shown is None:
            assert not page.dataframe and "quarantined lines" in page.info[0].value
        else:
            assert page.dataframe[0].value["reason"].tolist() == shown["reason"].to_pylist()


def test_the_model_of_the_example_learns_what_it_says(monkeypatch):
    interfaces = pytest.importorskip("core.interfaces", reason="the models are not in rooms of their own yet")
    from core.scoring.factory import scorer

    module = ModuleType("core.models.common_neighbours")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(example("class CommonNeighboursConfig"), module.__dict__)
    model = eval(example('name="common_neighbours"'), {"Model": interfaces.Model, "NATIVE": interfaces.NATIVE})
    reference = nx.gnm_random_graph(30, 80, seed=1)
    source, target = (np.array(ends, dtype=np.int32) for ends in zip(*reference.edges, strict=True))
    graph = build_graph(30, source, target, np.ones(len(source), dtype=np.float32))
    trained = model.fit(interfaces.Inputs(30, graph=graph), model.config_class())
    pairs = [(a, b) for a in range(30) for b in range(a)]
    scores = scorer(model, trained, interfaces.NATIVE).score_pairs(*np.array(pairs, dtype=np.int32).T)
    expected = [score for *_, score in nx.resource_allocation_index(reference, pairs)]
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_the_settings_page_is_what_the_config_classes_say():
    spec = importlib.util.spec_from_file_location("settings_reference", ROOT / "docs" / "settings_reference.py")
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    assert reference.PAGE.read_text() == reference.page(), "run `python docs/settings_reference.py --write`"
    for section, config in reference.CONFIGS.items():
        assert f"`{section}`" in reference.page()
        for field in config.__dataclass_fields__:
            assert f"| `{field}` |" in reference.page()


def test_the_python_page_names_what_is_there():
    for target in re.findall(r"^::: ([\w.]+)$", (ROOT / "docs" / "python-api.md").read_text(), re.MULTILINE):
        module, _, attribute = target.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), target


def test_nothing_is_fetched_from_elsewhere_when_a_page_is_read():
    theme = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert theme["theme"]["font"] is False
    assert "repo_url" not in theme  # the theme would ask the host for stars
    assert not {key for key in ("extra_javascript", "extra_css") for link in theme.get(key, []) if "//" in link}
    for path in PAGES:
        pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)|<(?:img|script|iframe)", FENCE.sub("", path.read_text()))
        assert all(picture and "//" not in picture for picture in pictures), name(path)
