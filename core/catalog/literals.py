"""One line of text to one Python value, fast and without ever evaluating anything.

How it is fast: nearly every Python dict literal becomes the same value in JSON once its quotes are exchanged, so
msgspec can do the work (as quick as orjson, and integers of any size stay exact). Why that is safe: the exchange maps
every string of the literal to one JSON string with the same content and leaves everything outside strings alone.
Whatever Python reads differently outside strings (prefixes, triple quotes, comments, implicit concatenation,
``1_000``, ``0x10``, ``None``) is not JSON, so msgspec refuses it and the line takes the slow road. What JSON accepts
and Python does not (``null``, ``true``, ``false``) is found by looking at the leaves of the result. The slow road
checks the tokens first, so that ``ast.literal_eval`` only ever sees plain data of bounded depth and length.
"""

import ast
import json
import re
import warnings
from typing import Any

import msgspec

MAX_DEPTH = 100
"""Deepest nesting of brackets that the slow road takes, half of what CPython's own parser does. The fast road goes as
deep as Python's recursion limit."""
MAX_SLOW_CHARACTERS = 4 << 20
"""Longest line the slow road takes: ``ast`` needs some hundred bytes for every token."""
MAX_SLOW_TOKENS = 500_000
MAX_HUGE_NUMBERS = 1_000
"""Maximum number of whole numbers beyond 2^60 in a line of the slow road: as keys of a dict they can be made to
collide."""
_HUGE_DIGITS = 16  # of the shortest of them, in any base

_decode = msgspec.json.Decoder().decode


class LiteralError(ValueError):
    """The text is neither JSON nor a Python literal of plain data; the message says why."""


def parse_literal(line: bytes) -> Any:
    """Parse one line of UTF-8 text: strict JSON, or a Python literal as ``repr`` writes it.

    The result equals ``json.loads`` where the line is JSON and ``ast.literal_eval`` where it is not.

    Raises:
        LiteralError: neither of the two, not UTF-8, nested too deep, or too long to be checked.
    """
    python = True
    if b'"' not in line and b"\\" not in line:
        candidate = line.replace(b"'", b'"')
    elif line.startswith(b"{'"):
        candidate = _requoted(line)
    else:
        candidate, python = line, False
    try:
        value = _decode(candidate)
        if not (python and _has_json_words(value)):
            return value
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    return _parse_slowly(line)


def _has_json_words(value: Any) -> bool:
    """Whether there is a null, true or false among the leaves, which makes the text JSON and not Python."""
    for child in value.values() if type(value) is dict else value if type(value) is list else (value,):
        kind = type(child)
        if kind is str or kind is int or kind is float:
            continue
        if kind is list and child and type(child[0]) is str:
            try:
                "".join(child)  # the quickest way to learn that all are strings, as the long id lists are
                continue
            except TypeError:
                pass
        if child is None or kind is bool or _has_json_words(child):
            return True
    return False


_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL)
_APOSTROPHE, _QUOTE = b"\x01", b"\x02"  # stand for escaped quotes while the unescaped ones are being paired up
_SAME_ESCAPES = {b"\\": b"\\\\", b"n": b"\\n", b"r": b"\\r", b"t": b"\\t", b"b": b"\\b", b"f": b"\\f"}
_ESCAPES = _SAME_ESCAPES | {b"'": _APOSTROPHE, b'"': _QUOTE, b"a": b"\\u0007", b"v": b"\\u000b"}


def _json_escape(match: re.Match[bytes]) -> bytes:
    escape = match[1]
    if escape in _ESCAPES:
        return _ESCAPES[escape]
    if escape[:1] == b"x" and len(escape) == 3:
        return b"\\u00" + escape[1:]
    if escape[:1] == b"u" and len(escape) == 5 and not b"d800" <= escape[1:].lower() <= b"dfff":
        return match[0]
    return b"\\!"  # no JSON: octal, \N{...}, surrogates, unknown escapes go to the slow road


def _requoted(line: bytes) -> bytes:
    """A Python literal with all strings in JSON's double quotes; no JSON results if the text is unusual.

    Splitting at ``"`` leaves few parts, as most lines have none or two. Whether such a quote delimits or is content
    follows from the parity of the ``'`` before it.
    """
    escaped = b"\\" in line
    if escaped:
        if _APOSTROPHE in line or _QUOTE in line:
            return b""
        line = _ESCAPE.sub(_json_escape, line)
    parts = line.split(b'"')
    out: list[bytes] = []
    in_single = in_double = False
    for part in parts:
        if in_double:  # this quote ends the string, and its apostrophes are content
            out += (part, b'"')
            in_double = False
            continue
        in_single ^= part.count(b"'") % 2 == 1
        out.append(part.replace(b"'", b'"'))
        in_double = not in_single
        out.append(b'"' if in_double else b'\\"')
    del out[-1]  # no quote follows the last part
    text = b"".join(out)
    return text.replace(_APOSTROPHE, b"'").replace(_QUOTE, b'\\"') if escaped else text


# Possessive, so that text that is not a token is given up where it stops being one, instead of being tried again from
# each of its characters.
_TOKEN = re.compile(
    r"""(?P<space>\s++)
    |(?P<string>(?:[uU]|[bB]?[rR]?|[rR][bB])(?:'(?:[^'\\\n]|\\.)*+'|"(?:[^"\\\n]|\\.)*+"))
    |(?P<atom>(?:None|True|False|null|true|false|NaN|-?Infinity
        |[-+]?(?:0[xXoObB]\w++|(?:\d[\d_]*+\.?[\d_]*+|\.\d[\d_]*+)(?:[eE][-+]?\d++)?+))(?![\w.]))
    |(?P<open>[\[({])
    |(?P<close>[\])}])
    |(?P<separator>[,:])""",
    re.VERBOSE | re.DOTALL,
)


def _check_tokens(text: str) -> None:
    """Refuse whatever is not plain data, before a parser sees it.

    Values may only stand at the start or after an opening bracket, a comma or a colon. That leaves no calls, no
    subscripts, no operators and no names, so brackets are the only thing that can nest.
    """
    if len(text) > MAX_SLOW_CHARACTERS:
        raise LiteralError(f"unusual literal longer than {MAX_SLOW_CHARACTERS:,} characters")
    position = depth = tokens = huge = 0
    expects_value, after_string = True, False
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise LiteralError(f"no plain data at column {position + 1}: {text[position : position + 30]!r}")
        kind = match.lastgroup
        tokens += 1
        if tokens > MAX_SLOW_TOKENS:
            raise LiteralError(f"unusual literal of more than {MAX_SLOW_TOKENS:,} tokens")
        if kind in ("string", "atom", "open") and not (expects_value or (kind == "string" and after_string)):
            raise LiteralError(f"no plain data at column {position + 1}: a value right after a value")
        if kind == "open":
            depth += 1
            if depth > MAX_DEPTH:
                raise LiteralError(f"nested deeper than {MAX_DEPTH}")
        elif kind == "close":
            depth -= 1
        elif kind == "atom" and match.end() - position > _HUGE_DIGITS and "." not in match[0]:
            huge += 1
            if huge > MAX_HUGE_NUMBERS:
                raise LiteralError(f"more than {MAX_HUGE_NUMBERS:,} huge numbers")
        if kind != "space":
            expects_value, after_string = kind in ("open", "separator"), kind == "string"
        position = match.end()
    if depth:  # the parser's search for what to say of unclosed brackets may take time exponential in their depth
        raise LiteralError(f"broken literal: {depth} brackets never closed" if depth > 0 else "broken literal")


def _parse_slowly(line: bytes) -> Any:
    if b"\0" in line:
        raise LiteralError("NUL byte")
    try:
        text = line.decode().strip()
    except UnicodeDecodeError as error:
        raise LiteralError(f"invalid UTF-8 at byte {error.start + 1}") from None
    _check_tokens(text)
    try:
        return json.loads(text)
    except ValueError:  # then it is a Python literal or nothing
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes such as \/ , which Python keeps as they are
            return ast.literal_eval(text)
    except SyntaxError as error:
        raise LiteralError(f"broken literal: {error.msg} at column {error.offset or 0}") from None
    except (ValueError, TypeError, MemoryError, RecursionError) as error:
        raise LiteralError(f"broken literal: {error or type(error).__name__}") from None
