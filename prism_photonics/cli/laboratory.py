"""``prism extract``: measured spectra to rings with error bars, and to a profile that the next chip is designed on."""

import math
from pathlib import Path
from typing import Annotated

import typer

from prism_photonics.cli.arguments import Json, finite
from prism_photonics.cli.output import print_json, tell
from prism_photonics.units import InputError

Files = Annotated[
    list[Path], typer.Argument(metavar="FILES…", help="measured spectra, or folders of them", show_default=False)
]


def extract(
    files: Files,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for what is found.")],
    ports: Annotated[
        str | None,
        typer.Option(
            "--ports",
            metavar="through=2,drop=1",
            help="Channel of each port; by default as the spectra show.",
            show_default=False,
        ),
    ] = None,
    radius_um: Annotated[
        float | None,
        typer.Option(
            "--radius-um", min=1e-3, callback=finite, help="Radius of the circular rings.", show_default=False
        ),
    ] = None,
    length_um: Annotated[
        float | None,
        typer.Option("--length-um", min=1e-3, callback=finite, help="Circumference of the rings.", show_default=False),
    ] = None,
    gap_nm: Annotated[
        float | None,
        typer.Option(
            "--gap-nm",
            min=0.0,
            callback=finite,
            help="Gap of their couplers; by default from names as _g250.",
            show_default=False,
        ),
    ] = None,
    fsr_nm: Annotated[
        float | None,
        typer.Option(
            "--fsr-nm",
            min=1e-6,
            callback=finite,
            help="Free spectral range, for sweeps of fewer than three resonances.",
            show_default=False,
        ),
    ] = None,
    add_drop: Annotated[
        bool | None,
        typer.Option(
            "--add-drop/--all-pass", help="A second bus of the same gap, measured or not; by default if a drop port is."
        ),
    ] = None,
    spec: Annotated[
        Path | None,
        typer.Option(
            "--spec", metavar="SPEC", help="spec.toml of the chip: its rings' size, its film.", show_default=False
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", metavar="NAME", help="Structure of that chip, as channel_3.", show_default=False),
    ] = None,
    wavelength_unit: Annotated[
        str | None,
        typer.Option("--wavelength-unit", help="Where the files leave it open: nm, um, m, THz.", show_default=False),
    ] = None,
    power_unit: Annotated[
        str | None,
        typer.Option("--power-unit", help="Where the files leave it open: dB, dBm, mW, W.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Characterise rings from measured spectra.

    Reads FILES; writes DIR/rings.csv, extract.nc, plots, report.html and process.toml, a measured profile that a spec
    may name as its process. A file in which no ring is seen is told in one line and left out; the command fails if
    none is left.
    """
    from prism_photonics.files.fields import shown
    from prism_photonics.workflow.extract import Request, run

    if radius_um is not None and length_um is not None:
        raise InputError(
            f"--radius-um {radius_um:g} and --length-um {length_um:g}: got both, want one size; leave one of them out"
        )
    if device is not None and spec is None:
        raise InputError(f"--device {shown(device)}: got no spec, want the chip that has it; give it with --spec")
    request = Request(
        files=tuple(files),
        ports=ports,
        length_um=2.0 * math.pi * radius_um if radius_um is not None else length_um,
        gap_nm=gap_nm,
        fsr_nm=fsr_nm,
        dropped=add_drop,
        spec=spec,
        device=device,
        wavelength_unit=wavelength_unit,
        power_unit=power_unit,
    )
    result = run(request, out, say=tell)
    if as_json:
        print_json(result.numbers)
    else:
        for line in result.lines():
            print(line)
