"""The server that the processes of a run's steps are forked from.

Belongs here: what it is asked to load and starting it ahead of the run. Does not belong here: the loading itself
(``orchestration.preload``). Nothing of Dagster is imported, so that it can be started before Dagster is there.
"""

import multiprocessing
from multiprocessing import forkserver

PRELOAD = ["orchestration.preload"]


def start() -> None:
    """Start it now, to load on one core while this process loads Dagster on another, and return at once.

    Else the executor does so when the run's first step is due. Steps see the environment as it is now.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOAD)
    forkserver.ensure_running()
