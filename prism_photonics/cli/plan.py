"""``prism plan``: chips, time and energy for a whole language model."""

from pathlib import Path
from typing import Annotated

import typer

from prism_photonics.budget.workload import PAPERS, TOKENS_S
from prism_photonics.cli.arguments import Block, Dims, Fetched, Json, Spec, finite
from prism_photonics.cli.output import print_json
from prism_photonics.units import InputError

SUFFIXES = {"": 1, "K": 2**10, "M": 2**20}


def plan(
    model: Annotated[
        Path, typer.Option("--model", metavar="smollm2|CONFIG.json", help="The model's Hugging Face configuration.")
    ],
    context: Annotated[str, typer.Option("--context", metavar="TOKENS", help="Such as 128k, 1M or 100000.")],
    spec: Spec = Path("bank_32x256"),
    batch: Annotated[int, typer.Option("--batch", min=1, help="Sequences that are decoded together.")] = 1,
    block: Block = PAPERS.block_tokens,
    dims: Dims = PAPERS.dims,
    k: Fetched = PAPERS.chosen,
    chips: Annotated[int, typer.Option("--chips", min=1, help="Chips of the way that loads pages.")] = 1,
    tokens_s: Annotated[
        float, typer.Option("--tokens-s", callback=finite, help="Tokens a second of each sequence.")
    ] = TOKENS_S,
    query_heads: Annotated[
        bool, typer.Option("--query-heads", help="Each query head asks by itself.", show_default=False)
    ] = False,
    as_json: Json = False,
) -> None:
    """How many chips a whole language model takes, and what a token then costs.

    Reads the model's configuration and SPEC; writes nothing. Two ways are set side by side, all signatures held at
    once, and chips that are loaded page after page for every token, and what the same scans cost a GPU.
    """
    from prism_photonics.budget.model_plan import plan_model
    from prism_photonics.budget.trimming import heater_power_W
    from prism_photonics.budget.workload import Workload
    from prism_photonics.spec import load_spec
    from prism_photonics.workflow.plan import read_model

    found = plan_model(
        load_spec(spec),
        Workload(block, dims, k, read_model(model)),
        context_tokens=_tokens(context),
        sequences=batch,
        chips=chips,
        tokens_s=tokens_s,
        query_heads_apart=query_heads,
        heater_W=heater_power_W,
    )
    if as_json:
        print_json(found.to_json())
    else:
        print(found)


def _tokens(words: str) -> int:
    """Tokens of ``128k``, ``1M`` or ``100000``."""
    text = words.strip().upper()
    number, suffix = (text[:-1], text[-1]) if text[-1:] in ("K", "M") else (text, "")
    if not (number.isascii() and number.isdigit() and len(number) <= 12 and int(number)):
        raise InputError(f"--context {words}: want tokens such as 128k, 1M or 100000")
    return int(number) * SUFFIXES[suffix]
