"""A model's plan as text: the two ways side by side, the same scans without light, and whether light pays."""

from collections.abc import Iterator

from prism_photonics.budget.model_plan import ModelPlan

PARTS = {
    "laser": "laser",
    "tec": "cooler",
    "heaters": "heaters",
    "drivers": "ring drivers",
    "tia": "amplifiers",
    "readings": "readings",
    "host_link": "host link",
    "writing": "writing",
}
"""Where the energy of a token goes, and its name in the table."""


def text(plan: ModelPlan) -> str:
    """The whole plan."""
    ways = (plan.held, plan.loaded)
    lines = [*_counts(plan), "", f"{'':<34}" + "".join(f"{way.name:>16}" for way in ways)]
    cells = {
        "chips": [f"{way.chips:,}" for way in ways],
        "power drawn whether asked or not": [_scaled(way.static_W, "W") for way in ways],
        "pages written a token": [f"{way.loads:.4g}" for way in ways],
        "time a token": [_scaled(way.token_s, "s") for way in ways],
        "  of it loading": [_scaled(way.load_s, "s") for way in ways],
        "tokens/s of a sequence, at most": [f"{way.tokens_s:.4g}" for way in ways],
        "energy a token": [_scaled(way.token_J, "J") for way in ways],
        **{f"  {PARTS[name]}": [_scaled(way.parts_J[name], "J") for way in ways] for name in PARTS},
        "host link a token": [_scaled(way.link_bytes, "B") for way in ways],
        "first load of the context": [_scaled(way.first_load_s, "s") if way.first_load_s else "–" for way in ways],
    }
    lines += [f"{name:<34}" + "".join(f"{cell:>16}" for cell in row) for name, row in cells.items()]
    lines += ["", f"{'the same scans without light':<34}{'energy a token':>16}{'time a token':>16}"]
    for name, energy_J in plan.gpu_token_J.items():
        lines.append(f"{name:<34}{_scaled(energy_J, 'J'):>16}{_scaled(plan.gpu_token_s[name], 's'):>16}")
    return "\n".join([*lines, "", *_too_slow(plan), verdict(plan)])


def verdict(plan: ModelPlan) -> str:
    """In one line, whether light pays here."""
    best = min((plan.held, plan.loaded), key=lambda way: way.token_J)
    name, scan_J = min(plan.gpu_token_J.items(), key=lambda found: found[1])
    ratio = best.token_J / scan_J
    if ratio >= 1.0:
        return (
            f"light does not pay here: a token costs {_scaled(best.token_J, 'J')} ({best.name}), {name} "
            f"{_scaled(scan_J, 'J')}, {ratio:.3g} times less"
        )
    return f"a token costs {_scaled(best.token_J, 'J')} ({best.name}), {1.0 / ratio:.3g} times less than {name}"


def _counts(plan: ModelPlan) -> Iterator[str]:
    model, work = plan.model, plan.work
    shared = "" if model.value_dim else " that are values too"
    yield (
        f"{model.name}: {model.layers} layers rank ({model.other_layers} do not), "
        f"{_counted(model.kv_heads, 'KV head')} of {model.head_dim} dimensions{shared}, "
        f"{_counted(model.query_heads, 'query head')}"
    )
    yield (
        f"{plan.context_tokens:,} tokens × {_counted(plan.sequences, 'sequence')}, blocks of {work.block_tokens}: "
        f"{plan.blocks:,} blocks a head, signatures of {work.dims} dimensions on {plan.chip}"
    )
    yield (
        f"{_counted(plan.pages, 'page')}, {_counted(plan.readings, 'reading')} a token, {plan.tokens_s:,g} tokens/s of "
        "a sequence"
    )
    if 0 < model.longest_tokens < plan.context_tokens:
        yield f"the model itself was made for {model.longest_tokens:,} tokens"


def _too_slow(plan: ModelPlan) -> Iterator[str]:
    """A line where the loaded chips do not reach the rate."""
    loaded = plan.loaded
    if loaded.tokens_s >= plan.tokens_s:
        return
    cure = (
        f"it takes --chips {plan.chips_in_time}" if plan.chips_in_time else "no more do, for one memory feeds them all"
    )
    yield (
        f"loaded does not reach {plan.tokens_s:,g} tokens/s with {_counted(loaded.chips, 'chip')} ({cure}): its energy "
        f"is at {loaded.tokens_s:.4g}"
    )


def _counted(number: int, name: str) -> str:
    """So many of something."""
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def _scaled(value: float, unit: str) -> str:
    """A number with its unit and a prefix."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"
