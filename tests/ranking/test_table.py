"""The table on the built-in model: the rules of honesty, the rows that must be what they are, the targets."""

from dataclasses import asdict

import pytest
import torch

from prism_photonics.ranking.catalog import make_selectors
from prism_photonics.ranking.plot import plot_contexts, plot_sweeps
from prism_photonics.ranking.sweep import sweep
from prism_photonics.ranking.table import Point, table
from prism_photonics.units import InputError

NAMES = (
    *("oracle", "mean_key", "bound", "photonic_mean_key", "photonic_bound", "hierarchical", "salca_like"),
    *("streaming_llm", "h2o", "random"),
)


@pytest.fixture(scope="module")
def rows(selectable, demo_bundle):
    """1,024 tokens, blocks of 16, one in eight chosen, on the demonstrator's statistics at 32 and 64 channels."""
    selectors = make_selectors(NAMES, demo_bundle(32), dual_rail=demo_bundle(64), dims=32, group=2)
    made = table("needle", *selectable, selectors=selectors, points=[Point(1024, 16, 8, trials=100)])
    return {row.selector: row for row in made}


def test_every_row_has_its_chance_its_interval_and_a_hundred_needles(rows):
    assert list(rows) == ["full", *NAMES]
    for row in rows.values():
        assert row.trials >= 100
        assert row.accuracy_low <= row.accuracy <= row.accuracy_high
        assert row.hit_low <= row.hit <= row.hit_high
        assert (row.context, row.block, row.blocks, row.tokens_full) == (1024, 16, 64, 1025)
    assert {rows[name].chance for name in NAMES if name != "salca_like"} == {0.125}
    assert rows["salca_like"].chance >= 0.125


def test_full_attention_reads_all_and_the_oracle_loses_nothing_with_an_eighth(rows):
    full, oracle = rows["full"], rows["oracle"]
    assert (full.accuracy, full.hit, full.recall, full.delta_nll, full.tokens_read) == (1, 1, 1, 0, 1025)
    assert oracle.hit == oracle.recall == 1
    assert oracle.delta_nll == pytest.approx(0, abs=1e-3)
    # The sink, the window and eight blocks, of which some overlap.
    assert 8 * 16 < oracle.tokens_read <= 8 * 16 + 4 + 16


def test_the_chance_row_behaves_as_chance(rows):
    chance = rows["random"]
    pairs = 2 * chance.trials
    assert chance.hit == pytest.approx(0.125, abs=4 * (0.125 * 0.875 / pairs) ** 0.5)
    assert chance.recall == pytest.approx(0.125, abs=0.04)
    assert chance.mass_coverage < 0.25
    assert chance.delta_nll > 3


def test_the_chip_costs_nothing_on_the_selectable_model(rows):
    for chip, exact in (("photonic_mean_key", "mean_key"), ("photonic_bound", "bound")):
        assert rows[chip].accuracy >= 0.97 * rows["full"].accuracy
        assert rows[chip].hit >= rows[exact].hit - 0.01
        assert rows[chip].recall == pytest.approx(rows[exact].recall, abs=0.03)


def test_eviction_does_not_know_the_question(rows):
    assert max(rows["streaming_llm"].accuracy, rows["h2o"].accuracy) < 0.5
    assert rows["hierarchical"].signature_bytes < rows["bound"].signature_bytes
    assert rows["photonic_mean_key"].pages == 8


def test_a_point_where_nothing_is_selected_is_refused():
    with pytest.raises(InputError, match="want 1 to 63"):
        Point(1024, 16, 64)
    with pytest.raises(InputError, match="with every block chosen nothing is selected"):
        Point(1024, 1024, 1)


def test_trained_selectors_are_trained_on_other_sequences_for_each_block_size(selectable, demo_bundle):
    selectors = make_selectors(["pca"], demo_bundle(32), dims=32)
    points = [Point(256, 16, 4, trials=4), Point(256, 32, 2, trials=4)]
    made = table("needle", *selectable, selectors=selectors, points=points)
    assert [(row.selector, row.block) for row in made] == [("full", 16), ("pca", 16), ("full", 32), ("pca", 32)]


def test_impairments_move_the_right_way(selectable, demo_bundle, tmp_path):
    made = sweep(
        "needle", *selectable, bundle=demo_bundle(32), dual_rail=demo_bundle(64), point=Point(1024, 16, 8, trials=32),
        bits=(2, 4, 8), drift=(0.0, 0.1, 1.0), light=(1.0, 0.03, 0.001),
    )  # fmt: skip
    for selector in ("photonic_mean_key", "photonic_bound"):
        recall = {(r.impairment, r.setting): r.recall for r in made if r.selector == selector}
        assert recall["bits", 2.0] < recall["bits", 4.0] <= recall["bits", 8.0] + 0.02
        assert recall["drift", 1.0] < recall["drift", 0.1] <= recall["drift", 0.0] + 0.02
        assert recall["light", 0.001] < recall["light", 0.03] < recall["light", 1.0]
        snr = [r.snr_dB for r in made if r.selector == selector and r.impairment == "light"]
        assert snr == sorted(snr, reverse=True)
    picture = plot_sweeps([asdict(row) for row in made], tmp_path / "sweeps.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_plot_of_contexts_is_drawn_and_repeats_exactly(rows, tmp_path):
    lines = [asdict(row) for row in rows.values()]
    lines += [line | {"context": 4096, "k": 32, "blocks": 256} for line in lines]
    first = plot_contexts(lines, tmp_path / "a.svg").read_bytes()
    assert b"<svg" in first
    assert plot_contexts(lines, tmp_path / "b.svg").read_bytes() == first


def test_any_other_model_can_be_asked(tiny, demo_bundle):
    from prism_photonics.ranking.needle import Vocabulary

    model = tiny("llama", vocab_size=128)
    selectors = make_selectors(["photonic_mean_key"], demo_bundle(8), dims=8)
    made = table("llama", model, Vocabulary.of_any(128), selectors=selectors, points=[Point(128, 8, 2, trials=4)])
    assert [row.selector for row in made] == ["full", "photonic_mean_key"]
    # An untrained model recalls nothing: the row says so.
    assert made[0].accuracy < 0.5
    assert torch.isfinite(torch.tensor(made[1].delta_nll))
