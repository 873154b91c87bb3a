"""A spec file either names a chip exactly or is refused in one line that says where."""

import math

import pytest

from prism_photonics.process.profile import profile_names
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError


@pytest.fixture(scope="module")
def text(layouts):
    return (layouts / "demo_8x8" / "spec.toml").read_text(encoding="utf-8")


def refused(text, where="chip.toml"):
    with pytest.raises(InputError) as caught:
        ChipSpec.from_text(text, where=where)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{where}: ")
    return message


def changed(text, key, value):
    """The demo with one line's value replaced."""
    lines = text.splitlines()
    found = [n for n, line in enumerate(lines) if line.partition("=")[0].strip() == key]
    assert found, key
    lines[found[0]] = f"{key} = {value}"
    return "\n".join(lines)


def test_the_demo_is_8_rows_of_8_channels_on_one_bus(demo):
    assert (demo.name, demo.chip.rows, demo.chip.channels, demo.chip.buses) == ("demo_8x8", 8, 8, 1)
    assert len(demo.ring_designs) == 8
    assert demo.comb_design.wl_um[-1] - demo.comb_design.wl_um[0] == pytest.approx(7 * demo.comb.spacing_nm * 1e-3)


def test_the_papers_point_loads_too(paper):
    assert (paper.chip.rows, paper.chip.channels) == (256, 32)


@pytest.mark.parametrize(
    ("key", "misspelled", "place"),
    [
        ("radius_um", "radius_nm", "ring.radius_nm"),
        ("spacing_nm", "spacin_nm", "comb.spacin_nm"),
        ("required_snr_dB", "required_snr_db", "ranking.required_snr_db"),
        ("process", "proces", "proces"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(text, key, misspelled, place):
    message = refused(text.replace(f"\n{key} ", f"\n{misspelled} "))
    assert f"unknown key '{place}'; did you mean '{key}'?" in message


def test_an_unknown_table_is_refused(text):
    assert "unknown key 'rings'; did you mean 'ring'?" in refused(text + "\n[rings]\nradius_um = 20.0\n")


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("gap_through_um", "-0.1", "ring.gap_through_um"),
        ("gap_drop_um", "0", "ring.gap_drop_um"),
        ("max_voltage_V", "1e6", "drive.max_voltage_V"),
        ("max_voltage_V", "-10.0", "drive.max_voltage_V"),
        ("radius_um", "0.0", "ring.radius_um"),
        ("radius_um", "nan", "ring.radius_um"),
        ("loss_dB_cm", "inf", "waveguide.loss_dB_cm"),
        ("bias_pm", "-inf", "ring.bias_pm"),
        ("line_power_dBm", "1000", "comb.line_power_dBm"),
        ("first_wl_nm", "1.5465", "comb.first_wl_nm"),
        ("adc_bits", "0", "detector.adc_bits"),
        ("temperature_K", "0.0", "detector.temperature_K"),
        ("rows", "0", "chip.rows"),
        ("slope_relative", "-0.1", "variation.slope_relative"),
        ("residual_pm", "-1.0", "trim.residual_pm"),
        ("extinction_dB", "1.0", "modulator.extinction_dB"),
        ("thermal_time_s", "0.0", "drift.thermal_time_s"),
        ("saturation_mA", "0.0", "detector.saturation_mA"),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_place(text, key, value, place):
    message = refused(changed(text, key, value))
    assert message.startswith(f"chip.toml: {place} = ")


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("radius_um", '"twenty"', "ring.radius_um"),
        ("rows", "8.5", "chip.rows"),
        ("name", "8", "name"),
        ("name", '"Demo 8"', "name"),
        ("encoding", '"offst"', "modulator.encoding"),
        ("method", '"laser"', "trim.method"),
        ("spacing_nm", "[1.0, 2.0]", "comb.spacing_nm"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_by_its_place(text, key, value, place):
    assert place in refused(changed(text, key, value))


def test_a_number_where_a_table_belongs_is_refused(text):
    head = text.replace("[coupler]", "[removed]", 1).split("[removed]")[0]
    assert "chip.toml: " in refused(head.split("[chip]")[0] + "chip = 3\n")


def test_a_missing_key_and_a_missing_table_are_named(text):
    assert "missing key 'comb.spacing_nm'" in refused(
        "\n".join(line for line in text.splitlines() if not line.startswith("spacing_nm"))
    )
    assert "missing table [ranking]" in refused(text.partition("[ranking]")[0])
    assert "missing key 'process'" in refused(text.replace("\nprocess ", "\n# process "))


def test_a_default_may_be_left_out(text):
    assert "\nbuses =" not in text
    assert ChipSpec.from_text(text).chip.buses == 1


@pytest.mark.parametrize("rows", [0, -1, 4097, 10**6])
def test_rows_beyond_their_range_are_told_which_counts_there_are(text, rows):
    complaint = refused(changed(text, "rows", rows))
    assert f"chip.rows = {rows}: " in complaint
    assert "1 to 4096; the splitter tree has the next power of two of outputs" in complaint


def test_several_buses_multiply_the_rings_of_a_row(text, demo):
    several = ChipSpec.from_text(text.replace("\nrows = 8", "\nrows = 8\nbuses = 4"))
    assert (several.chip.buses, several.chip.channels, several.chip.rings) == (4, 8, 32)
    assert demo.chip.rings == 8
    # Every bus has the same wavelengths.
    assert several.ring_designs == demo.ring_designs


@pytest.mark.parametrize("buses", [0, -1, 65])
def test_a_number_of_buses_that_cannot_be_is_refused(text, buses):
    assert "chip.buses" in refused(text.replace("\nrows = 8", f"\nrows = 8\nbuses = {buses}"))


def test_two_rails_need_an_even_number_of_channels(text):
    odd = changed(changed(text, "encoding", '"dual_rail"'), "channels", "7")
    assert "channels = 7: 'dual_rail' needs two wavelengths per value" in refused(odd)
    assert ChipSpec.from_text(changed(text, "encoding", '"dual_rail"')).modulator.encoding == "dual_rail"


def test_untrimmed_rings_rest_where_fabrication_leaves_them(demo, altered):
    assert demo.resonance_pm == demo.trim.residual_pm
    raw = altered(demo, trim={"method": "none"})
    assert raw.resonance_pm == raw.fabricated_pm == demo.fabricated_pm > 10 * demo.trim.residual_pm


def test_rings_that_do_not_fit_their_pitch_are_refused(text):
    assert "ring.pitch_um = 50" in refused(changed(text, "pitch_um", "50.0"))


def test_a_comb_that_leaves_the_band_is_refused(text):
    assert "above the 1700 nm limit; lower first_wl_nm, spacing_nm or channels" in refused(
        changed(changed(text, "first_wl_nm", "1699.0"), "spacing_nm", "1.0")
    )


def test_an_unknown_process_names_the_nearest_and_lists_all(text):
    message = refused(changed(text, "process", '"tfln6000"'))
    assert "did you mean 'tfln600'?" in message
    assert all(name in message for name in profile_names())
    assert all(name in refused(changed(text, "process", '"silicon"')) for name in profile_names())


def test_keys_in_the_wrong_table_are_told_where_they_belong(text):
    swapped = text.replace("[coupler]", "[x]").replace("[splitter]", "[coupler]").replace("[x]", "[splitter]")
    assert "'excess_loss_dB' belongs to [splitter]" in refused(swapped)


def test_numbers_and_tables_that_no_one_writes_are_refused_in_one_short_line(text):
    digits, deep = "1" + "0" * 5000, "[" * 3000 + "]" * 3000
    for value in (digits, digits[:4000], "-" + digits[:400], deep, deep[:40] + deep[-40:]):
        for key in ("rows", "radius_um", "name"):
            assert len(refused(changed(text, key, value))) < 300
    assert len(refused(text + "\n[" + ".".join(["a"] * 2000) + "]\n")) < 300
    assert len(refused(text + "\n" + "k" * 5000 + " = 1\n")) < 400


@pytest.mark.parametrize("share", [0.1, 0.35, 0.6, 0.95])
def test_a_truncated_file_is_refused(text, share):
    refused(text[: int(len(text) * share)])


def test_an_empty_file_is_refused():
    refused("")


def test_a_file_that_is_not_toml_names_the_line(text):
    assert "not valid TOML" in refused(text.replace("[ring]", "[ring", 1))
    assert "line" in refused(text.replace("[ring]", "[ring", 1))


def test_a_missing_file_a_folder_and_a_picture_are_refused_by_name(tmp_path):
    picture = tmp_path / "chip.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    for path in (tmp_path / "none.toml", tmp_path, picture):
        with pytest.raises(InputError) as caught:
            ChipSpec.from_toml(path)
        assert str(caught.value).startswith(f"{path}: cannot read the spec")
        assert "\n" not in str(caught.value)


def test_the_hash_does_not_depend_on_comments_order_or_spelling_of_numbers(demo, text):
    bare = "\n".join(line.partition("#")[0].rstrip() for line in text.splitlines())
    assert ChipSpec.from_text(bare).hash == demo.hash
    assert ChipSpec.from_text(changed(text, "radius_um", "4.04e1")).hash == demo.hash
    assert ChipSpec.model_validate_json(demo.model_dump_json()).hash == demo.hash
    assert len(demo.hash) == 64


def test_the_hash_changes_with_every_single_number(demo, altered):
    seen = {demo.hash}
    for table, content in demo.model_dump().items():
        for key, value in content.items() if isinstance(content, dict) else ():
            if isinstance(value, float):
                assert math.isfinite(value)
                nudged = 1.0 - 1e-12 if key == "euler_p" else 1.0 + 1e-12  # which is 1 at most
                seen.add(altered(demo, **{table: {key: value * nudged if value else 1e-9}}).hash)
    assert len(seen) > 35
    assert altered(demo, name="demo_8x9").hash not in seen


def test_a_spec_cannot_be_changed_after_it_was_checked(demo):
    with pytest.raises(ValueError, match="frozen"):
        demo.ring.radius_um = 10.0


def test_units_are_converted_once_at_the_door(demo):
    detector, comb = demo.detector_design, demo.comb_design
    assert detector.tia_noise_A_rtHz == pytest.approx(demo.detector.tia_noise_pA_rtHz * 1e-12)
    assert detector.dark_current_A == pytest.approx(demo.detector.dark_current_nA * 1e-9)
    assert detector.bandwidth_Hz == pytest.approx(demo.detector.bandwidth_GHz * 1e9)
    assert detector.adc_full_scale_A == pytest.approx(demo.detector.adc_full_scale_uA * 1e-6)
    assert comb.line_power_W == pytest.approx(1e-3 * 10 ** (demo.comb.line_power_dBm / 10))
    assert comb.wl_um[0] == pytest.approx(demo.comb.first_wl_nm * 1e-3)


def test_the_dac_grid_has_all_its_codes_between_plus_and_minus_the_limit(demo):
    assert demo.voltage_step_V * (2**demo.drive.dac_bits - 1) == pytest.approx(2 * demo.drive.max_voltage_V)


@pytest.mark.parametrize("key", ["gap_through_um", "gap_drop_um"])
def test_a_gap_whose_trench_may_not_open_down_to_its_foot_is_refused(text, demo, key):
    assert demo.profile.least_gap_um == pytest.approx(0.364, abs=1e-3)
    said = refused(changed(text, key, "0.36"))
    assert f"ring.{key} = 0.36: " in said
    assert "foot is 0 nm wide and may not open; widen the gap to 0.39 µm" in said
    assert "foot is 25 nm wide" in refused(changed(text, key, "0.389"))
    assert ChipSpec.from_text(changed(text, key, "0.39")).ring_designs


def test_a_copy_with_other_tables_is_worked_out_anew(demo):
    assert demo.row_pitch_um > 0.0
    assert len(demo.comb_design.wl_um) == demo.chip.channels
    fewer = demo.model_copy(update={"chip": demo.chip.model_copy(update={"channels": 4, "buses": 3})})
    fresh = type(demo).model_validate(demo.model_dump() | {"chip": fewer.chip.model_dump()})
    assert len(fewer.comb_design.wl_um) == 4
    assert fewer.ring_designs == fresh.ring_designs
    assert fewer.row_pitch_um == fresh.row_pitch_um != demo.row_pitch_um
    assert fewer == fresh


def test_specs_of_one_content_are_one_key_and_any_number_makes_another(demo):
    demo.ring_designs  # noqa: B018  what is worked out is no part of it
    again = ChipSpec.model_validate(demo.model_dump())
    assert (hash(again), again) == (hash(demo), demo)
    wider = demo.model_copy(update={"ring": demo.ring.model_copy(update={"radius_um": 30.0})})
    assert hash(wider) != hash(demo)
    assert len({demo: 0, again: 1, wider: 2}) == 2
    # Another process hashes text in its own way.
    assert demo.__getstate__()["__dict__"].keys() == ChipSpec.model_fields.keys()
    assert again.__getstate__()["__dict__"] == demo.__getstate__()["__dict__"]
