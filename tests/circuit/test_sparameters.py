"""Scattering parameters of others are held to the laws, interpolated without breaking them, and written for others."""

import inspect

import jax
import numpy as np
import pytest
import skrf

from prism_photonics.circuit.models import device_models
from prism_photonics.circuit.saxrow import strict_circuit
from prism_photonics.circuit.sparameter_files import read_sparameters, write_touchstone
from prism_photonics.circuit.sparameters import SParameters, require_physical, sampled, sax_model
from prism_photonics.process.profile import load_profile
from prism_photonics.units import SPEED_OF_LIGHT_UM_S, InputError

WL = np.linspace(1.54, 1.56, 81)


@pytest.fixture(scope="module")
def models():
    return device_models(load_profile("lnoi400"), loss_dB_cm=0.2)


@pytest.fixture(scope="module")
def splitter():
    """A 1×2 splitter that reflects a little, with a delay: passive, reciprocal, causal."""
    random = np.random.default_rng(8)
    u = np.linalg.qr(random.normal(size=(3, 3)) + 1j * random.normal(size=(3, 3)))[0]
    delay_ps = np.array([0.3, 0.4, 0.4])
    turn = np.exp(2j * np.pi * SPEED_OF_LIGHT_UM_S / WL[:, None] * delay_ps * 1e-12)
    s = 0.95 * (u @ u.T) * turn[:, :, None] * turn[:, None, :]
    return SParameters("splitter.s3p", ("o1", "o2", "o3"), WL, s)


def changed(given, **changes):
    return SParameters(**{**vars(given), **changes})


def test_a_part_that_keeps_the_laws_is_taken_as_it_is(splitter):
    assert require_physical(splitter) is splitter
    assert splitter.gain == pytest.approx(0.95)
    assert splitter.delay_ps[1, 0] == pytest.approx(0.7, rel=1e-3)


def test_a_guides_delay_is_its_group_index_over_the_speed_of_light(models):
    n_g = load_profile("lnoi400").optics.n_g_along_x.value
    guide = sampled(models["straight"], WL, length_um=500.0)
    assert guide.delay_ps[1, 0] == pytest.approx(500.0 * n_g / SPEED_OF_LIGHT_UM_S * 1e12, rel=0.005)


def test_a_part_that_makes_light_is_refused_and_the_value_and_place_are_named(splitter):
    s = splitter.s.copy()
    s[40] *= 1.09 / 0.95
    with pytest.raises(InputError, match=r"splitter.s3p: not passive: .* 1\.0900 at 1550\.00 nm, limit 1"):
        require_physical(changed(splitter, s=s))


def test_a_part_of_two_unlike_ways_is_refused_and_the_ports_are_named(splitter):
    s = splitter.s.copy()
    s[10, 2, 0] += 0.01
    with pytest.raises(InputError, match=r"not reciprocal: o1 from o3 and back differ by 0\.01 at 1542\.50 nm"):
        require_physical(changed(splitter, s=s))


def test_a_part_whose_light_leaves_before_it_enters_is_refused(splitter):
    with pytest.raises(
        InputError, match=r"light from o\d leaves o\d 0\.\d+ ps before it has entered \(negative group delay\)"
    ):
        require_physical(changed(splitter, s=splitter.s.conj()))


def test_a_guide_sampled_at_more_than_half_a_turn_looks_late_and_the_message_says_so(models):
    coarse = np.linspace(1.53, 1.57, 41)  # of 700 µm each step of 1 nm turns the phase by two thirds
    with pytest.raises(InputError, match="or samples are over half a turn apart"):
        require_physical(sampled(models["straight"], coarse, length_um=700.0))
    assert require_physical(sampled(models["straight"], WL, length_um=700.0)).delay_ps[1, 0] > 0.0


def test_what_breaks_all_laws_is_projected_with_a_warning_onto_what_keeps_them(splitter):
    skewed = 1.1 * splitter.s * np.array([[1.0, 1.05, 1.0], [1.0, 1.0, 0.95], [1.0, 1.0, 1.0]])
    broken = changed(splitter, s=skewed.conj())
    with pytest.warns(UserWarning, match=r"phases fall along a guide.*not reciprocal.*not passive.*projected"):
        mended = require_physical(broken, on_fault="project")
    assert mended.gain <= 1.0 + 1e-12
    assert mended.asymmetry < 1e-12
    assert mended.delay_ps[1, 0] > 0.0
    assert np.abs(mended.s - splitter.s).max() < 0.25


def test_the_projection_of_a_gain_is_the_nearest_passive_matrix(splitter):
    broken = changed(splitter, s=splitter.s * 1.2)
    with pytest.warns(UserWarning, match="not passive"):
        mended = require_physical(broken, on_fault="project")
    random = np.random.default_rng(0)
    nearest = np.linalg.norm(mended.s[0] - broken.s[0])
    for _ in range(20):
        other = mended.s[0] + 0.05 * random.normal(size=(3, 3))
        other /= max(1.0, np.linalg.norm(other, 2))
        assert np.linalg.norm(other - broken.s[0]) >= nearest - 1e-12


def test_a_part_only_some_of_whose_light_is_late_is_refused_even_where_projection_is_asked_for(splitter):
    s = splitter.s.copy()
    s[:, 2, 0] = s[:, 0, 2] = s[:, 2, 0].conj()
    with pytest.raises(InputError, match="no part near it is causal"):
        require_physical(changed(splitter, s=s), on_fault="project")


def test_samples_too_far_apart_to_interpolate_between_are_refused(models):
    coarse = sampled(models["ring"], np.linspace(1.54, 1.56, 41), straight_um=3.0)
    with pytest.raises(InputError, match=r"samples 0\.5 nm apart leave about .* finer step"):
        require_physical(coarse)


def test_between_the_samples_the_part_stays_passive_and_reciprocal(splitter):
    random = np.random.default_rng(5)
    rough = []  # lossless, and as different from one sample to the next as interpolation bears
    for k in range(len(WL)):
        tilt = np.diag(np.exp(1j * 0.05 * k * np.array([1.0, -0.5, 0.3])))
        rough.append(tilt @ splitter.s[k] / 0.95 @ tilt)
    given = changed(splitter, s=np.array(rough))
    between = given.at(random.uniform(WL[0], WL[-1], 200))
    assert np.linalg.svd(between, compute_uv=False).max() <= 1.0 + 1e-12
    np.testing.assert_allclose(between, np.swapaxes(between, 1, 2), atol=1e-12)


def test_a_sampled_ring_is_the_ring_between_its_samples(models):
    sizes = {"gap_through_um": 0.6, "gap_drop_um": 0.6}
    ring = sax_model(sampled(models["ring"], np.linspace(1.5495, 1.5505, 401), **sizes))
    wl = np.linspace(1.54955, 1.55045, 37)
    theirs = models["ring"](wl=wl, **sizes)
    for ports, field in ring(wl=wl).items():
        if ports in theirs:
            np.testing.assert_allclose(field, theirs[ports], atol=2e-3, err_msg=str(ports))


def test_outside_its_wavelengths_a_part_is_refused_and_under_jax_it_is_no_number(splitter):
    part = sax_model(splitter)
    with pytest.raises(InputError, match=r"wl = 1\.57 µm; its parameters are known from 1\.54 to 1\.56"):
        part(wl=1.57)
    through = jax.jit(lambda wl: part(wl=wl)["o1", "o2"])(np.array([1.55, 1.57]))
    assert np.isfinite(through[0])
    assert np.isnan(through[1])


def test_its_sax_model_names_nothing_but_the_wavelength(splitter):
    assert list(inspect.signature(sax_model(splitter)).parameters) == ["wl"]


def test_two_parts_that_reflect_make_a_cavity_in_a_circuit(splitter):
    netlist = {
        "instances": {"a": "part", "b": "part"},
        "connections": {"a,o2": "b,o1"},
        "ports": {"in": "a,o1", "out": "b,o2"},
    }
    s = strict_circuit(netlist, {"part": sax_model(splitter)})(wl=1.55)
    one = splitter.at(np.array([1.55]))[0]
    want = one[1, 0] ** 2 / (1.0 - one[1, 1] * one[0, 0])
    assert complex(s["in", "out"]) == pytest.approx(want, abs=1e-12)


def test_touchstone_holds_all_digits_and_turns_the_phases(splitter, tmp_path):
    path = write_touchstone(splitter, tmp_path / "mmi.s3p")
    back = read_sparameters(path)
    assert back.ports == splitter.ports
    np.testing.assert_allclose(back.wl_um, WL, rtol=1e-14)
    np.testing.assert_allclose(back.s, splitter.s, atol=1e-14)
    theirs = skrf.Network(str(path))
    assert theirs.s.shape == (len(WL), 3, 3)
    assert theirs.group_delay[:, 1, 0].mean() > 0.0  # electrical engineers' sign: positive with exp(+jωt)


def test_a_ring_of_ours_is_written_with_the_ports_that_its_cell_has(models, tmp_path):
    path = write_touchstone(
        models["ring"], tmp_path / "ring.s4p", wl_um=np.linspace(1.5495, 1.5505, 11), gap_drop_um=0.6
    )
    assert "ports o1, o2, o3, o4" in path.read_text()
    assert read_sparameters(path).gain <= 1.0


def test_a_file_named_for_other_ports_is_refused(splitter, tmp_path):
    with pytest.raises(InputError, match=r"has 3 ports; name the file \.s3p"):
        write_touchstone(splitter, tmp_path / "mmi.s2p")
    with pytest.raises(InputError, match="give 3 names"):
        read_sparameters(write_touchstone(splitter, tmp_path / "mmi.s3p"), ports=("o1", "o2"))


def table(tmp_path, text):
    path = tmp_path / "part.csv"
    path.write_text(text)
    return path


def test_a_table_of_one_way_is_a_reciprocal_part(tmp_path):
    ways = [f"{way}_{of}" for way in ("o1_from_o1", "o2_from_o1", "o2_from_o2") for of in ("re", "im")]
    text = ",".join(["wl_um", *ways]) + "\n1.56,0.1,0,0.3,0.4,0,0.1\n1.54,0.2,0,0.4,0.3,0,0.2\n"
    part = read_sparameters(table(tmp_path, text))
    np.testing.assert_array_equal(part.wl_um, [1.54, 1.56])
    np.testing.assert_array_equal(part.s[0], [[0.2, 0.4 + 0.3j], [0.4 + 0.3j, 0.2j]])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("wl,o1_from_o1_re\n1.5,0\n", "no column 'wl_um'"),
        ("wl_um,s11\n1.5,0\n", "column 's11' is no parameter"),
        ("wl_um,o1_from_o1_re\n1.5,0\n", "no column 'o1_from_o1_im'"),
        ("wl_um,o1_from_o1_re,o1_from_o1_im\n1.5,zero,0\n", "want numbers alone"),
        ("wl_um,o1_from_o1_re,o1_from_o1_im\n", "rows and header differ"),
        (f"wl_um,o1_from_o1_re,o1_from_o1_im\n1.5,{'1' * 140_000},0\n", "got no table"),
    ],
)
def test_a_table_that_is_none_is_refused_in_one_line(tmp_path, text, complaint):
    with pytest.raises(InputError, match=complaint):
        read_sparameters(table(tmp_path, text))


def test_numbers_that_are_none_and_wavelengths_that_do_not_ascend_are_refused(splitter):
    holed = splitter.s.copy()
    holed[3, 1, 0] = np.nan
    with pytest.raises(InputError, match=r"o2 from o1 is no number at 1540\.75 nm"):
        require_physical(changed(splitter, s=holed))
    with pytest.raises(InputError, match="two or more, ascending"):
        require_physical(changed(splitter, wl_um=WL[::-1]))


def test_a_model_without_its_data_is_refused_and_its_file_named():
    def mmi(*, wl=1.55):
        raise FileNotFoundError(2, "No such file", "data/mmi_1x2.json")

    with pytest.raises(
        InputError, match=r"mmi: its data file data/mmi_1x2.json is missing; give its parameters by file"
    ):
        sampled(mmi, WL)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="want Touchstone"):
        read_sparameters(tmp_path / "part.mat")
    broken = tmp_path / "part.s2p"
    broken.write_text("# GHz S RI R 50\n1 2 3\n")
    with pytest.raises(InputError, match="no readable Touchstone of 2 ports"):
        read_sparameters(broken)
