"""Heaters: what holding every ring on its line costs, in the check and in the ledger."""

import json

import pytest
from typer.testing import CliRunner

from prism_photonics.budget.ring import ring_figures
from prism_photonics.budget.trimming import heater_power_W, mean_red_shift_nm


@pytest.fixture(scope="module")
def heated(demo, altered):
    return altered(demo, trim={"method": "heater", "heater_mW_nm": 20.0})


def test_rings_trimmed_once_or_never_need_no_power(demo, altered):
    assert heater_power_W(demo) == 0.0
    assert heater_power_W(altered(demo, trim={"method": "none", "heater_mW_nm": 20.0})) == 0.0


def test_a_heater_moves_its_ring_over_the_spread_of_fabrication(heated):
    assert heater_power_W(heated) == pytest.approx(64 * 2.5 * heated.fabricated_pm * 1e-3 * 20e-3)


def test_beyond_half_an_fsr_the_next_order_is_nearer(heated, altered):
    rough = altered(heated, variation={"thickness_nm": 20.0})
    assert mean_red_shift_nm(rough) == pytest.approx(0.5 * ring_figures(rough).fsr_nm)


def test_untrimmed_rings_cannot_be_tuned_over_their_spread(demo, altered):
    from prism_photonics.budget.feasibility import check

    untrimmed = altered(demo, trim={"method": "none"})
    assert "tuning_range" in [finding.rule for finding in check(untrimmed).violations]


def test_the_ledger_charges_the_heaters(layouts, tmp_path, heated):
    from prism_photonics.cli.app import app

    text = (layouts / "demo_8x8" / "spec.toml").read_text(encoding="utf-8")
    for old, new in (('method = "permanent"', 'method = "heater"'), ("heater_mW_nm = 0.0 ", "heater_mW_nm = 20.0 ")):
        assert text.count(old) == 1
        text = text.replace(old, new)
    (tmp_path / "spec.toml").write_text(text, encoding="utf-8")
    result = CliRunner().invoke(app, ["budget", str(tmp_path / "spec.toml"), "--json"])
    charged_pJ = json.loads(result.stdout)["energy_pJ"]["heaters"]["derived"]
    assert charged_pJ == pytest.approx(heater_power_W(heated) / heated.system.query_rate_Hz * 1e12)
