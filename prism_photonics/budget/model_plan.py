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
        load_s: What of that time is loading: reads from memory, and drivers that settle.
        parts_J: Energy of one token of one sequence, at the rate asked for, or at the highest that this way reaches: by
            static power, and of readings, host link and writing.
        loads: Pages written for one token of one sequence: rows of completed blocks as parts of a page where held.
        link_bytes: Bytes over the chips' host links for one token of one sequence.
        tokens_s: Highest rate of a sequence that this way reaches, in 1/s.
        first_load_s: Time of writing the context's signatures once, before the first token; 0 where loaded.
    """

    name: Literal["held", "loaded"]
    chips: int
    static_W: float
    token_s: float
    load_s: float
    parts_J: dict[str, float]
    loads: float
    link_bytes: float
    tokens_s: float
    first_load_s: float

    @property
    def token_J(self) -> float:
        """Energy of one token of one sequence."""
        return sum(self.parts_J.values())


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
        chips_in_time: Chips of the way *loaded* that reach the rate; None where none do, for one memory feeds them all.
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
    chips_in_time: int | None
    gpu_token_J: dict[str, float]
    gpu_token_s: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """The plan as plain data."""
        content = asdict(self)
        for name, way in (("held", self.held), ("loaded", self.loaded)):
            content[name]["token_J"] = way.token_J
        return {"model": content["work"].pop("model"), **content}

    @property
    def model(self) -> ModelShape:
        """The language model."""
        return self.work.model

    def __str__(self) -> str:
        """The plan as a table, and in one line whether light pays."""
        # Here, because the table is made of plans.
        from prism_photonics.budget.plan_table import text

        return text(self)


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
    powers_W, light_s = static_powers_W(spec, heater_W), shots(spec.modulator.encoding) * symbol_s(spec)
    static_W = sum(powers_W.values())
    answer_s = system.host_link_ns * 1e-9 + query_s(spec)
    query_J, page_J = query_energies_J(spec, work), program_energies_J(spec)
    queries_bytes, page_bytes = readings * link_bits(spec, work) / 8, rings(spec) * SIGNATURE_BYTES

    def parts_J(chip_s: float, loads: float) -> dict[str, float]:
        """Energy of a token for which chips are on for so many chip-seconds, and which writes so many pages."""
        link_J = readings * query_J["host_link"] + loads * page_J["program_link"]
        return {
            **{name: power_W * chip_s for name, power_W in powers_W.items()},
            "readings": readings * (sum(query_J.values()) - query_J["host_link"]),
            "host_link": link_J,
            "writing": loads * (sum(page_J.values()) - page_J["program_link"]),
        }

    # What shares a chip in one layer is asked in turn: heads, those of other sequences, query heads apart.
    in_turn = -(-askers // model.kv_heads) * min(model.kv_heads * sequences, heads_page)
    # Once in a block's tokens a row of each head is written, of all heads together.
    rows = heads * side_by_side / (work.block_tokens * spec.chip.rows)
    row_s = (HBM_LATENCY_S + settle_s) / work.block_tokens
    held_s = model.layers * (answer_s + (in_turn - 1) * light_s) + row_s
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
        load_s=row_s,
        parts_J=parts_J(pages / (tokens_s * sequences), rows),
        loads=rows,
        link_bytes=queries_bytes + rows * page_bytes,
        tokens_s=1.0 / held_s,
        first_load_s=HBM_LATENCY_S + pages * page_bytes / HBM_BYTES_S + settle_s,
    )

    # Chips settle together and are asked together, but one memory feeds them.
    chips = min(chips, pages)
    asked_s, reads_s = readings * sequences / pages * light_s, pages * (load_s(spec) - settle_s)
    once_s, turn_s = model.layers * (HBM_LATENCY_S + answer_s - light_s) + reads_s, settle_s + asked_s
    turns = -(-pages // chips)
    loaded_s = once_s + turns * turn_s
    loaded = Way(
        name="loaded",
        chips=chips,
        static_W=chips * static_W,
        token_s=loaded_s,
        load_s=model.layers * HBM_LATENCY_S + reads_s + turns * settle_s,
        parts_J=parts_J(chips * max(1.0 / tokens_s, loaded_s) / sequences, pages / sequences),
        loads=pages / sequences,
        link_bytes=queries_bytes + pages / sequences * page_bytes,
        tokens_s=1.0 / loaded_s,
        first_load_s=0.0,
    )
    turns_in_time = int((1.0 / tokens_s - once_s) / turn_s)

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
        chips_in_time=-(-pages // turns_in_time) if turns_in_time > 0 else None,
        gpu_token_J={one.name: heads * float(one.energy_J(count)[0]) for one in gpu},
        # The heads of a layer are read in one go.
        gpu_token_s={
            one.name: model.layers * float(one.first_s(count)[0] + together * one.stream_s(count)[0]) for one in gpu
        },
    )
