"""Small chips for the loop from drawing to measured profile."""

import re
from pathlib import Path

DEMO = Path(__file__).parents[2] / "layouts" / "demo_8x8" / "spec.toml"
FILM = {
    "n_eff_along_x": 1.9953,
    "n_eff_along_y": 1.9223,
    "n_g_along_x": 2.372,
    "n_g_along_y": 2.282,
    "loss_dB_cm": 0.8,
    "coupling_per_um": 0.0042,
}
"""A film that came out otherwise than `tfln600` promises: thicker, rougher, its gaps wider."""


def small_text(process: str = "tfln600", *, measured_loss: bool = False) -> str:
    """Spec of a chip of two rows of two rings; with ``measured_loss`` it leaves the loss to its film."""
    text = DEMO.read_text(encoding="utf-8").replace('process = "tfln600"', f'process = "{process}"')
    text = re.sub(r"^(rows|channels) = \d+", r"\1 = 2", text, flags=re.M).replace("demo_8x8", "small_2x2")
    return re.sub(r"^loss_dB_cm = .*\n", "", text, flags=re.M) if measured_loss else text


def film_text() -> str:
    """The profile of `FILM`."""
    lines = [f'{key} = {{ value = {value}, source = "the foundry\'s secret" }}' for key, value in FILM.items()]
    return "\n".join(['base = "tfln600"', "[optics]", *lines]) + "\n"
