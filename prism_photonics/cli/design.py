"""``prism check``, ``budget``, ``simulate`` and ``layout``: from a spec to its feasibility, ledger and drawing."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from prism_photonics.budget.workload import PAPERS
from prism_photonics.cli.arguments import Block, Dims, Fetched, Json, Seed, Spec
from prism_photonics.cli.output import print_json, print_result, progress, tell
from prism_photonics.files import make_folder
from prism_photonics.units import InputError


def check(
    spec: Spec,
    explain: Annotated[bool, typer.Option("--explain", help="Also print how each number is derived.")] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Look on (seconds) where three edits make no feasible chip of it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Is the chip feasible, and if not, after which edits is it?

    Reads SPEC; writes nothing. Exit code 0 when every rule is kept, 1 when one is broken, 2 when the spec is not valid.
    """
    from prism_photonics.budget.feasibility import check as check_spec
    from prism_photonics.spec import load_spec

    result = check_spec(load_spec(spec))
    if as_json:
        print_json(result.to_json(explain=explain, plan=plan))
    else:
        print(result.text(explain=explain, plan=plan))
    raise typer.Exit(0 if result.feasible else 1)


def budget(
    spec: Spec,
    plot: Annotated[
        Path | None,
        typer.Option("-o", "--plot", metavar="FILE.png", help="Also plot energy and latency against context here."),
    ] = None,
    block: Block = PAPERS.block_tokens,
    dims: Dims = PAPERS.dims,
    k: Fetched = PAPERS.chosen,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", metavar="smollm2|CONFIG.json", help="KV heads and key size from a Hugging Face configuration."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw up the ledger: link, noise, latency, energy, and the context from which each electronic selector is beaten.

    Reads SPEC; prints every entry with its source, the paper's number beside ours; with -o writes a plot. Without
    --model the KV heads are Qwen2.5-7B's, 28 layers × 4.
    """
    from prism_photonics.budget.ledger import ledger
    from prism_photonics.budget.table import text
    from prism_photonics.budget.trimming import heater_power_W
    from prism_photonics.budget.workload import QWEN_7B, Workload
    from prism_photonics.spec import load_spec

    chip = load_spec(spec)
    shape = QWEN_7B
    if model is not None:
        from prism_photonics.workflow.plan import read_model

        shape = read_model(model)
    work = Workload(block, dims, k, shape)
    result = ledger(chip, heater_power_W, work)
    if plot is not None:
        from prism_photonics.report.ledger import write_plot

        write_plot(plot, chip, heater_power_W, work)
    if as_json:
        print_json(result.to_json())
    else:
        print(text(result))


def simulate(
    spec: Spec,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="Also write spectrum.svg here.")
    ] = None,
    drawing: Annotated[
        Path | None,
        typer.Option("--layout", metavar="CHIP.gds", help="Also simulate what this file draws, and compare."),
    ] = None,
    measured: Annotated[
        Path | None,
        typer.Option(
            "--measured", metavar="DIR", help="Also hold the design against a die that 'prism extract' wrote here."
        ),
    ] = None,
    parts: Annotated[
        list[str] | None,
        typer.Option(
            "--part",
            metavar="splitter=FILE.s3p",
            help="Also solve the feed with others' scattering parameters (splitter, edge_coupler; Touchstone or csv).",
        ),
    ] = None,
    project: Annotated[
        bool, typer.Option("--project", help="Project parts that are not passive or reciprocal onto such that are.")
    ] = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Simulate the designed chip with the exact row solver, and SAX beside it.

    Reads SPEC; prints the rings' figures of merit, the weights at rest and the largest difference of the two solvers;
    with -o writes the row's spectrum. With --layout the drawn chip, also one edited by hand, is measured, simulated and
    held against the design, row by row, in resonance (pm) and in weight. With --measured a measured die is held against
    the design, ring by ring, in resonance, Q, depth and in what the difference costs in bits; with -o measured.svg is
    written too. With --part, or where the spec gives sparameters, what reaches the rows is printed for a splitter or
    coupler that others have simulated.
    """
    from prism_photonics.budget.ring import ring_figures
    from prism_photonics.spec import load_spec

    chip = load_spec(spec)
    from prism_photonics.workflow.design import row_solver_vs_sax, simulate_weights

    result = {
        "name": chip.name,
        "ring": asdict(ring_figures(chip)),
        "weights_at_rest": simulate_weights(chip)[0].round(6).tolist(),
        "row_solver_vs_sax_max_error": row_solver_vs_sax(chip, seed=seed),
        "spec_hash": chip.hash,
    }
    if out is not None:
        from prism_photonics.report.page import write_spectrum

        result["spectrum"] = str(write_spectrum(out / "spectrum.svg", chip))
    if drawing is not None:
        from prism_photonics.layout.annotate import back_annotate

        annotation = back_annotate(drawing, chip)
        result["layout"] = annotation.to_json() if as_json else "".join(f"\n  {line}" for line in annotation.lines())
    if measured is not None:
        from prism_photonics.workflow.compare import compare_measured

        comparison = compare_measured(chip, measured)
        result["measured"] = comparison.to_json() if as_json else "".join(f"\n  {one}" for one in comparison.lines())
        if out is not None:
            from prism_photonics.report.compare import write_comparison

            result["measured_plot"] = str(write_comparison(out / "measured.svg", comparison.rings))
    if parts or chip.given_parts:
        from prism_photonics.workflow.parts import feed_with_parts

        found = feed_with_parts(chip, dict(_named_file(part) for part in parts or ()), project=project)
        told = [f"\n  {line}" for change in found for line in change.lines()]
        result["feed"] = [change.to_json() for change in found] if as_json else "".join(told)
    print_result(result, as_json)


def _named_file(part: str) -> tuple[str, Path]:
    name, equals, path = part.partition("=")
    if not (name and equals and path):
        raise InputError(f"--part {part}: want a component and its file, such as splitter=mmi.s3p")
    return name, Path(path)


def layout(
    spec: Spec,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the drawing.")],
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Draw a chip that 'prism check' refuses, too.", show_default=False)
    ] = False,
    clean: Annotated[
        bool,
        typer.Option(
            "--clean", help="Also write chip.clean.gds for a mask house: no metadata of ours.", show_default=False
        ),
    ] = False,
    klayout: Annotated[
        Path | None,
        typer.Option("--klayout", metavar="DIR", help="Also write a KLayout technology: layers, looks, drawing rules."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw the matching chip and prove the match.

    Reads SPEC; writes DIR/chip.gds, .oas, .lyp, .png and .pic.yml, netlist.yaml, row.pic.yml, ring.glb, row.glb,
    manifest.csv, drc.lyrdb and lvs.json; with --clean also chip.clean.gds, cells and polygons alone; with --klayout a
    technology for KLayout, whose own engine then finds what drc.lyrdb tells. The netlist is extracted from the GDS,
    compared with the design and simulated beside it.
    Exit code 1 when a drawing rule is broken or the drawing is not the design.
    """
    from prism_photonics.workflow.bench import feasible_spec

    chip_spec = feasible_spec(spec, anyway=anyway)
    make_folder(out)
    progress.print(f"drawing {chip_spec.name} …")
    from prism_photonics.layout.write import write

    files = write(chip_spec, out, simulate=True, clean=clean, progress=lambda step: progress.print(f"  {step} …"))
    if klayout is not None:
        from prism_photonics.layout.pdk import write_technology
        from prism_photonics.process.layers import load_deck

        make_folder(klayout)
        progress.print(f"  technology: {write_technology(klayout, deck=load_deck(chip_spec.process))}")
    for fault in files.faults:
        tell(f"fault: {fault}")
    error = files.lvs.simulation_max_error
    print_result({**files.to_json(), "layout_vs_design_max_error": error, "spec_hash": chip_spec.hash}, as_json)
    if files.faults:
        raise typer.Exit(1)
