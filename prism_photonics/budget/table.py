"""The ledger as text for a terminal of 120 columns."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from prism_photonics.budget.ledger import Ledger

WIDTH = 120
TITLES = {
    "counts": "counts",
    "noise": "noise of one score",
    "latency": "latency of one query",
    "energy": "energy of one query",
    "floors": "floors",
    "attention": "a step of attention",
}


def text(ledger: Ledger) -> str:
    """The whole ledger, table by table; no line is wider than 120 columns."""
    lines = [f"{ledger.name}  {ledger.spec_hash[:12]}", "", *_link(ledger)]
    for section in TITLES:
        lines += ["", *_section(ledger, section)]
    lines += ["", *_crossover(ledger)]
    return "\n".join(lines)


def _link(ledger: Ledger) -> Iterator[str]:
    yield f"{'link, all lines lit':<22} {'loss dB':>9} {'level dBm':>10} {'paper dBm':>10}   source"
    for row in ledger.link:
        paper_dBm = "–" if row.paper_dBm is None else f"{row.paper_dBm:.2f}"
        start = f"  {row.element:<20} {row.loss_dB:>9.2f} {row.cumulative_dBm:>10.2f} {paper_dBm:>10}   "
        yield from _wrapped(start, row.source)


def _section(ledger: Ledger, section: str) -> Iterator[str]:
    yield f"{TITLES[section]:<22} {'derived':>14} {'paper':>10} {'':<10}  source"
    for entry in ledger.section(section):
        start = f"  {entry.name:<20} {_number(entry.derived):>14} {_number(entry.paper):>10} {entry.unit:<10}  "
        source = f"{entry.source} ({entry.assumption})" if entry.assumption else entry.source
        yield from _wrapped(start, source)


def _crossover(ledger: Ledger) -> Iterator[str]:
    found = ledger.crossover["crossover"]
    most = _tokens(found["largest_context_tokens"])
    yield f"beaten from this many tokens on, up to {most}, by {100 * (found['margin'] - 1):.0f} % or more; – is never"
    work, model, electronic = found["workload"], found["workload"]["model"], list(found["assumptions"])
    yield (
        f"blocks of {work['block_tokens']} tokens, signatures of {work['dims']} dimensions, {work['chosen']} blocks "
        f"fetched, {work['kv_heads']} KV heads: {model['layers']} layers × {model['kv_heads']} of {model['name']}"
    )
    for metric in ("energy", "latency"):
        yield _columns(metric, {name: name for name in electronic})
        for name, case in found["cases"].items():
            yield _columns(f"  {name}", {b: _tokens(case[metric][b]) for b in electronic})
    yield "energy: queries/s from which one full chip wins; – is more than it can answer"
    for name, rates in found["break_even_query_rate_Hz"].items():
        yield _columns(f"  {name}", {b: "–" if rate is None else f"{rate:.3g}" for b, rate in rates.items()})
    yield "cases"
    for name, case in found["cases"].items():
        yield from _wrapped(f"  {name:<32}", case["says"])
    yield "baselines"
    for name, assumption in found["assumptions"].items():
        yield from _wrapped(f"  {name:<32}", assumption)


def _columns(head: str, cells: Mapping[str, str]) -> str:
    return f"{head:<34}" + "".join(f"{cell:>14}" for cell in cells.values())


def _wrapped(start: str, rest: str) -> Sequence[str]:
    """Text behind a fixed start, broken at the width; what follows stands under the text."""
    return [
        (start if n == 0 else " " * len(start)) + part for n, part in enumerate(textwrap.wrap(rest, WIDTH - len(start)))
    ]


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e12 else f"{value:.4g}"


def _tokens(tokens: int | None) -> str:
    if tokens is None:
        return "–"
    for size, letter in ((2**20, "M"), (2**10, "K")):
        if tokens >= size:
            return f"{tokens / size:.0f}{letter}" if tokens >= 100 * size else f"{tokens / size:.3g}{letter}"
    return str(tokens)
