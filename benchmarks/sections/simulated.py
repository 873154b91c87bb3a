"""Simulated parts against wavelength and errors of the making."""

import json
from pathlib import Path
from typing import Any

from sections.tables import RESULTS, grid, load, section, table

SPLITTERS = Path(__file__).parents[2] / "prism_photonics" / "process" / "part_tables"
BY_MEOW = RESULTS / "splitter_by_meow.json"
SPLITTER_CASES = {
    "ribs -20 nm": ("width_nm", "-20"),
    "ribs +20 nm": ("width_nm", "+20"),
    "etch -10 nm": ("etch_nm", "-10"),
    "etch +10 nm": ("etch_nm", "+10"),
    "film -10 nm": ("thickness_nm", "-10"),
    "film +10 nm": ("thickness_nm", "+10"),
}


FILMS = {"circles_8x8": "tfln600", "film400_8x8": "tfln400"}


def parts() -> str:
    """Parts of chips of two films, case by case, and what a second solver says."""
    found, second = load("parts"), load("parts_by_meow")["chips"]
    note = (
        "Light along layout x, under the metal along layout y. The splitter is its section alone, without tapers, at "
        "other wavelengths with them (`process/part_tables`); the U-turn two quarter turns with clothoids, of which TE "
        "and TM mixing has a table of its own; wider ribs leave a coupler less gap and a tip more width. The ring of "
        "`circles_8x8` is a circle with a straight, that of `film400_8x8` has turns whose curvature grows. Complex "
        "amplitudes are in the result. Another solver: `meow-sim` 0.15.0 (`benchmarks/parts_by_meow.py`, "
        "`benchmarks/splitter_by_meow.py`), for the metal the exact layers of a slab."
    )
    tables = [_of_chip(chip, film, found["chips"][chip], second[chip]) for chip, film in FILMS.items()]
    return section("Parts against wavelength and errors of the making", "parts", found, "\n\n".join([note, *tables]))


def _of_chip(chip: str, film: str, kept: dict[str, Any], second: dict[str, Any]) -> str:
    uturn, coupler, edge, metal = (
        {row["case"]: row for row in kept[name]} for name in ("uturn", "coupler", "edge", "metal")
    )
    splitter = _splitter(film)
    spots = list(edge["as drawn"]["loss_dB"])
    rows: list[list[Any]] = []
    for name in [*edge, *(case for case in coupler if case.startswith("gap"))]:
        rows.append(
            [
                name.replace("-", "− ").replace("+", "+ "),
                splitter.get(name, ""),
                *((f"{uturn[name]['loss_dB']:.4f}", _share(uturn[name])) if name in uturn else ("", "")),
                f"{coupler[name]['kappa2']:.5f}",
                *(f"{edge[name]['loss_dB'][spot]:.2f}" if name in edge else "" for spot in spots),
                f"{metal[name]['loss_dB_cm']:.2e}" if name in metal else "",
            ]
        )
    slab = next(one for one in load("metal_over_rib")["films"] if one["film"] == film)
    by_meow = json.loads(BY_MEOW.read_text(encoding="utf-8"))
    mmi = next(one for one in by_meow if one["splitter"] == f"drawn on {film}")
    rows.append(
        [
            "**another solver**, as drawn",
            f"{mmi['loss_as_drawn_dB']['meow']:.4f}",
            f"{second['uturn']['loss_dB']:.4f}",
            _share(second["uturn"]),
            f"{second['coupler']['kappa2']:.5f}",
            *(f"{second['edge']['loss_dB'][spot]:.2f}" for spot in spots),
            f"{slab['slab_loss_dB_cm']:.2e}",
        ]
    )
    head = (
        f"`{chip}`, `{film}`",
        "splitter / dB",
        "U-turn / dB",
        "of it to second modes",
        "ring's coupler, κ²",
        *(f"tip to a {spot} µm spot / dB" for spot in spots),
        "rib under metal 2 / dB/cm",
    )
    finer = (
        f"Numerics, the first case of `{chip}`: the U-turn with "
        + ", ".join(f"{name} {uturn[name]['loss_dB']:.4f} dB" for name in uturn if name not in edge)
        + f"; the coupler with more slices {coupler['more slices']['kappa2']:.5f}, finer elements "
        f"{coupler['finer elements']['kappa2']:.5f}; tip, metal and splitter in `edge_coupler.json`, "
        "`metal_over_rib.json` and the parts' table."
    )
    return "\n\n".join([grid(head, rows), finer])


def _share(uturn: dict[str, Any]) -> str:
    percent = 100.0 * uturn["to_second_modes"]
    return f"{percent:.2f} %" if percent >= 0.005 else "under 0.005 %"


def _splitter(film: str) -> dict[str, str]:
    found = json.loads((SPLITTERS / f"{film}.json").read_text(encoding="utf-8"))["splitter"]
    told = {name: f"{found['errors_dB'][kind][step]:.4f}" for name, (kind, step) in SPLITTER_CASES.items()}
    told["as drawn"] = f"{found['length_dB']['+0']:.4f}"
    for wl, loss_dB in zip(found["wl_um"], found["loss_dB"], strict=True):
        if wl != 1.55:
            told[f"at {wl:.2f} µm"] = f"{loss_dB:.4f}"
    return told


def single_mode() -> str:
    """The chip whose rings hold one mode, beside the one of circles."""
    found = load("single_mode_chip")

    columns: dict[str, Any] = {
        "chip": lambda chip: f"`{chip['chip']}`",
        "film": lambda chip: f"`{chip['film']}`",
        "R / µm": lambda chip: f"{chip['radius_um']:.1f}",
        "straights / µm": lambda chip: f"{chip['straights_um'][0]:.2f} to {chip['straights_um'][1]:.2f}",
        "of its light a straight turns": lambda chip: f"{100.0 * chip['turned_at_a_straight'][1]:.2f} %",
        "couplers take": lambda chip: f"{100.0 * chip['couplers_take']:.1f} %",
        "linewidth / pm": lambda chip: f"{chip['fwhm_pm']:.0f}",
        "gap at its foot / nm": lambda chip: chip["foot_nm"],
        "loss / dB/cm": lambda chip: f"{chip['loss_dB_cm']:.2f}",
        "least headroom": lambda chip: f"{chip['least_headroom']:.2f} (`{chip['binding_rule']}`)",
        "accuracy of dies / bits": lambda chip: ", ".join(f"{die['accuracy_bits']:.1f}" for die in chip["dies"]),
        "needles found": lambda chip: ", ".join(f"{die['needle_hit']['chip']:.3f}" for die in chip["dies"]),
    }
    note = (
        "Dies of the main job, calibrated, programmed, drawn, compared as drawn, and ranked. **No die has a second "
        "mode in its rings** (`second_mode` is off): the figures of `circles_8x8` are of rings that it would not have."
    )
    return section(
        "A chip whose rings hold one mode",
        "single_mode_chip",
        found,
        note + "\n\n" + table(columns, zip(found["chips"])),
    )


def tm_films() -> str:
    """On which film bends leave TE alone."""
    found = load("tm_films")
    rows = []
    for film in found["films"]:
        te, tm = film["n_eff"]["TE"], film["n_eff"]["TM"]
        near, ring = film["second_TE"], film["rings"][-1]
        off = ring["film_off_mrad"]
        rows.append(
            [
                f"{1e3 * film['thickness_um']:.0f}, {1e3 * film['etch_um']:.0f} nm, {film['width_um']:g} µm",
                f"{te[0] - tm[0]:.4f}, {te[-1] - tm[-1]:.3f}",
                f"{1e4 * film['apart_per_nm'][0]:.1f}",
                f"{film['bend']['0']['20']['loss_dB_cm']:.0e}",
                f"{tm[0] - near[0]:.3f}, {tm[-1] - near[-1]:.3f}",
                f"{film['coupling_1_um']:.4f}",
                f"{film['eo_overlap'][0]:.3f}",
                f"{film['by_width_1_um']:.3f}",
                f"{film['thickness_pm_nm']:.0f}",
                f"{ring['most_mrad']:.0f}",
                f"{max(abs(off['-2']), abs(off['2'])):.1f}, {max(abs(off['-5']), abs(off['5'])):.1f}",
                f"{abs(ring['line_off_mrad']):.1f}",
            ]
        )
    head = (
        "film, etch, rib",
        "TE over TM along y, x",
        "its slope, 10⁻⁴ per nm of film",
        "bend of 20 µm / dB/cm",
        "TM over TE1 along y, x",
        "C at 0.5 µm / rad/µm",
        "electro-optic overlap",
        "dn/dwidth / 1/µm",
        "pm per nm of film",
        "χ at any arm / mrad",
        "its arm's, film 2 and 5 nm off",
        "1.5 nm beside the line",
    )
    couplings = ", ".join(
        f"{film['first_order_g_R'][0]:.2f} and {film['first_order_g_R'][1]:.2f} of {film['thickness_um']:g} µm, "
        f"{film['width_um']:g} µm (here {film['bend']['0']['40']['g_R']:.2f} and {film['bend']['90']['40']['g_R']:.2f})"
        for film in (found["films"][0], found["films"][-1])
    )
    note = (
        "Walls of 70°, SiO2, 1.55 µm, coarse elements. A ring's turns have curvatures that grow as raised cosines, as "
        f"high as arcs of {found['films'][0]['rings'][-1]['radius_um']:g} µm; χ is what half a turn converts, at the "
        "worst arm, and what the arm that undoes it leaves on another film and beside the line. Bends' couplings g·R "
        "are from the field's share in the plane; in first order of the curvature they are along y and x "
        f"{couplings}. Where TM and TE1 meet along x both are hybrids."
    )
    return section("Films on which TE and TM lie apart", "tm_films", found, f"{note}\n\n{grid(head, rows)}")


def tm_walls() -> str:
    """What the walls' angle makes of the light that bends turn to TM."""
    found = load("tm_walls")

    def cells(film: str, one: dict[str, Any], what: str) -> list[str]:
        ring, bend = one["rings"][-1], one["bend"]
        te, tm = one["n_eff"]["TE"], one["n_eff"]["TM"]
        first = one.get("first_order_g_R")
        return [
            f"`{film}`, {one['wall_deg']:g}°{what}",
            f"{te[0] - tm[0]:.4f}, {te[-1] - tm[-1]:.3f}",
            f"{bend['0']['20']['g_R']:.3f}, {bend['90']['20']['g_R']:.3f}",
            f"{bend['0']['40']['g_R']:.3f}, {bend['90']['40']['g_R']:.3f}",
            f"{first[0]:.3f}, {first[1]:.3f}" if first else "–",
            f"{ring['most_mrad']:.1f}",
            f"{abs(ring['no_arm_mrad']):.1f}",
            f"{abs(ring['drawn_arm_mrad']):.1f}",
        ]

    rows = [
        row
        for film, kept in found["films"].items()
        for row in [cells(film, one, "") for one in kept["walls"]]
        + ([cells(film, kept["finer"], ", finer elements")] if "finer" in kept else [])
    ]
    head = (
        "film, walls",
        "TE over TM along y, x",
        "g·R of a bend of 20 µm along y, x",
        "of 40 µm",
        "by first order",
        "χ at the worst arm / mrad",
        "without an arm",
        "on the arm drawn for the profile's walls",
    )
    radius_um = found["films"]["tfln600"]["walls"][0]["rings"][-1]["radius_um"]
    note = (
        "The rib's top keeps its width and the etch its depth; turns that grow as raised cosines, as high as arcs of "
        f"{radius_um:g} µm; χ is what half a turn converts. A rib etched through, its walls upright, is alike above "
        "and below, and turns nothing: what slanted walls, and a slab, break is that."
    )
    return section("Walls, and what bends turn to TM", "tm_walls", found, f"{note}\n\n{grid(head, rows)}")
