"""A whole model on photonic chips: how many, how long, how much energy a token, against a scan by the GPU itself.

Two ways of using chips are set side by side. *Held*: every signature of every layer and KV head has its row, and a row
is written once in a block's tokens. *Loaded*: some chips are loaded anew with page after page, for every token. What
lies between follows from the number of chips.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from prism_photonics.budget.baselines import HBM_BYTES_S, HBM_LATENCY_S, SIGNATURE_BYTES, baselines
from prism_photonics.budget.energy import (
    HeaterPower,
    link_bits,
    load_s,
    no_heaters,
    program_energies_J,
    query_energies_J,
    rings,
    slices,
    static_powers_W,
)
from prism_photonics.budget.guard import floating_point_of
from prism_photonics.budget.latency import query_s
from prism_photonics.budget.symbol import symbol_s
from prism_photonics.budget.workload import TOKENS_S, ModelShape, Workload
from prism_photonics.codec.encoding import shots
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError


@dataclass(frozen=True)
class Way:
    """One way of using chips for a model.

    Attributes:
        name: ``held`` or ``loaded``.
        chips: Chips of the spec's size.
        static_W: What they draw whether they are asked or not, heaters and coolers included.
        token_s: Time that ranking adds to one step of decoding (a token of every sequence), layer after layer.
        token_J: Energy of one token of one sequence, at the rate asked for, or at the highest that this way reaches.
        loads: Pages written for one token of one sequence: rows of completed blocks as parts of a page where held.
        link_bytes: Bytes over the chips' host links for one token of one sequence.
        tokens_s: Highest rate of a sequence that this way reaches, in 1/s.
        first_load_s: Time of writing the context's signatures once, before the first token; 0 where loaded.
    """

    name: Literal["held", "loaded"]
    chips: int
    static_W: float
    token_s: float
    token_J: float
    loads: float
    link_bytes: float
    tokens_s: float
    first_load_s: float


@dataclass(frozen=True)
class ModelPlan:
    """Chips, time and energy that a model's ranking takes.

    Attributes:
        chip: Name of the chip's spec.
        work: The model, its blocks and signatures, and how many blocks are fetched.
        context_tokens: Tokens of a sequence's context.
        sequences: Sequences that are decoded together.
        tokens_s: Rate of each sequence in 1/s that static power is shared by.
        blocks: Blocks of one sequence and KV head.
        pages: Fills of a chip of all layers, KV heads and sequences.
        readings: Readings of a chip for one token of one sequence.
        held: With every signature in place.
        loaded: With the chips that were asked for.
        gpu_token_J: Energy of one token's scans by the GPU itself, by baseline.
        gpu_token_s: Their time in a step of decoding, a scan a layer.
    """

    chip: str
    work: Workload
    context_tokens: int
    sequences: int
    tokens_s: float
    blocks: int
    pages: int
    readings: int
    held: Way
    loaded: Way
    gpu_token_J: dict[str, float]
    gpu_token_s: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """The plan as plain data."""
        content = asdict(self)
        return {"model": content["work"].pop("model"), **content}

    @property
    def model(self) -> ModelShape:
        """The language model."""
        return self.work.model

    def __str__(self) -> str:
        """The plan as a table."""
        model, work, ways = self.model, self.work, (self.held, self.loaded)
        lines = [
            f"{model.name}: {model.layers} layers rank ({model.other_layers} do not), {model.kv_heads} KV heads of "
            f"{model.head_dim} dimensions, {model.query_heads} query heads",
            f"{self.context_tokens:,} tokens × {self.sequences} sequences, blocks of {work.block_tokens}: "
            f"{self.blocks:,} blocks a head, signatures of {work.dims} dimensions on {self.chip}",
            f"{self.pages:,} pages, {self.readings:,} readings a token, {self.tokens_s:,g} tokens/s of a sequence",
            *self._beyond,
            "",
            f"{'':<34}" + "".join(f"{way.name:>16}" for way in ways),
        ]
        cells = {
            "chips": [f"{way.chips:,}" for way in ways],
            "power drawn whether asked or not": [_scaled(way.static_W, "W") for way in ways],
            "pages written a token": [f"{way.loads:.4g}" for way in ways],
            "time a token": [_scaled(way.token_s, "s") for way in ways],
            "tokens/s of a sequence, at most": [f"{way.tokens_s:.4g}" for way in ways],
            "energy a token": [_scaled(way.token_J, "J") for way in ways],
            "host link a token": [_scaled(way.link_bytes, "B") for way in ways],
            "first load of the context": [_scaled(way.first_load_s, "s") if way.first_load_s else "–" for way in ways],
        }
        lines += [f"{name:<34}" + "".join(f"{cell:>16}" for cell in row) for name, row in cells.items()]
        lines += ["", f"{'the same scans without light':<34}{'energy a token':>16}{'time a token':>16}"]
        for name, energy_J in self.gpu_token_J.items():
            lines.append(f"{name:<34}{_scaled(energy_J, 'J'):>16}{_scaled(self.gpu_token_s[name], 's'):>16}")
        return "\n".join([*lines, "", self.verdict])

    @property
    def _beyond(self) -> list[str]:
        """A line where the model was made for fewer tokens."""
        longest = self.model.longest_tokens
        return [f"the model itself was made for {longest:,} tokens"] if 0 < longest < self.context_tokens else []

    @property
    def verdict(self) -> str:
        """In one line, whether light pays here."""
        best = min((self.held, self.loaded), key=lambda way: way.token_J)
        name, scan_J = min(self.gpu_token_J.items(), key=lambda found: found[1])
        ratio = best.token_J / scan_J
        if ratio >= 1.0:
            return (
                f"light does not pay here: a token costs {_scaled(best.token_J, 'J')} ({best.name}), {name} "
                f"{_scaled(scan_J, 'J')}, {ratio:.3g} times less"
            )
        return f"a token costs {_scaled(best.token_J, 'J')} ({best.name}), {1.0 / ratio:.3g} times less than {name}"


def plan_model(
    spec: ChipSpec,
    work: Workload,
    *,
    context_tokens: int,
    sequences: int = 1,
    chips: int = 1,
    tokens_s: float = TOKENS_S,
    query_heads_apart: bool = False,
    heater_W: HeaterPower = no_heaters,
) -> ModelPlan:
    """Count chips, pages, readings, time and energy for all layers and KV heads of a model.

    A page is one fill of a chip: as many blocks of one head as it has rows, and as many dimensions as it has lines.
    Heads with few blocks share a chip, and are asked one after the other.

    Args:
        spec: The chip.
        work: The model, its blocks and signatures.
        context_tokens: Tokens of a sequence's context.
        sequences: Sequences that are decoded together, each with a cache of its own.
        chips: Chips of the way *loaded*.
        tokens_s: Rate of each sequence in 1/s.
        query_heads_apart: Whether each query head asks by itself; else those of a KV head ask once together.
        heater_W: Trimming heaters' power in W as a function of the spec.

    Raises:
        InputError: A number below 1, a rate that the held chips do not reach, or numbers that leave floating point.
    """
    for name, value in (("context", context_tokens), ("batch", sequences), ("chips", chips)):
        if value < 1:
            raise InputError(f"plan: {name} = {value}; want 1 or more")
    if not 0.0 < tokens_s < float("inf"):
        raise InputError(f"plan: {tokens_s:g} tokens/s; want a rate above 0")
    with floating_point_of(spec):
        return _plan(
            spec, work, context_tokens=context_tokens, sequences=sequences, chips=chips, tokens_s=tokens_s,
            askers=work.model.query_heads if query_heads_apart else work.model.kv_heads, heater_W=heater_W,
        )  # fmt: skip


def _plan(
    spec: ChipSpec,
    work: Workload,
    *,
    context_tokens: int,
    sequences: int,
    chips: int,
    tokens_s: float,
    askers: int,
    heater_W: HeaterPower,
) -> ModelPlan:
    system, settle_s, model, heads = spec.system, spec.drive.settle_us * 1e-6, work.model, work.kv_heads
    blocks, side_by_side = -(-context_tokens // work.block_tokens), slices(spec, work)
    # Pages of one head, or heads of one page.
    pages_head, heads_page = -(-blocks // spec.chip.rows), max(1, spec.chip.rows // blocks)
    pages = -(-heads * sequences // heads_page) * pages_head * side_by_side
    readings = model.layers * askers * pages_head * side_by_side
    static_W, light_s = sum(static_powers_W(spec, heater_W).values()), shots(spec.modulator.encoding) * symbol_s(spec)
    answer_s = system.host_link_ns * 1e-9 + query_s(spec)
    queries_J, queries_bytes = (
        readings * sum(query_energies_J(spec, work).values()),
        readings * link_bits(spec, work) / 8,
    )
    page_J, page_bytes = sum(program_energies_J(spec).values()), rings(spec) * SIGNATURE_BYTES

    # What shares a chip in one layer is asked in turn: heads, those of other sequences, query heads apart.
    in_turn = -(-askers // model.kv_heads) * min(model.kv_heads * sequences, heads_page)
    # Once in a block's tokens a row of each head is written, of all heads together.
    rows = heads * side_by_side / (work.block_tokens * spec.chip.rows)
    held_s = model.layers * (answer_s + (in_turn - 1) * light_s) + (HBM_LATENCY_S + settle_s) / work.block_tokens
    if tokens_s * held_s > 1.0:
        raise InputError(
            f"plan: {tokens_s:g} tokens/s, but ranking alone takes {held_s:.3g} s a token; want at most "
            f"{1.0 / held_s:.3g} (--tokens-s)"
        )
    held = Way(
        name="held",
        chips=pages,
        static_W=pages * static_W,
        token_s=held_s,
        token_J=pages * static_W / (tokens_s * sequences) + queries_J + rows * page_J,
        loads=rows,
        link_bytes=queries_bytes + rows * page_bytes,
        tokens_s=1.0 / held_s,
        first_load_s=HBM_LATENCY_S + pages * page_bytes / HBM_BYTES_S + settle_s,
    )

    # Chips settle together and are asked together, but one memory feeds them.
    chips = min(chips, pages)
    asked_s, reads_s = readings * sequences / pages * light_s, pages * (load_s(spec) - settle_s)
    loaded_s = model.layers * (HBM_LATENCY_S + answer_s - light_s) + reads_s + -(-pages // chips) * (settle_s + asked_s)
    loaded = Way(
        name="loaded",
        chips=chips,
        static_W=chips * static_W,
        token_s=loaded_s,
        token_J=chips * static_W * max(1.0 / tokens_s, loaded_s) / sequences + queries_J + pages / sequences * page_J,
        loads=pages / sequences,
        link_bytes=queries_bytes + pages / sequences * page_bytes,
        tokens_s=1.0 / loaded_s,
        first_load_s=0.0,
    )

    count, together = np.array([float(blocks)]), model.kv_heads * sequences
    gpu = [one for one in baselines(work, sequences=sequences).values() if not one.stored_bytes(count).any()]
    return ModelPlan(
        spec.name,
        work,
        context_tokens=context_tokens,
        sequences=sequences,
        tokens_s=tokens_s,
        blocks=blocks,
        pages=pages,
        readings=readings,
        held=held,
        loaded=loaded,
        gpu_token_J={one.name: heads * float(one.energy_J(count)[0]) for one in gpu},
        # The heads of a layer are read in one go.
        gpu_token_s={
            one.name: model.layers * float(one.first_s(count)[0] + together * one.stream_s(count)[0]) for one in gpu
        },
    )


def _scaled(value: float, unit: str) -> str:
    """A number with its unit and a prefix."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"
