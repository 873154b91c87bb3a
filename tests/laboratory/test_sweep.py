"""A sweep knows its units, its ports, and which way its axis must run."""

from pathlib import Path

import numpy as np
import pytest

from prism_photonics.laboratory import Sweep, Trace, assign_ports
from prism_photonics.laboratory.sweep import mirrored
from prism_photonics.units import InputError

WL = np.array([1550.0, 1551.0, 1552.0])


def trace(name="channel_1", unit="dBm", values=(-10.0, np.nan, 0.0)):
    return Trace(name, unit, np.array(values), np.array([True, True, False]))


def sweep(*names):
    return Sweep(Path("a.csv"), "plain csv", WL, {name: trace(name) for name in names})


def test_a_level_in_dBm_is_power_in_watt_and_one_in_dB_a_ratio():
    assert trace().linear == pytest.approx([1e-4, np.nan, 1e-3], nan_ok=True)
    assert trace(unit="dB").linear == pytest.approx([0.1, np.nan, 1.0], nan_ok=True)
    assert trace(unit="W").linear == pytest.approx([-10.0, np.nan, 0.0], nan_ok=True)
    assert [trace(unit=unit).is_power for unit in ("dBm", "W", "dB", "ratio")] == [True, True, False, False]


def test_the_share_of_noise_is_that_of_what_was_recorded():
    assert trace().floor_share == 0.5
    assert trace(values=(np.nan, np.nan, np.nan)).floor_share == 1.0


def test_ports_are_numbered_as_the_channels_are_and_else_as_they_stand():
    assert assign_ports(sweep("channel_2", "channel_3"), {"through": 2, "drop": "3"})["drop"].name == "channel_3"
    assert assign_ports(sweep("east", "west"), {"through": 2})["through"].name == "west"
    assert assign_ports(sweep("east", "west"), {"add": "east"})["add"].name == "east"


@pytest.mark.parametrize(
    ("ports", "says"),
    [
        ({"throughh": 1}, "a.csv: got port 'throughh', want one of input, through, drop, add; did you mean 'through'?"),
        ({"through": 7}, "a.csv: through = channel 7, want one of the file's: channel_1, channel_2; mend the ports"),
        ({"through": "chanel_1"}, "a.csv: through = 'chanel_1', want a channel of the file; did you mean 'channel_1'?"),
        ({"through": 1, "drop": 1}, "a.csv: drop = 1 is channel_1, which is through already"),
    ],
)
def test_a_port_that_is_not_there_is_refused_in_one_line(ports, says):
    with pytest.raises(InputError) as caught:
        assign_ports(sweep("channel_1", "channel_2"), ports)
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


def comb(orders, *, n_g=4.2, length_nm=62.8e3 * 10):
    """Resonances of a ring of constant group index: 1/λ runs evenly with the order."""
    return n_g * length_nm / (n_g * length_nm / 1550.0 + np.asarray(orders, float))


def test_the_free_spectral_range_of_a_comb_grows_with_wavelength():
    wl = comb(range(-6, 7))
    assert mirrored(wl) is False
    assert mirrored(3100.0 - wl) is True


def test_a_comb_with_orders_missing_is_judged_too():
    wl = comb([-22, -21, -14, 0, 1, 9, 10, 20])
    assert mirrored(wl) is False
    assert mirrored(3100.0 - wl) is True


def test_too_few_resonances_or_too_much_noise_leave_the_direction_open():
    assert mirrored(comb([0, 1])) is None
    assert mirrored(comb([-1, 0, 1])) is None
    assert mirrored(comb([-1, 0, 1]), 1e-4) is False
    noise = np.random.default_rng(0).normal(0, 0.05, 5)
    assert mirrored(comb(range(5)) + noise, 0.05) is None
