"""Scattering parameters by a key of the spec: read beside it, held to the laws, and counted by every rule."""

import numpy as np
import pytest

from prism_photonics.budget.link import link_budget
from prism_photonics.circuit.sparameter_files import write_touchstone
from prism_photonics.circuit.sparameters import SParameters
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.examples import example_text
from prism_photonics.units import InputError

WL = np.linspace(1.53, 1.57, 81)
SPLITTER = ("o1", "o2", "o3")


def splitter(upper=0.69, lower=0.66, back=0.03):
    """A splitter that reflects, with uneven arms whose amplitudes fall by a tenth towards the band's ends."""
    s = np.zeros((len(WL), 3, 3), complex)
    fall = 1.0 - 0.1 * ((WL - 1.55) / 0.02) ** 2
    s[:, 0, 0] = back
    s[:, 1, 0] = s[:, 0, 1] = upper * fall
    s[:, 2, 0] = s[:, 0, 2] = lower * fall
    return SParameters("mmi", SPLITTER, WL, s)


@pytest.fixture
def written(tmp_path):
    """``written(splitter="…", coupler="…")``: the 8×8's spec file with other lines in these tables."""

    def write(**tables):
        lines, table = [], ""
        for line in example_text("circles_8x8").splitlines():
            table = line.strip("[]") if line.startswith("[") else table
            if not (table in tables and ("loss_dB" in line.partition("=")[0])):
                lines.append(line)
            if line.startswith("[") and table in tables:
                lines.append(tables[table])
        (tmp_path / "spec.toml").write_text("\n".join(lines))
        return tmp_path / "spec.toml"

    return write


def test_a_file_beside_the_spec_tells_the_loss_of_the_worse_output_at_the_worst_line(written, tmp_path):
    write_touchstone(splitter(), tmp_path / "mmi.s3p")
    spec = ChipSpec.from_toml(written(splitter='sparameters = "mmi.s3p"'))
    away = np.abs(np.asarray(spec.comb_design.wl_um) - 1.55).max()
    lower = 0.66 * (1.0 - 0.1 * (away / 0.02) ** 2)
    assert spec.splitter.excess_loss_dB == pytest.approx(-10.0 * np.log10(2.0 * lower**2), abs=1e-4)
    (split,) = (entry for entry in link_budget(spec) if entry.element == "splitter")
    assert split.loss_dB == pytest.approx(3.0 * (10.0 * np.log10(2.0) + spec.splitter.excess_loss_dB), abs=1e-6)


def test_a_dump_of_such_a_spec_is_the_same_chip_and_where_the_file_lies_is_no_part_of_it(written, tmp_path):
    write_touchstone(splitter(), tmp_path / "mmi.s3p")
    path = written(splitter='sparameters = "mmi.s3p"')
    spec = ChipSpec.from_toml(path)
    assert ChipSpec.model_validate_json(spec.model_dump_json()).hash == spec.hash
    (tmp_path / "again.toml").write_text(str(spec))
    assert ChipSpec.from_toml(tmp_path / "again.toml").hash == spec.hash
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mmi.s3p").rename(tmp_path / "elsewhere" / "other.s3p")
    moved = ChipSpec.from_toml(written(splitter='sparameters = "elsewhere/other.s3p"'))
    assert moved.hash == spec.hash
    write_touchstone(splitter(upper=0.691), tmp_path / "changed.s3p")
    assert ChipSpec.from_toml(written(splitter='sparameters = "changed.s3p"')).hash != spec.hash


def test_specs_without_such_a_file_keep_their_hash(demo):
    assert "sparameters" not in demo.model_dump()["splitter"]
    assert "on_fault" not in demo.model_dump()["coupler"]
    assert demo.given_parts == {}


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ({"splitter": 'sparameters = "mmi.s3p"\nexcess_loss_dB = 0.1'}, "both tell its loss; leave excess_loss_dB out"),
        ({"coupler": 'loss_dB = 2.0\non_fault = "project"'}, "coupler.on_fault: no 'sparameters' are given"),
        ({"splitter": 'sparameters = "none.s3p"'}, r"none\.s3p"),
        ({"splitter": 'sparameters = ""'}, "splitter.sparameters: got '', want the name of a Touchstone or csv file"),
        ({"splitter": "sparameters = 3"}, "splitter.sparameters: got 3, want the name"),
        ({"coupler": 'sparameters = "mmi.s3p"'}, "ports o1, o2, o3; edge_coupler has o1, o2"),
        ({"splitter": 'sparameters = "loud.s3p"'}, r"loud\.s3p: not passive: largest singular value 1\.\d+ at 15"),
        ({"splitter": 'sparameters = "narrow.s3p"'}, r"known from 1\.53 to 1\.54 µm, the comb's lines reach from"),
        ({"splitter": 'sparameters = "dark.s3p"'}, r"no light leaves o3 at 15\d\d\.\d\d nm"),
        ({"splitter": 'sparameters = "mmi.s3p"\non_fault = "mend"'}, "splitter.on_fault"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(written, tmp_path, tables, told):
    write_touchstone(splitter(), tmp_path / "mmi.s3p")
    write_touchstone(splitter(upper=0.9), tmp_path / "loud.s3p")
    write_touchstone(splitter(lower=0.0), tmp_path / "dark.s3p")
    few = splitter()
    write_touchstone(SParameters("mmi", SPLITTER, WL[:21], few.s[:21]), tmp_path / "narrow.s3p")
    with pytest.raises(InputError, match=told) as caught:
        ChipSpec.from_toml(written(**tables))
    assert "\n" not in str(caught.value)


def test_a_comb_that_cannot_be_is_told_of_whatever_the_parts_say(written, tmp_path):
    write_touchstone(splitter(), tmp_path / "mmi.s3p")
    lines = written(splitter='sparameters = "mmi.s3p"').read_text()
    lines = lines.replace("first_wl_nm = 1546.5", "first_channel_THz = 200.0").replace(
        "channels = 8 ", "channels = 80 "
    )
    for spacing, told in (
        ("spacing_GHz = 2500.0", "channel 79 lies at 2.5 THz"),
        ("spacing_GHz = 1e9", "comb.spacing_GHz"),
    ):
        with pytest.raises(InputError, match=told) as caught:
            ChipSpec.from_text(lines.replace("spacing_nm = 0.95", spacing), folder=tmp_path)
        assert "excess_loss_dB" not in str(caught.value)


def test_a_part_that_makes_light_is_projected_where_the_spec_asks_for_it(written, tmp_path):
    write_touchstone(splitter(upper=0.8), tmp_path / "loud.s3p")
    with pytest.warns(UserWarning, match="not passive"):
        spec = ChipSpec.from_toml(written(splitter='sparameters = "loud.s3p"\non_fault = "project"'))
    assert spec.given_parts["splitter"].gain <= 1.0 + 1e-12
    assert spec.splitter.excess_loss_dB > 0.0
