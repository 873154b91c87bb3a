"""What comes back where a bus meets its fibre: from the drawn facet, and from the fibre's end where it is dry."""

import numpy as np
import pytest

from prism_photonics.circuit.ends import facet_fields
from prism_photonics.spec import ChipSpec, load_spec


def dB(field: float) -> float:
    return 20.0 * float(np.log10(abs(field)))


def test_a_facet_under_liquid_sends_back_what_the_tips_index_says_and_the_fibre_nothing():
    wet, dry = (facet_fields(load_spec("circles_8x8"), dry=dry) for dry in (False, True))
    assert dB(wet.facet) == pytest.approx(-20.5, abs=0.05)  # docs/layout.md
    assert wet.fibre == 0.0
    assert dB(dry.facet) == pytest.approx(-11.3, abs=0.05)
    # Glass to air, there and back through a coupler of 2 dB.
    assert dB(dry.fibre) == pytest.approx(-14.8 - 4.0, abs=0.05)


def test_films_differ_and_a_kits_strip_of_slab_sends_back_next_to_nothing():
    bench, kit = (dB(facet_fields(load_spec(name)).facet) for name in ("film400_8x8", "lnoi400_8x8"))
    assert bench == pytest.approx(-23.9, abs=0.1)
    assert kit < -50.0


def test_a_coupler_of_known_scattering_sends_back_what_that_says(tmp_path):
    loss, back = 10.0 ** (-1.5 / 20.0), 0.05
    text = "# GHz S RI R 50\n" + "".join(
        f"{ghz} {0.02} 0 {loss} 0 {loss} 0 0 {back}\n" for ghz in range(180000, 205001, 500)
    )
    (tmp_path / "coupler.s2p").write_text(text, encoding="utf-8")
    data = load_spec("circles_8x8").model_dump()
    data["coupler"].pop("loss_dB")
    data["coupler"]["sparameters"] = str(tmp_path / "coupler.s2p")
    spec = ChipSpec.model_validate(data)
    assert facet_fields(spec).facet == pytest.approx(back, rel=1e-6)
