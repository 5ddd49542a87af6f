"""What the benchmarks' tables say of measurements; what they measure is not tested."""

import sys

import numpy as np
import pytest

from tests.conftest import ROOT

sys.path.append(str(ROOT / "benchmarks"))
import measurements
import table


@pytest.mark.parametrize(
    ("value", "target", "verdict"),
    [
        (25, ">= 25", "reached"),
        (24.9, ">= 25", "MISSED"),
        (30, "<= 30", "reached"),
        (31, "<= 30", "MISSED"),
        (1, "", ""),
    ],
)
def test_a_target_is_reached_or_missed(value, target, verdict):
    assert measurements.Measurement("s", "d", "q", value, "x", target).verdict == verdict


def test_a_ratio_compares_round_with_round():
    ours, peer = [{"rate": rate} for rate in (10.0, 40.0, 9.0)], [{"rate": rate} for rate in (1.0, 2.0, 3.0)]
    made = measurements.ratio("s", "d", "q", ours, peer, ">= 5")
    assert (made.value, made.low, made.high, made.verdict) == (10.0, 3.0, 20.0, "reached")


def test_a_contender_that_fails_is_left_out_and_the_others_go_on():
    def run(name):
        if name == "broken":
            raise measurements.ContenderError("no such package")
        return {"rate": 1.0}

    assert measurements.interleaved(["ours", "broken"], 3, run) == {"ours": [{"rate": 1.0}] * 3}


def test_a_slow_machine_makes_fewer_rounds(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(measurements.time, "monotonic", lambda: now[0])

    def run(name):
        now[0] += 40.0
        return {"rate": 1.0}

    rounds = {within: len(measurements.interleaved(["ours"], 3, run, within)["ours"]) for within in (10, 80, 119, 120)}
    assert rounds == {10: 1, 80: 2, 119: 2, 120: 3}
    assert "2 of 3 rounds: more would not end within 119 s" in capsys.readouterr().err


def test_short_calls_are_repeated_for_a_while(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(measurements.time, "monotonic", lambda: next(clock))
    assert list(measurements.turns(3)) == [0, 1, 2]  # looks at the clock before each turn but the first
    assert list(measurements.turns(0, least=4)) == [0, 1, 2, 3]


def test_results_are_read_back_and_laid_out(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "RESULTS", tmp_path)
    scales = {1_000: 3.0, 10_000: 30.0, 100_000: 200.0}
    found = [
        measurements.Measurement("pipeline", f"{n}", "walks: time", s, "s", detail={"gb": 1.0, "products": n})
        for n, s in scales.items()
    ]
    found.append(measurements.Measurement("pipeline", "1000", "peak memory", 21.0, "GB", "<= 20"))
    measurements.report(found, tmp_path / "one.jsonl")
    assert table.read() == found
    text = table.markdown(table.read())
    slope = np.polyfit(np.log(list(scales)), np.log(list(scales.values())), 1)[0]
    assert f"| `walks` | 3.0 s, 1.0 GB | 30.0 s, 1.0 GB | 200.0 s, 1.0 GB | {slope:.2f} |" in text
    assert "| peak memory | **21 GB: missed** | <= 20 GB |" in text


def test_the_performance_page_says_what_the_results_hold():
    page = table.PAGE.read_text()
    assert page.index(table.BEGIN) < page.index(table.END)
    assert table.page(page) == page, "run `python benchmarks/table.py --write`"
