"""The row that fibres see: its rings are the row's own, and its light is the row's less one facet."""

import numpy as np
import pytest

from prism_photonics.chip.structures import RowLine
from prism_photonics.laboratory.manifest import NAME, parse_manifest
from prism_photonics.spec import load_spec
from prism_photonics.units import InputError
from prism_photonics.workflow.measure import on_die
from prism_photonics.workflow.sweep_folder import manifest_and_tile


@pytest.fixture(scope="module")
def drawn():
    return manifest_and_tile(load_spec("demo_8x8"))


def test_the_monitor_has_the_top_rows_rings_under_its_own_name(drawn):
    of = {one.name: one for one in parse_manifest(drawn[0], where=NAME)}
    monitor, row = of["monitor"], of["row_7"]
    assert monitor.dropped
    assert [ring.name for ring in monitor.rings] == [f"monitor/ring_{n}" for n in range(8)]
    assert [(r.at_um, r.gap_nm, r.length_um) for r in monitor.rings] == [
        (r.at_um, r.gap_nm, r.length_um) for r in row.rings
    ]


def test_its_spectrum_is_the_rows_less_the_facet_where_light_leaves(drawn):
    manifest, tile = drawn
    found = on_die(tile, parse_manifest(manifest, where=NAME), seed=2, film=None, trimmed=True)
    wl_nm = np.linspace(1546.0, 1547.5, 301)
    row, monitor = found["row_7"], found["monitor"]
    assert isinstance(monitor, RowLine)
    gain = 10.0 ** (-0.1 * tile.coupler.loss_dB)
    np.testing.assert_allclose(monitor.powers(wl_nm), gain * row.powers(wl_nm), rtol=1e-12)


def test_a_monitor_of_a_row_that_is_not_there_is_refused_in_one_line(drawn):
    lines = [line.replace(",7,0,-1,,,,monitor,", ",9,0,-1,,,,monitor,") for line in drawn[0].splitlines()]
    assert lines != drawn[0].splitlines()
    with pytest.raises(InputError, match="got monitor of no row, want its row and bus; draw the chip again") as refusal:
        parse_manifest("\n".join(lines), where="mine.csv")
    assert "\n" not in str(refusal.value)


def test_a_ring_of_no_channel_and_an_endless_cell_are_refused_in_one_line(drawn):
    lines = drawn[0].splitlines()
    column = lines[0].split(",").index("channel")
    at = next(n for n, line in enumerate(lines) if ",ring," in line)
    for written, words in (("first", "channel is 'first', want a number"), ("1" * 140_000, "got no table")):
        cells = lines[at].split(",")
        cells[column] = written
        with pytest.raises(InputError, match=words) as refusal:
            parse_manifest("\n".join([*lines[:at], ",".join(cells), *lines[at + 1 :]]), where="mine.csv")
        assert "\n" not in str(refusal.value)
