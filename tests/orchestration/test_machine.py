"""A step's share of the machine: how many steps and threads, and that libraries keep to the cap."""

import os
import subprocess
import sys

import pytest

from core.categories import load_step_tags
from core.errors import InputError
from orchestration import machine


@pytest.mark.parametrize(
    ("cores", "gigabytes", "steps"), [(1, 64, 1), (2, 24, 2), (2, 4, 1), (8, 64, 2), (16, 128, 4), (96, 768, 4)]
)
def test_steps_follow_cores_and_memory(cores, gigabytes, steps):
    assert machine.steps_at_once(cores, gigabytes) == steps
    threads = machine.threads_per_step(cores, steps)
    assert 1 <= threads <= cores and steps * threads <= 2 * cores


def test_a_container_counts_by_its_limits(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    plain = machine.cores(), machine.memory_gigabytes()
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    (tmp_path / "memory.max").write_text(str(3 * 2**30))
    assert (machine.cores(), machine.memory_gigabytes()) == (1, 3)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert (machine.cores(), machine.memory_gigabytes()) == plain


@pytest.mark.parametrize("order", ["loaded before", "loaded in the step"])
def test_libraries_keep_to_the_cap_and_get_back_what_they_had(order):
    program = f"""
import os
os.environ.update(OMP_NUM_THREADS="2", OPENBLAS_NUM_THREADS="2", NUMBA_NUM_THREADS="2")
from orchestration import machine
def threads():
    import numpy, numba, torch
    from threadpoolctl import threadpool_info
    pools = {{pool["num_threads"] for pool in threadpool_info()}}
    return pools | {{torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS}}
if {order == "loaded before"}:
    assert threads() == {{2}}, threads()
with machine.capped(1):
    assert threads() == {{1}}, threads()
assert os.environ["OMP_NUM_THREADS"] == "2"
if {order == "loaded before"}:
    assert threads() == {{2}}, threads()
"""
    done = subprocess.run([sys.executable, "-c", program], env=os.environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ("[gpu]", "expected gpu or a model's name"),
        ("{gpus: {a: b}}", "there is no such model"),
        ("{gpu: {a: 1}}", "neither a text nor a mapping"),
    ],
)
def test_step_tags_that_cannot_be_used_are_named(tmp_path, tags, message):
    file = tmp_path / "categories.yaml"
    file.write_text(f"step_tags: {tags}\ncategories: {{a: {{source: sample}}}}\n")
    with pytest.raises(InputError, match=message):
        load_step_tags(file)
