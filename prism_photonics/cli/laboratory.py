"""``prism measure`` and ``prism extract``: spectra of a die, rings with error bars, a profile for the next chip."""

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from prism_photonics.cli.arguments import Json, Spec, finite
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
    balance_dB: Annotated[
        float | None,
        typer.Option(
            "--balance-dB",
            callback=finite,
            help="Gain of the drop port's path over the through port's: then couplers need not be alike.",
            show_default=False,
        ),
    ] = None,
    blur_pm: Annotated[
        float,
        typer.Option(
            "--blur-pm",
            min=0.0,
            callback=finite,
            help="Rms of the laser's wavelength within one reading; a meter that integrates over steps: step/3.5.",
        ),
    ] = 0.0,
    axis_pm: Annotated[
        float | None,
        typer.Option(
            "--axis-pm",
            min=0.0,
            callback=finite,
            help="The laser's absolute accuracy, rms; by default as the files say.",
            show_default=False,
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
        typer.Option("--power-unit", help="Where the files leave it open: dB, dBm, loss_dB, mW.", show_default=False),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            "--manifest",
            metavar="manifest.csv",
            help="Of 'prism layout': FILES is the folder of a die's spectra, found by their names.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Processes; by default one for each core.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Characterise rings from measured spectra.

    Reads FILES; writes DIR/rings.csv, extract.nc, plots, report.html and process.toml, a measured profile that a spec
    may name as its process. A file in which no ring is seen is told in one line and left out; the command fails if
    none is left. With --manifest all structures of a drawn die are found in one folder and put together; what was done
    before is not done again.
    """
    from prism_photonics.cores import cores
    from prism_photonics.files.fields import shown
    from prism_photonics.workflow.extract import Request, run

    workers = workers or cores()
    if manifest is not None:
        told = {
            "--radius-um": radius_um,
            "--length-um": length_um,
            "--gap-nm": gap_nm,
            "--fsr-nm": fsr_nm,
            "--add-drop/--all-pass": add_drop,
            "--balance-dB": balance_dB,
            "--device": device,
        }
        given = [name for name, value in told.items() if value is not None]
        if given:
            raise InputError(f"{given[0]} with --manifest: got both, want what the drawing says; leave it out")
        if len(files) != 1:
            raise InputError(f"--manifest: got {len(files)} FILES, want the one folder of the die's spectra; give it")
        from prism_photonics.workflow.extract_die import DieRequest, run_die

        die = run_die(
            DieRequest(
                manifest,
                files[0],
                spec,
                ports,
                wavelength_unit=wavelength_unit,
                power_unit=power_unit,
                blur_pm=blur_pm,
                axis_pm=axis_pm,
            ),
            out,
            say=tell,
            workers=workers,
        )
        _print(die.numbers, die.lines(), as_json=as_json)
        return

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
        balance_dB=balance_dB,
        blur_pm=blur_pm,
        axis_pm=axis_pm,
        spec=spec,
        device=device,
        wavelength_unit=wavelength_unit,
        power_unit=power_unit,
    )
    result = run(request, out, say=tell, workers=workers)
    _print(result.numbers, result.lines(), as_json=as_json)


def measure(
    spec: Spec,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FOLDER", help="Folder for the spectra.")],
    bench: Annotated[str, typer.Option("--bench", help="virtual:SEED, untrimmed:SEED, or a bench.toml.")] = "virtual:0",
    structures: Annotated[
        str, typer.Option("--structures", metavar="all|gap_sweep,cutback,row_3", help="Kinds or names, or all.")
    ] = "all",
    from_nm: Annotated[
        float | None,
        typer.Option(
            "--from-nm",
            callback=finite,
            help="Where a sweep begins; by default four resonances of each ring are swept.",
            show_default=False,
        ),
    ] = None,
    to_nm: Annotated[
        float | None, typer.Option("--to-nm", callback=finite, help="Where it ends.", show_default=False)
    ] = None,
    step_pm: Annotated[
        float | None,
        typer.Option(
            "--step-pm",
            callback=finite,
            help="Between wavelengths; by default a twelfth of the narrowest line.",
            show_default=False,
        ),
    ] = None,
    jitter_pm: Annotated[
        float, typer.Option("--jitter-pm", min=0.0, callback=finite, help="Rms error of the laser's wavelength.")
    ] = 1.0,
    laser_dBm: Annotated[
        float, typer.Option("--laser-dBm", callback=finite, help="The laser's power in the fibre to the chip.")
    ] = 0.0,
    film: Annotated[
        str | None,
        typer.Option(
            "--film",
            metavar="PROFILE",
            help="Film as it came out of the virtual foundry, a name or a process.toml; by default as designed.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Sweep a laser over a die's test structures and rows.

    Reads SPEC; writes FOLDER/NAME.npz for each structure, named as in FOLDER/manifest.csv, for 'prism extract'. Each
    file is there when its sweep is complete; the same command goes on where it was ended. On a bench.toml with a
    tunable laser the rows are measured, each photodiode apart.
    """
    from prism_photonics.chip.sweptlaser import SweptLaser
    from prism_photonics.workflow.measure import Request, run

    request = Request(
        spec,
        bench,
        structures=structures,
        from_nm=from_nm,
        to_nm=to_nm,
        step_pm=step_pm,
        film=film,
        laser=SweptLaser(power_dBm=laser_dBm, jitter_pm=jitter_pm),
    )
    result = run(request, out, say=tell)
    _print(result.to_json(), result.lines(), as_json=as_json)


def _print(numbers: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json(numbers)
        return
    for line in lines:
        print(line)
