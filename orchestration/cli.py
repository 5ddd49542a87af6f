"""Materialize and publish categories, print leaderboards, verify the store, serve the UI, the explorer and lists."""

import argparse
import gc
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core import paths
from core.errors import InputError

if TYPE_CHECKING:
    from core.categories import Categories, Category


_CATEGORY = "name of a category in categories.yaml"


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    arguments = _parser().parse_args(argv)
    os.environ.setdefault("DAGSTER_HOME", str(paths.home()))
    # Otherwise Dagster prints a notice about its telemetry on the terminal at the start of every step.
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end in an orderly way, as after Ctrl-C
    try:
        status = int(arguments.run(arguments) or 0)
        sys.stdout.flush()
        return status
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return _stopped()
    except BrokenPipeError:
        # The reader, e.g. `head`, has closed the pipe. The interpreter would print an error when it flushes the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:  # e.g. a folder that cannot be written to, or no free port
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        # Otherwise the interpreter looks for garbage among all objects of Dagster before it ends, for two seconds.
        gc.freeze()


def _stopped() -> int:
    from orchestration.steps import server as step_server

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would interrupt the clean-up
    step_server.stop()
    print("\nStopped. Run the same command again to continue from here.", file=sys.stderr)
    return 128 + signal.SIGINT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="alsobought", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    make = commands.add_parser("materialize", help="materialize all assets of a category, or a selection of them")
    make.add_argument("category", help=_CATEGORY)
    make.add_argument(
        "--select", default="*", metavar="ASSETS",
        help="assets to materialize, e.g. 'embeddings/skipgram+' for it and what follows (default: all)",
    )  # fmt: skip
    make.add_argument(
        "--models", metavar="NAMES",
        help="only these models, e.g. skipgram,blend, with what they need, their metrics and their lists",
    )  # fmt: skip
    make.set_defaults(run=_materialize)

    fold = commands.add_parser("fold-in", help="bring new products and pairs into a category's lists without training")
    fold.add_argument("category", help=_CATEGORY)
    fold.set_defaults(run=_fold_in)

    board = commands.add_parser("leaderboard", help="print the leaderboard of a category")
    board.add_argument("category", help=_CATEGORY)
    board.add_argument(
        "--format", choices=("table", "markdown", "json", "csv"), default="table",
        help="table fits the terminal, markdown and csv print every list, json prints every number (default: table)",
    )  # fmt: skip
    board.set_defaults(run=_leaderboard)

    out = commands.add_parser("publish", help="deliver the lists of a category again, or put the previous ones back")
    out.add_argument("category", help=_CATEGORY)
    out.add_argument("--previous", action="store_true", help="put the version back that was current before")
    out.add_argument("--place", metavar="NAME", help="one place only (default: all places of the category)")
    out.set_defaults(run=_publish)

    sums = commands.add_parser("verify", help="compare all stored files with their manifests, byte for byte")
    sums.add_argument("category", nargs="?", help="category to verify (default: all)")
    sums.set_defaults(run=_verify)
    start = commands.add_parser("init", help="write categories.yaml, dagster.yaml and workspace.yaml into a folder")
    start.add_argument("folder", type=Path, help="folder of the new project; it is created if it does not exist")
    start.set_defaults(run=_init)

    api = commands.add_parser("api", help="serve the lists of all categories to a shop over HTTP")
    api.add_argument("--category", help="the only category to serve (default: all that have lists)")
    api.add_argument("--host", default="127.0.0.1", help="address to listen at (default: 127.0.0.1)")
    api.add_argument("--port", type=int, default=8000, help="port to listen at (default: 8000)")
    api.add_argument("--workers", type=int, default=1, help="number of processes (default: 1)")
    api.set_defaults(run=_api)

    for name, help_text, run in (
        ("demo", "serve the Dagster UI, its daemon and the explorer, and materialize a category meanwhile", _demo),
        ("serve", "serve the Dagster UI, its daemon and the explorer", _serve),
    ):
        server = commands.add_parser(name, help=help_text)
        server.add_argument("--ui-port", type=int, default=3000, help="port of the Dagster UI (default: 3000)")
        server.add_argument("--explorer-port", type=int, default=8501, help="port of the explorer (default: 8501)")
        server.set_defaults(run=run)
        if run is _demo:
            server.add_argument("category", nargs="?", default="sample", help="its name (default: sample)")
    return parser


def _materialize(arguments: argparse.Namespace) -> int:
    if arguments.models and arguments.select != "*":
        raise InputError("give either --select (SELECT) or --models (MODELS), not both")
    models = re.findall(r"[^,\s]+", arguments.models or "")
    return materialize(arguments.category, arguments.select, models)


def materialize(category: str, select: str = "*", models: Sequence[str] = ()) -> int:
    """Run a category's job in this terminal.

    Args:
        category: its name.
        select: Dagster's asset selection.
        models: names of models; all that they need, their metrics and their lists are made instead of ``select``.

    Returns:
        0 if every step succeeded, else 1.

    Raises:
        InputError: the category or its source does not exist, the selection selects nothing, or the machine cannot be
            used.
        KeyboardInterrupt: somebody pressed Ctrl-C.
    """
    from orchestration.command import preflight
    from orchestration.steps import server as step_server

    started = time.monotonic()
    entry = _categories(category)[category]
    if select == "*":
        preflight.check_source(entry)
    preflight.check_machine()
    # It imports on one core while this process loads Dagster on another, so it cannot wait until Dagster has read the
    # selection. A single name is clear without that.
    single = re.fullmatch(r"[\w/]+", select)
    step_server.start(step_server.preload_modules([select]) if single else step_server.COMPLETE)
    from orchestration.command import foreground
    from orchestration.command.selection import models_and_above, select_assets
    from orchestration.definitions import defs
    from orchestration.staleness import materializable

    # Without the maps that the category does not ask for, because their steps would make nothing.
    if models:
        assets = models_and_above(entry, models)
    else:
        assets = set(materializable(entry)) if select == "*" else select_assets(defs, select)
    if any(key.path == ["raw_products"] for key in assets):
        preflight.check_source(entry)
    with foreground.instance() as instance:
        success = foreground.run(instance, category, assets)
    return _outcome(entry, "materialized in", success, started)


def _outcome(category: "Category", done: str, success: bool, started: float) -> int:
    """Say how a run ended, and what it made; returns the exit status."""
    seconds = time.monotonic() - started
    if not success:
        print(f"{category.name}: FAILED after {seconds:.0f} s; see the lines above", file=sys.stderr)
        return 1
    from core.store import Store
    from orchestration.command.summary import summary

    print(f"{category.name}: {done} {seconds:.0f} s", file=sys.stderr)
    print(summary(category, Store(paths.store_root())), file=sys.stderr)
    return 0


def _fold_in(arguments: argparse.Namespace) -> int:
    from core.recommendations.fold_in import check_foldable
    from core.store import Store
    from orchestration.command import preflight
    from orchestration.steps import server as step_server

    started = time.monotonic()
    entry = _categories(arguments.category)[arguments.category]
    check_foldable(Store(paths.store_root()), entry.name)
    preflight.check_source(entry)
    preflight.check_machine()
    step_server.start(step_server.COMPLETE)
    from orchestration.command import foreground
    from orchestration.staleness import folded_in

    with foreground.instance() as instance:
        success = foreground.run(instance, entry.name, folded_in(entry), folding=True)
    return _outcome(entry, "folded in within", success, started)


def _categories(asked: str = "") -> "Categories":
    """Load the categories, with a warning for each entry that cannot be used, except for the one that is asked for.

    Raises:
        InputError: the file cannot be used.
    """
    from core.categories import load_categories

    categories = load_categories(paths.categories_file())
    for name, sentence in categories.refused.items():
        if name != asked:
            print(f"warning: {sentence}", file=sys.stderr)
    return categories


def _leaderboard(arguments: argparse.Namespace) -> None:
    from core.categories import NAME, NAME_RULE
    from core.store import Store
    from orchestration.command.leaderboard import written

    if not NAME.fullmatch(arguments.category):
        raise InputError(f"there is no category {arguments.category!r}: {NAME_RULE}")
    try:
        long = Store(paths.store_root()).read("leaderboard", arguments.category)
    except FileNotFoundError as error:
        _categories(arguments.category)[arguments.category]  # raises InputError if there is no such category
        raise InputError(
            f"there is no leaderboard for {arguments.category!r} in {paths.store_root()}; "
            f"run `make materialize CATEGORY={arguments.category}` first"
        ) from error
    print(written(long, arguments.format), end="")


def _verify(arguments: argparse.Namespace) -> int:
    from core.store import Store
    from core.store.verify import verify

    result = verify(Store(paths.store_root()), arguments.category)
    for asset, category, trouble in result.damage:
        print(f"{asset} of {category}: {trouble}", file=sys.stderr)
    if not result.artefacts:
        what = f"nothing of {arguments.category!r}" if arguments.category else "nothing"
        raise InputError(f"{what} is materialized in {paths.store_root()}")
    print(f"{result.artefacts} artefacts, {len(result.damage)} damaged; {result.bytes / 1e6:,.1f} MB are intact")
    return 1 if result.damage else 0


def _publish(arguments: argparse.Namespace) -> int:
    from orchestration.command.publish import publish

    category = _categories(arguments.category)[arguments.category]
    return publish(category, arguments.place, arguments.previous)


def _init(arguments: argparse.Namespace) -> None:
    from orchestration.command.init_project import init

    print("\n".join(init(arguments.folder)))


def _demo(arguments: argparse.Namespace) -> int:
    from orchestration.command import preflight
    from orchestration.command.servers import serve
    from orchestration.steps import server as step_server

    preflight.check_source(_categories(arguments.category)[arguments.category])
    preflight.check_machine()
    step_server.start(step_server.COMPLETE)  # it imports while the servers start
    return serve(arguments.ui_port, arguments.explorer_port, lambda: materialize(arguments.category))


def _serve(arguments: argparse.Namespace) -> int:
    from orchestration.command.servers import serve

    try:
        _categories()
    except InputError as error:  # the explorer can still show what is materialized
        print(f"warning: {error}", file=sys.stderr)
    return serve(arguments.ui_port, arguments.explorer_port)


def _api(arguments: argparse.Namespace) -> int:
    from core.categories import NAME, NAME_RULE
    from orchestration.web.api.server import serve

    if arguments.category is not None and not NAME.fullmatch(arguments.category):
        raise InputError(f"there is no category {arguments.category!r}: {NAME_RULE}")
    return serve(arguments.host, arguments.port, arguments.workers, arguments.category)


if __name__ == "__main__":
    sys.exit(main())
