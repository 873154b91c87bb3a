"""Tables of docs/budget.md that the ledger makes: each cell is what the ledger says today."""

from pathlib import Path

import pytest

from prism_photonics.budget import attention
from prism_photonics.budget.attention import Step
from prism_photonics.budget.crossover import to_json
from prism_photonics.budget.model_plan import plan_model
from prism_photonics.budget.trimming import heater_power_W
from prism_photonics.budget.workload import PAPERS, Workload
from prism_photonics.spec import load_spec

PAGE = (Path(__file__).parents[2] / "docs" / "budget.md").read_text(encoding="utf-8")
BASELINES = ("gpu_full_scan", "gpu_d32_bf16", "gpu_d32_int4", "gpu_l2_int4", "ann", "sram_asic")


def cells(first):
    """The cells behind the first one of the only line that begins with it."""
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in line.strip("|").split("|")[1:]]


def rounded(value, like):
    """The value with as many digits as the cell shows."""
    digits = len(like.split(".")[1]) if "." in like else 0
    return f"{value:,.{digits}f}"


def check_step(first, step: Step):
    dense = attention.dense()
    numbers = (step.read_bytes / 1e6, step.time_s * 1e6, step.energy_J * 1e6)
    shown = cells(first)
    for cell, value in zip(shown, (*numbers, dense.time_s / step.time_s, dense.energy_J / step.energy_J), strict=True):
        assert cell == rounded(value, cell)


def test_a_step_of_attention_stands_as_it_is_counted():
    check_step("A100, all keys and values", attention.dense())
    check_step("Salca", attention.salca())
    check_step("32 blocks of 128 by int4 signatures, on Salca's power", attention.blocks_int4())
    for first, name in (("by the chip of", "paper_32x256"), ("by", "bank_32x256")):
        check_step(f"32 blocks {first} `{name}`", attention.photonic(load_spec(name), heater_power_W))


def test_contexts_from_which_a_selector_is_beaten_stand_as_they_are_counted():
    cases = to_json(load_spec("paper_32x256"), heater_power_W, PAPERS)["crossover"]["cases"]
    for first, case in (
        ("main", "main"),
        ("pages", "pages"),
        ("power gated, nothing but the optics", "gated_optics_only"),
        ("the same, KV fetch on both sides", "gated_optics_only_with_kv_fetch"),
    ):
        for cell, baseline in zip(cells(first), BASELINES, strict=True):
            tokens = cases[case]["energy"][baseline]
            if tokens is None:
                assert cell == "never"
                continue
            unit = {"K": 1024.0, "M": 1024.0**2}.get(cell[-1], 1.0)
            number = cell.rstrip("KM")
            assert number == rounded(tokens / unit, number)


@pytest.mark.parametrize(
    ("first", "work"),
    [("32 dimensions, blocks of 128", Workload(128, 32)), ("128 dimensions, blocks of 16", Workload(16, 128))],
)
def test_a_whole_model_stands_as_it_is_planned(first, work):
    plan = plan_model(load_spec("bank_32x256"), work, context_tokens=2**17, heater_W=heater_power_W)
    held, loaded, memory, cache = cells(first)
    power = plan.held.static_W / 1e3
    told = f"{plan.held.chips:,} chips, {power:.{1 if power < 10 else 0}f} kW, "
    assert held.startswith(told + f"{plan.held.token_J:.{1 if power < 10 else 0}f} J")
    ms = plan.loaded.token_s * 1e3
    assert loaded.startswith(
        f"{ms:.{2 if ms < 1 else 0}f} ms and {plan.loaded.token_J * 1e3:.{1 if ms < 1 else 0}f} mJ"
    )
    int4, kept = plan.gpu_token_J[f"gpu_d{work.dims}_int4"], plan.gpu_token_J["gpu_l2_int4"]
    assert memory == (f"{int4 * 1e6:.0f} µJ" if int4 < 1e-3 else f"{int4 * 1e3:.1f} mJ")
    assert cache == ("does not fit" if kept == int4 else f"{kept * 1e6:.0f} µJ")
