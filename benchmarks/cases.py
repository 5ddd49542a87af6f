"""What becomes of every category of a categories.yaml: read, or refused with which sentence.

    python benchmarks/cases.py [--categories ../shared/cases/categories.yaml] [--raw ../shared/cases] [--only NAME ...]

Reads each category's source and makes its pairs, without Dagster, and prints what was found, what was left out, the
checks that fail, and the seconds it took. Ends with status 1 if anything but an input error was raised, or if a case
took more than --limit seconds.
"""

import argparse
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT.parent / "shared" / "cases"


def one(category, raw: Path, cache: Path, max_bad_share: float) -> list[str]:
    """Read one category; the lines to print. Raises InputError where it is refused."""
    from core import checks
    from core.catalog import Source, read_catalog
    from core.pairs import build_pairs

    source = Source(category.source, category.format, category.products, category.sha256)
    found = read_catalog(source, raw, cache, max_bad_share)
    facts = {
        key: value for key, value in found.info.items() if key not in ("source", "bytes", "fingerprint", "seconds")
    }
    columns = facts.pop("columns", {})
    said = ["read: " + ", ".join(f"{key} {value}" for key, value in facts.items() if value)]
    for file, named in columns.items():
        renamed = [f"{column} is the {role}" for role, column in named["read"].items() if column.lower() != role]
        unread = [f"unread: {', '.join(named['unread'])}"] if named["unread"] else []
        if renamed or unread:
            said.append(f"columns of {file}: {'; '.join(renamed + unread)}")
    reasons = Counter(found.quarantine["reason"].to_pylist())
    said += [f"quarantine: {count:,} x {reason}" for reason, count in reasons.most_common(5)]
    pairs = build_pairs(found.products, found.relationships)
    low, high = float(pairs.weight.min()), float(pairs.weight.max())
    said.append(f"pairs: {len(pairs.source):,} of {pairs.products.num_rows:,} products, weights {low:g} to {high:g}")
    findings = checks.check_pairs(pairs)
    said += [f"check {finding.name} fails: {finding.sentence}" for finding in findings if not finding.passed]
    return said


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--categories", type=Path, default=CASES / "categories.yaml")
    options.add_argument("--raw", type=Path, default=None, help="folder of relative paths (that of --categories)")
    options.add_argument("--only", nargs="*", default=None, help="names of categories")
    options.add_argument("--max-bad-share", type=float, default=0.01)
    options.add_argument("--limit", type=float, default=10.0, help="seconds that a case may take")
    args = options.parse_args()

    from core.categories import load_categories
    from core.errors import InputError

    known = load_categories(args.categories).values()
    categories = [c for c in known if c.source != "sample" and c.name in (args.only or [c.name])]
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as cache:
        for category in categories:
            started = time.perf_counter()
            try:
                said = one(category, args.raw or args.categories.parent, Path(cache), args.max_bad_share)
                outcome = "read"
            except InputError as error:
                said, outcome = [f"refused: {error}"], "refused"
            except Exception:
                said, outcome = [traceback.format_exc()], "raised"
            seconds = time.perf_counter() - started
            counts[outcome] += 1
            if seconds > args.limit:
                counts["slow"] += 1
                said.append(f"TOO SLOW: more than {args.limit:g} s")
            print(f"{category.name} ({seconds:.2f} s): {category.title}")
            print("".join(f"    {line}\n" for line in said), end="", flush=True)
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    return 1 if counts["raised"] or counts["slow"] else 0


if __name__ == "__main__":
    sys.exit(main())
