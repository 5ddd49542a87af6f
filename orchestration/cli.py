"""The ``alsobought`` command: materialize, leaderboard and demo without any UI.

Belongs here: argument parsing and calling the right function. Does not belong here: how processes are kept
(``orchestration.servers``) and how numbers are laid out (``core.evaluation.leaderboard``).
"""

import argparse
import contextlib
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from core import paths
from core.errors import InputError


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    arguments = _parser().parse_args(argv)
    os.environ.setdefault("DAGSTER_HOME", str(paths.home()))
    # Without this Dagster runs every step's start-up with a notice about itself on the terminal.
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    try:
        return int(arguments.run(arguments) or 0)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="alsobought", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    make = commands.add_parser("materialize", help="materialize everything of one category through Dagster")
    make.add_argument("category")
    make.add_argument("--select", default="*", help="asset selection, e.g. 'embeddings/skipgram+' (default: all)")
    make.set_defaults(run=_materialize)

    board = commands.add_parser("leaderboard", help="print a category's leaderboard")
    board.add_argument("category")
    board.add_argument("--format", choices=("markdown", "json"), default="markdown")
    board.set_defaults(run=_leaderboard)

    start = commands.add_parser("init", help="write categories.yaml, dagster.yaml and workspace.yaml into a folder")
    start.add_argument("folder", type=Path)
    start.set_defaults(run=_init)

    for name, help_text, run in (
        ("demo", "materialize 'sample', then serve the Dagster UI and the explorer", _demo),
        ("serve", "serve the Dagster UI, its daemon and the explorer", _serve),
    ):
        server = commands.add_parser(name, help=help_text)
        server.add_argument("--ui-port", type=int, default=3000)
        server.add_argument("--explorer-port", type=int, default=8501)
        server.set_defaults(run=run)
    return parser


def _materialize(arguments: argparse.Namespace) -> int:
    return materialize(arguments.category, arguments.select)


def materialize(category: str, select: str = "*") -> int:
    """Run one category's job in this terminal; 0 when every step succeeded."""
    from core.categories import load_categories
    from orchestration import step_server

    started = time.monotonic()
    known = load_categories(paths.categories_file())
    if category not in known:
        raise InputError(
            f"there is no category {category!r} in {paths.categories_file()}; known are {', '.join(known)}"
        )
    step_server.start()
    import dagster as dg

    from orchestration.definitions import defs
    from orchestration.outdated import materializable
    from orchestration.partitions import CATEGORIES
    from orchestration.terminal import failures
    from orchestration.workers import end_dead_runs, here

    graph = defs.resolve_asset_graph()
    if select == "*":  # all but the maps that the category does not ask for, whose steps would make nothing
        selection = set(materializable(graph, CATEGORIES[category]))
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)  # says so of all selections but a single name
            asked = dg.AssetSelection.from_string(select)
        # The neighbours: the catalogue's assets come out of one reading, none of them can be had alone.
        selection = set(asked.required_multi_asset_neighbors().resolve(graph))
    with dg.DagsterInstance.get() as instance:
        end_dead_runs(instance)  # else a killed run would keep its pool slots, and this one would wait for them
        _make_pool(instance)
        result = dg.execute_job(
            dg.reconstructable(_rebuild_job),
            instance=instance,
            tags={"dagster/partition": category} | here(),
            run_config={"loggers": {"console": {}}},  # the short lines of orchestration.terminal
            asset_selection=sorted(selection),
        )
        for text in failures(result):  # while the instance is open: the result reads its events
            print(text, file=sys.stderr)
    seconds = time.monotonic() - started
    state = "materialized" if result.success else "FAILED; the lines above say why"
    print(f"{category}: {state}, {seconds:.0f} s. Artefacts: {paths.store_root()}", file=sys.stderr)
    return 0 if result.success else 1


def _make_pool(instance: Any) -> None:
    """Make the pool before its first use: where two runs come to that at once, PostgreSQL refuses what Dagster does
    when the other was first ("current transaction is aborted", dagster 1.13), and a run fails."""
    from sqlalchemy.exc import DBAPIError

    from orchestration.resources import GPU_POOL

    storage = instance.event_log_storage
    if GPU_POOL not in {pool.name for pool in storage.get_pool_limits()}:
        with contextlib.suppress(DBAPIError):  # another run has just made it
            storage.initialize_concurrency_limit_to_default(GPU_POOL)


def _rebuild_job() -> Any:  # named by module and function in each step's process
    from orchestration.definitions import defs

    return defs.resolve_job_def("rebuild")


def _leaderboard(arguments: argparse.Namespace) -> None:
    import orjson

    from core.evaluation.leaderboard import to_markdown
    from core.store import Store

    try:
        long = Store(paths.store_root()).read("leaderboard", arguments.category)
    except FileNotFoundError as error:
        raise InputError(
            f"no leaderboard of {arguments.category!r} in {paths.store_root()}; "
            f"run `make materialize CATEGORY={arguments.category}` first"
        ) from error
    if arguments.format == "json":
        print(orjson.dumps(long.to_pylist(), option=orjson.OPT_INDENT_2).decode())
    else:
        print(to_markdown(long))


def _init(arguments: argparse.Namespace) -> None:
    from orchestration.init_project import init

    print("\n".join(init(arguments.folder)))


def _demo(arguments: argparse.Namespace) -> int:
    return materialize("sample") or _serve(arguments)


def _serve(arguments: argparse.Namespace) -> int:
    from orchestration.servers import serve

    return serve(arguments.ui_port, arguments.explorer_port)


if __name__ == "__main__":
    sys.exit(main())
