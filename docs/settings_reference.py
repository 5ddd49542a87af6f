"""The settings page of the documentation, made from the config dataclasses.

    python docs/settings_reference.py            # print it
    python docs/settings_reference.py --write    # put it into docs/settings.md

A test compares the page with what this prints, so the page cannot fall behind the code.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.configs import CONFIGS
from core.models import MODELS
from core.settings import describe

PAGE = Path(__file__).resolve().parent / "settings.md"

_HEAD = """# Settings

<!-- Made by docs/settings_reference.py from the config classes; do not edit. -->

Every setting of the pipeline, section by section. A section is set for one category in `categories.yaml`:

```yaml
categories:
  shoes:
    source: pairs.csv
    settings:
      walks: {walks_per_node: 20}
      skipgram: {dim: 64, epochs: 10}
```

The launchpad of the Dagster UI offers the same sections for a single run. An empty field there means "what
`categories.yaml` says for this category, else the default". Values outside a range are refused with a sentence that
names the place; both ends of a range are allowed.

A changed setting makes exactly those assets out of date that use it, and what is made from them.
"""


def page() -> str:
    """The whole page as Markdown."""
    sections: dict[type, list[str]] = {}
    for name, config in CONFIGS.items():
        sections.setdefault(config, []).append(name)
    return "\n".join([_HEAD, *(_section(config, names) for config, names in sections.items())])


def _section(config: type, names: list[str]) -> str:
    """Heading, what the section is for, and a table with one row per setting."""
    lines = ["## " + ", ".join(f"`{name}`" for name in names), ""]
    for name in names:
        text = MODELS[name].description if name in MODELS else (config.__doc__ or "").strip().splitlines()[0]
        lines.append(f"{f'`{name}`: ' if len(names) > 1 else ''}{text}" + ("  " if name != names[-1] else ""))
    rows = [_row(name, kind, default, meta) for name, kind, default, meta in describe(config)]
    if not rows:
        return "\n".join([*lines, "", "This section has no settings.", ""])
    head = ["| setting | default | range | description |", "| --- | --- | --- | --- |"]
    return "\n".join([*lines, "", '<div class="described" markdown>', "", *head, *rows, "", "</div>", ""])


def _row(name: str, kind: Any, default: Any, meta: Mapping[str, Any]) -> str:
    cells = [f"`{name}`", _value(default), _range(kind, meta), _sentence(meta["help"])]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"`{value:.6g}`"
    return f"`{value}`"


def _range(kind: Any, meta: Mapping[str, Any]) -> str:
    """What a value may be: one of the choices, or its type with its bounds."""
    if "choices" in meta:
        return " or ".join(_value(choice) for choice in meta["choices"])
    words = {bool: "`true` or `false`", int: "whole number", float: "number", str: "text"}.get(kind, str(kind))
    low, high = (f"{meta[key]:,.10g}" if key in meta else None for key in ("ge", "le"))
    bounds = [text for text in (low and f"from {low}", high and f"to {high}") if text]
    return " ".join([words, *bounds])


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write it into {PAGE.name} instead of printing it")
    if parser.parse_args().write:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page(), end="")


if __name__ == "__main__":
    main()
