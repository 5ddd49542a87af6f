"""Process identities: the living, the dead, and those that nobody here can know about."""

import json
import os
import socket
import subprocess

import psutil
import pytest

from core import process_identity
from core.process_identity import identity_of, is_alive, machine_id, this_process


def test_this_process_lives_and_its_identity_is_plain_data():
    found = json.loads(json.dumps(this_process()))
    assert is_alive(found) is True and found["pid"] == os.getpid() and found["machine"] == machine_id() != ""


def test_a_process_that_ended_is_dead_even_before_its_parent_asks():
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    identity = identity_of(child.pid)
    assert is_alive(identity) is True
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now
    assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    assert is_alive(identity) is False and identity_of(child.pid) is None
    child.communicate()
    assert is_alive(identity) is False


def test_another_process_of_the_same_number_is_not_taken_for_it():
    assert is_alive(this_process() | {"started": this_process()["started"] - 5}) is False


def test_the_hosts_name_plays_no_part(monkeypatch):
    identity = this_process()
    monkeypatch.setattr(socket, "gethostname", lambda: "renamed")
    assert is_alive(identity) is True


@pytest.mark.parametrize(
    ("changed", "alive"),
    [
        ({"machine": "another"}, None),
        ({"pids": "pid:[1]"}, None),
        ({"boot": "another", "machine": "another"}, None),
        ({"boot": "another", "pids": "pid:[1]"}, None),
    ],
)
def test_of_another_machine_or_container_nothing_is_known(changed, alive):
    assert is_alive(this_process() | changed) is alive


def test_a_machine_that_was_started_anew_runs_nothing_of_before(monkeypatch):
    place = {"machine": "m", "boot": "now", "pids": process_identity._INITIAL_PIDS}
    monkeypatch.setattr(process_identity, "_place", lambda: place)
    assert is_alive(this_process() | {"boot": "before"}) is False
    # Two containers may have the machine id of the same image, on machines that were started at other times.
    place["pids"] = "pid:[7]"
    assert is_alive(this_process() | {"boot": "before"}) is None


@pytest.mark.parametrize(
    "damaged", [{}, {"pid": "1"}, {"pid": True}, {"pid": -1}, {"started": None}, {"boot": 3}, {"machine": None}]
)
def test_what_is_no_identity_tells_nothing(damaged):
    assert is_alive(this_process() | damaged if damaged else {}) is None
