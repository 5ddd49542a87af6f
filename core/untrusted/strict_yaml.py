"""Reads YAML so that one bad part does not spoil the whole file.

PyYAML alone takes the last of two equal keys, gives up on a whole file for an alias that one entry gets wrong, and
builds what refers to itself. Messages never quote the file, because a line of it may hold a password.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from core.errors import InputError

_MOST_BYTES = 4 << 20
_MOST_VALUES = 20_000
"""Of one part, each alias counted as often as it is used: ten lines of aliases of aliases can stand for billions."""
_UNDEFINED = "tag:alsobought,undefined-alias"
_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """Keeps an alias without an anchor as a node, for the part it stands in to be refused."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it without types
        anchor = event.anchor if isinstance(event, yaml.NodeEvent) else None
        if isinstance(event, yaml.AliasEvent) and anchor not in self.anchors:
            self.get_event()  # type: ignore[no-untyped-call]
            return yaml.ScalarNode(_UNDEFINED, anchor, event.start_mark, event.end_mark)  # type: ignore[arg-type]
        if not isinstance(event, yaml.AliasEvent):
            self.anchors.pop(anchor, None)  # an anchor may be defined again (YAML 1.2)
        return super().compose_node(parent, index)


def read(path: Path) -> yaml.Node | None:
    """The file's document; None if it is empty.

    Raises:
        InputError: it cannot be read, is not text, or is not YAML; OSError's FileNotFoundError is left to the caller.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > _MOST_BYTES:
        raise InputError(f"{path} has {len(data):,} bytes, and no such file needs more than {_MOST_BYTES:,}")
    try:
        return _Loader(data).get_single_node()
    except yaml.reader.ReaderError as error:
        number = data[: error.position].count(b"\n") + 1
        raise InputError(
            f"{path}, line {number} is not valid YAML: it is not UTF-8 text or holds a control character; save as UTF-8"
        ) from None
    except yaml.MarkedYAMLError as error:  # not as a cause: it quotes the line, which may hold a password
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InputError(f"{path}{place} is not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else "it is damaged"
        raise InputError(f"{path} is not valid YAML: {why}") from None


def entries(node: yaml.Node | None) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]] | None:
    """Key and value nodes of a mapping whose keys are all plain; None if the node is not such a mapping."""
    if not isinstance(node, yaml.MappingNode) or not all(isinstance(key, yaml.ScalarNode) for key, _ in node.value):
        return None
    pairs: list[tuple[yaml.ScalarNode, yaml.Node]] = node.value
    return iter(pairs)


def line(node: yaml.Node) -> int:
    """The line a node starts at, from 1."""
    return int(node.start_mark.line) + 1


def value(node: yaml.Node) -> Any:
    """The node as plain values.

    Raises:
        InputError: with the line: a key stands twice, an alias has no anchor, refers to itself or stands for too much,
            or a value is not of the type that its tag says.
    """
    try:
        _check(node)
        return _Loader("").construct_document(node)
    except InputError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or node.start_mark
        raise InputError(f"line {mark.line + 1} is not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError):
        raise InputError(f"line {line(node)}: a value is not of the type it looks like; put it into quotes") from None


def _check(root: yaml.Node) -> None:
    sizes: dict[int, int] = {}  # 0: begun, not yet known

    def size(node: yaml.Node) -> int:
        if node.tag == _UNDEFINED:
            raise InputError(f"line {line(node)}: there is no anchor &{node.value} above that *{node.value} could mean")
        if id(node) in sizes:
            if not sizes[id(node)]:
                raise InputError(f"line {line(node)}: an anchor holds itself; write out what it should stand for")
            return sizes[id(node)]
        sizes[id(node)] = 0
        children: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
            children = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        sizes[id(node)] = total = 1 + sum(map(size, children))
        if total > _MOST_VALUES:
            raise InputError(f"line {line(node)}: holds more than {_MOST_VALUES:,} values, aliases written out")
        return total

    size(root)


def _check_keys(node: yaml.MappingNode) -> None:
    seen: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:  # what is merged in may be overridden
            if (first := seen.get((key.tag, key.value))) is not None:
                raise InputError(f"line {line(key)}: the key {key.value[:40]!r} stands twice, first in line {first}")
            seen[key.tag, key.value] = line(key)
