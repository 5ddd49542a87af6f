"""The ``alsobought`` command: materialize, leaderboard and demo without any UI."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from core import paths
from core.errors import InputError
from core.untrusted.urls import shown

if TYPE_CHECKING:
    from core.categories import Categories


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    arguments = _parser().parse_args(argv)
    os.environ.setdefault("DAGSTER_HOME", str(paths.home()))
    # Without this Dagster runs every step's start-up with a notice about itself on the terminal.
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an orderly end too
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
        # Whoever read this has enough, e.g. `head`. The interpreter would complain on flushing what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:  # a folder that cannot be written to, no free port
        print(f"error: {error}", file=sys.stderr)
        return 1


def _stopped() -> int:
    from orchestration.steps import server as step_server

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would interrupt the cleaning up
    step_server.stop()
    print("\nStopped. The same command goes on from here.", file=sys.stderr)
    return 128 + signal.SIGINT


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

    sums = commands.add_parser("verify", help="compare everything that is stored with its manifests, byte for byte")
    sums.add_argument("category", nargs="?", help="only this one (default: all)")
    sums.set_defaults(run=_verify)
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
    """Run one category's job in this terminal; 0 when every step succeeded.

    Raises:
        InputError: there is no such category, its source is not there, the selection selects nothing, or the machine
            cannot be used.
        KeyboardInterrupt: Ctrl-C.
    """
    from orchestration.command import preflight
    from orchestration.steps import server as step_server

    started = time.monotonic()
    wanted = _categories(category)[category]
    if select == "*":
        preflight.check_source(wanted)
    preflight.check_machine()
    step_server.start()
    from orchestration.command import foreground
    from orchestration.command.selection import selected
    from orchestration.definitions import defs
    from orchestration.staleness import materializable

    # All but the maps that the category does not ask for, whose steps would make nothing.
    assets = set(materializable(wanted)) if select == "*" else selected(defs, select)
    if any(key.path == ["raw_products"] for key in assets):
        preflight.check_source(wanted)
    with foreground.instance() as instance:
        success = foreground.run(instance, category, assets)
    seconds = time.monotonic() - started
    state = "materialized" if success else "FAILED; the lines above say why"
    print(f"{category}: {state}, {seconds:.0f} s. Artefacts: {shown(paths.store_root())}", file=sys.stderr)
    return 0 if success else 1


def _categories(asked: str = "") -> "Categories":
    """The categories; says why of each entry that cannot be used, but of the one that is asked for: that is an error.

    Raises:
        InputError: the file cannot be used.
    """
    from core.categories import load_categories

    found = load_categories(paths.categories_file())
    for name, sentence in found.refused.items():
        if name != asked:
            print(f"warning: {sentence}", file=sys.stderr)
    return found


def _leaderboard(arguments: argparse.Namespace) -> None:
    import orjson

    from core.categories import NAME, NAME_RULE
    from core.evaluation.leaderboard import to_markdown
    from core.store import Store

    if not NAME.fullmatch(arguments.category):
        raise InputError(f"there is no category {arguments.category!r}: {NAME_RULE}")
    try:
        long = Store(paths.store_root()).read("leaderboard", arguments.category)
    except FileNotFoundError as error:
        _categories(arguments.category)[arguments.category]  # says it if there is no such category
        raise InputError(
            f"no leaderboard of {arguments.category!r} in {paths.store_root()}; "
            f"run `make materialize CATEGORY={arguments.category}` first"
        ) from error
    if arguments.format == "json":
        print(orjson.dumps(long.to_pylist(), option=orjson.OPT_INDENT_2).decode())
    else:
        print(to_markdown(long))


def _verify(arguments: argparse.Namespace) -> int:
    from core.store import Store
    from core.store.verify import verify

    found = verify(Store(paths.store_root()), arguments.category)
    for asset, category, trouble in found.damage:
        print(f"{asset} of {category}: {trouble}", file=sys.stderr)
    if not found.artefacts:
        which = f" of {arguments.category!r}" if arguments.category else ""
        raise InputError(f"nothing{which} is materialized in {paths.store_root()}")
    print(f"{found.artefacts} artefacts, {len(found.damage)} damaged; {found.bytes / 1e6:,.1f} MB are as written")
    return 1 if found.damage else 0


def _init(arguments: argparse.Namespace) -> None:
    from orchestration.command.init_project import init

    print("\n".join(init(arguments.folder)))


def _demo(arguments: argparse.Namespace) -> int:
    return materialize("sample") or _serve(arguments)


def _serve(arguments: argparse.Namespace) -> int:
    from orchestration.command.servers import serve

    try:
        _categories()
    except InputError as error:  # what is materialized can be looked at all the same
        print(f"warning: {error}", file=sys.stderr)
    return serve(arguments.ui_port, arguments.explorer_port)


if __name__ == "__main__":
    sys.exit(main())
