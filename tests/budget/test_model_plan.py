"""A whole model on chips: the count by hand, what more of anything costs, and what is refused."""

import pytest

from prism_photonics.budget.energy import load_s, program_energies_J, static_powers_W
from prism_photonics.budget.model_plan import plan_model
from prism_photonics.budget.workload import Workload
from prism_photonics.spec import load_spec
from prism_photonics.units import InputError

CONTEXT = 2**17


@pytest.fixture(scope="module")
def bank():
    return load_spec("bank_32x256")


@pytest.mark.parametrize(
    ("work", "chips", "static_kW"), [(Workload(128, 32), 448, 2.07), (Workload(16, 128), 14_336, 66.2)]
)
def test_the_chips_that_hold_a_model_are_those_counted_by_hand(bank, work, chips, static_kW):
    plan = plan_model(bank, work, context_tokens=CONTEXT)
    assert plan.held.chips == plan.pages == plan.readings == chips
    assert plan.held.static_W / 1e3 == pytest.approx(static_kW, rel=0.01)
    assert plan.held.static_W == pytest.approx(chips * sum(static_powers_W(bank).values()))


def test_one_chip_in_turn_takes_half_a_millisecond_of_loading_a_token(bank):
    plan = plan_model(bank, Workload(), context_tokens=CONTEXT)
    assert 448 * load_s(bank) == pytest.approx(0.45e-3, rel=0.01)
    assert plan.loaded.token_s == pytest.approx(448 * load_s(bank), rel=0.1)
    assert plan.loaded.loads == 448
    # Rows are written as blocks complete: 112 of 256 rows in 128 tokens.
    assert plan.held.loads == pytest.approx(112 / 128 / 256)


def test_chips_side_by_side_share_the_settling_and_not_the_memory(bank):
    one, many = (plan_model(bank, Workload(), context_tokens=CONTEXT, chips=n).loaded for n in (1, 448))
    assert many.chips == 448
    assert many.token_s < one.token_s / 10
    assert many.token_s > 448 * (load_s(bank) - bank.drive.settle_us * 1e-6)


def test_heads_with_few_blocks_share_a_chip_and_are_asked_in_turn(bank):
    short = plan_model(bank, Workload(), context_tokens=64 * 128)
    assert short.blocks == 64
    assert short.held.chips == 112 / 4
    alone = plan_model(bank, Workload(), context_tokens=256 * 128)
    assert alone.held.chips == 112
    assert short.held.token_s > alone.held.token_s


def test_sequences_have_caches_of_their_own(bank):
    one, four = (plan_model(bank, Workload(), context_tokens=CONTEXT, sequences=n) for n in (1, 4))
    assert four.pages == 4 * one.pages
    assert four.readings == one.readings
    assert four.held.token_J == pytest.approx(one.held.token_J)
    assert four.loaded.token_s > 3.5 * one.loaded.token_s


def test_query_heads_that_ask_by_themselves_ask_seven_times(bank):
    group, apart = (
        plan_model(bank, Workload(), context_tokens=CONTEXT, query_heads_apart=each) for each in (False, True)
    )
    assert apart.readings == 7 * group.readings
    assert apart.held.chips == group.held.chips
    assert apart.held.token_s > group.held.token_s


def test_a_slower_token_carries_more_static_power(bank):
    fast, slow = (
        plan_model(bank, Workload(), context_tokens=CONTEXT, tokens_s=rate).held.token_J for rate in (1e3, 10.0)
    )
    assert slow == pytest.approx(100 * fast, rel=0.02)


def test_the_energy_of_a_token_is_told_part_by_part(bank):
    plan = plan_model(bank, Workload(), context_tokens=CONTEXT)
    powers, writing = static_powers_W(bank), program_energies_J(bank)
    for way, chip_s in ((plan.held, 448 / 1e3), (plan.loaded, 1 / 1e3)):
        assert way.parts_J["tec"] == pytest.approx(powers["tec"] * chip_s)
        assert way.token_J == pytest.approx(sum(way.parts_J.values()))
        assert way.parts_J["writing"] == pytest.approx(way.loads * (sum(writing.values()) - writing["program_link"]))
    # 448 queries over the link, and of the loaded pages every weight.
    for way in (plan.held, plan.loaded):
        assert way.parts_J["host_link"] == pytest.approx(way.link_bytes * 8e-12 * bank.system.host_link_pJ_bit)
    assert plan.loaded.load_s == pytest.approx(448 * load_s(bank), rel=0.05)
    assert plan.loaded.load_s < plan.loaded.token_s
    assert plan.to_json()["held"]["token_J"] == plan.held.token_J
    assert "cooler" in str(plan)
    assert "heaters" in str(plan)


def test_loaded_chips_that_are_too_slow_are_told_how_many_are_fast_enough(bank):
    slow = plan_model(bank, Workload(), context_tokens=CONTEXT, sequences=8)
    enough = slow.chips_in_time
    rates = [
        plan_model(bank, Workload(), context_tokens=CONTEXT, sequences=8, chips=chips).loaded.tokens_s
        for chips in (1, enough - 1, enough)
    ]
    assert rates[0] < rates[1] < slow.tokens_s <= rates[2]
    assert f"with 1 chip (it takes --chips {enough})" in str(slow)
    fast = plan_model(bank, Workload(), context_tokens=CONTEXT)
    assert fast.chips_in_time == 1
    assert "does not reach" not in str(fast)
    never = plan_model(bank, Workload(), context_tokens=CONTEXT, tokens_s=1e5)
    assert never.chips_in_time is None
    assert "with 1 chip (no more do, for one memory feeds them all)" in str(never)


def test_the_plan_says_where_light_does_not_pay(bank):
    plan = plan_model(bank, Workload(), context_tokens=CONTEXT)
    assert "light does not pay here" in str(plan)
    assert plan.gpu_token_J["gpu_d32_bf16"] == pytest.approx(112 * 2.03e-6, rel=0.01)
    assert min(plan.held.token_J, plan.loaded.token_J) > 10 * plan.gpu_token_J["gpu_l2_int4"]
    assert "sram_asic" not in plan.gpu_token_J


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"context_tokens": 0}, "context = 0"),
        ({"sequences": 0}, "batch = 0"),
        ({"chips": 0}, "chips = 0"),
        ({"tokens_s": 0.0}, "0 tokens/s"),
        ({"tokens_s": 1e7}, "want at most"),
    ],
)
def test_a_plan_for_nothing_or_faster_than_it_can_be_is_refused(bank, change, said):
    with pytest.raises(InputError, match=said):
        plan_model(bank, Workload(), **({"context_tokens": CONTEXT} | change))
