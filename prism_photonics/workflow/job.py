"""The main job: from a spec to ranked blocks of a real KV cache, every step through the same public doors.

check → simulate → calibrate (a virtual chip) → program → draw → export → rank → report. Each step writes what it made
into the output folder as it goes; ``summary.json`` and ``report.html`` come last.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from jaxtyping import Float

from prism_photonics.budget.feasibility import require_feasible
from prism_photonics.calibration.calibration import Calibration, summary
from prism_photonics.calibration.resonance_search import Search
from prism_photonics.characterize.closed_loop import Trimmed
from prism_photonics.characterize.drift_study import DriftStudy
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.heaters import require_heaters
from prism_photonics.chip.truth import FullTruth, full_truth
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.drift.tracker import Tracker
from prism_photonics.files import write_text
from prism_photonics.programming.tiles import WeightRange, program_tiles
from prism_photonics.ranking.compare import BLOCK, K, bundle_scores, load_keys
from prism_photonics.ranking.evaluate import Evaluation, evaluate, ideal_scores
from prism_photonics.ranking.keys import KeyCache
from prism_photonics.ranking.signatures import mean_key, query_sketch
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError
from prism_photonics.workflow.accuracy import Accuracy, bits_of_others
from prism_photonics.workflow.behavior import fit_behavior
from prism_photonics.workflow.design import draw_chip, row_solver_vs_sax
from prism_photonics.workflow.scores import cut_bank, score_bank
from prism_photonics.workflow.search import search_rings
from prism_photonics.workflow.session import CalibrationSession, calibrate_chip

Progress = Callable[[str, str, float], None]
"""Called as (step, "", 0) when a step begins and as (step, outcome, seconds) when it is done."""


def calibrate_and_validate(
    chip: AbstractChip,
    folder: Path,
    *,
    seed: int,
    bench: str,
    wall_times_s: Mapping[str, float] | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> tuple[CalibrationSession, Accuracy]:
    """Calibrate a chip, check it on targets it never saw, and correct some in closed loop.

    Both records and all stages are written into ``folder`` as soon as they are known.

    Args:
        chip: The chip.
        folder: The record's folder.
        seed: Of the survey and of every random choice after it.
        bench: Name of the bench, as in the record.
        wall_times_s: Time in s that it is expected to take on the instruments, by what takes it.
        tell: Told of progress under a laser, which takes minutes.

    Returns:
        The calibrated chip, which is followed on, and its held-out measurements.

    Raises:
        InputError: The chip cannot be calibrated, or the folder cannot be written.
    """
    from prism_photonics.report.stages import write_trim

    tell = tell if chip.laser is not None else lambda line: None
    session = calibrate_chip(chip, seed=seed, tell=tell)
    session.save(folder, bench=bench, wall_times_s=wall_times_s)
    tell("fitted; now targets that it never saw …")
    accuracy = session.validate(seed=seed)
    accuracy.save(folder)
    tell(f"{accuracy.accuracy_bits:.1f} bits; now some targets in closed loop …")
    write_trim(folder / "stages", session.trim(seed=seed))
    return session, accuracy


def recorded_trim(record: Path) -> Trimmed:
    """The closed-loop trim of a record."""
    return Trimmed.read(record / "stages" / "trim.nc")


def search_and_assign(chip: AbstractChip, folder: Path, *, tell: Callable[[str], None] = lambda line: None) -> Search:
    """Bring the rings of an untrimmed chip to their channels (`search_rings`), and write the stage ``search``."""
    from prism_photonics.report.stages import write_search

    found = search_rings(chip, tell=tell)
    write_search(folder / "stages", found)
    return found


def watch_drift(session: CalibrationSession, folder: Path, *, seed: int) -> DriftStudy:
    """Study how a calibrated chip drifts, and write the record into ``folder``; the chip has aged by hours then."""
    study = session.study_drift(seed=seed)
    study.write(folder / "drift.nc")
    return study


def layout_vs_design(spec: ChipSpec, gds: Path, *, seed: int) -> float:
    """Largest complex difference of the drawn chip's fields (SAX, extracted netlist) and the design's (row solver).

    Raises:
        InputError: The drawing has a short or an open, or its netlist is not the design's.
    """
    from prism_photonics.layout.lvs import lvs
    from prism_photonics.layout.tiles import cut

    compared, _ = lvs(gds, cut(spec).tile, seed=seed)
    if compared.faults:
        raise InputError(
            f"{gds}: {len(compared.faults)} faults in the drawing, first: {compared.faults[0]}; mend it or redraw"
        )
    return compared.simulation_max_error


def chip_scores(
    chip: AbstractChip,
    calibration: Calibration,
    spec: ChipSpec,
    cache: KeyCache,
    *,
    weight_range: WeightRange,
    held: Float[np.ndarray, "rows channels"] | float = 0.0,
    tracker: Tracker | None = None,
) -> tuple[np.ndarray, int, int]:
    """Scores of every query of a cache by photocurrent, how many targets were out of reach, how many readings clipped.

    The signatures of one KV head are one bank of blocks × dims; all banks are programmed in one solve. Excluded rings
    hold the weights ``held``. A tracker keeps them true while the chip drifts.
    """
    calibration = calibration if tracker is None else tracker.calibration
    signatures, sketches = mean_key(cache.keys, block=BLOCK), query_sketch(cache.queries, cache.keys.shape[1])
    banks = {place: cut_bank(signatures[place], spec) for place in np.ndindex(signatures.shape[:2])}
    all_tiles = np.concatenate([bank.tiles for bank in banks.values()])
    programmed = program_tiles(calibration, all_tiles, weight_range=weight_range, held=held)
    scores = np.empty((*signatures.shape[:2], sketches.shape[2], signatures.shape[2]))
    first = clipped = 0
    for place, bank in banks.items():
        scores[place], at_rails = score_bank(
            chip,
            calibration,
            programmed,
            bank,
            queries=sketches[place],
            spec=spec,
            first=first,
            tracker=tracker,
        )
        first, clipped = first + len(bank.tiles), clipped + at_rails
    return scores, len(programmed.programmed.out_of_reach), clipped


def run(
    spec: ChipSpec,
    folder: Path | str,
    *,
    keys: Path | str | None = None,
    seed: int = 0,
    untrimmed: bool = False,
    truth: str | FullTruth = "model",
    progress: Progress = lambda step, outcome, seconds: None,
) -> dict[str, Any]:
    """Do the whole job for one chip.

    Args:
        spec: The chip.
        folder: Where everything is written; made if missing.
        keys: A keys file, or None for the built-in needle keys.
        seed: Seed of fabrication, noise and every random choice.
        untrimmed: Whether the die is as fabricated: its rings are searched and brought to channels by their heaters.
        truth: What the virtual die is made of, as of `VirtualChip`. Of a full die the same die of the fit's own model
            class is calibrated too, and its accuracy told beside.
        progress: Told of every step.

    Returns:
        What ``summary.json`` holds.

    Raises:
        InputError: The spec is not feasible, the keys do not fit, or the folder cannot be written.
    """
    from prism_photonics.report.page import write_report
    from prism_photonics.workflow.parts import feed_with_parts

    folder, keys, is_full = Path(folder), None if keys is None else Path(keys), full_truth(truth) is not None
    time_s: dict[str, float] = {}
    outcome: dict[str, str] = {}

    @contextmanager
    def step(name: str) -> Iterator[None]:
        progress(name, "", 0.0)
        start = time.perf_counter()
        yield
        time_s[name] = round(time.perf_counter() - start, 3)
        progress(name, outcome.get(name, "done"), time_s[name])

    if untrimmed:
        require_heaters(spec)
    cache = load_keys(keys)
    write_text(folder / "spec.json", spec.model_dump_json(indent=2))

    with step("check"):
        feasibility = require_feasible(spec)
        outcome["check"] = f"{len(feasibility.findings)} rules kept"
    with step("simulate"):
        sax_error = row_solver_vs_sax(spec, seed=seed)
        feed = feed_with_parts(spec) if spec.given_parts else []
        outcome["simulate"] = f"row solver against SAX: {sax_error:.1e}"
    with step("calibrate"):
        chip = VirtualChip(spec, seed=seed, trimmed=not untrimmed, truth=truth)
        if untrimmed:
            search_and_assign(chip, folder / "record")
        session, accuracy = calibrate_and_validate(chip, folder / "record", seed=seed, bench=chip.label)
        calibration, validation = session.fit, accuracy.validation
        plain_bits = _plain_bits(spec, seed=seed, untrimmed=untrimmed) if is_full else None
        outcome["calibrate"] = (
            f"{accuracy.accuracy_bits:.1f} bits with {session.readings_per_ring:.0f} readings per ring"
            + ("" if plain_bits is None else f"; of the fit's own model class {plain_bits:.1f}")
        )
    with step("program"):
        measured, out_of_reach, clipped = chip_scores(
            chip,
            calibration,
            spec,
            cache,
            weight_range=accuracy.weight_range,
            held=validation.held_weights(),
            tracker=session.tracker,
        )
        outcome["program"] = (
            f"{measured[..., 0, :].size} blocks scored, {out_of_reach} targets out of reach, {clipped} readings clipped"
        )
    with step("draw"):
        drawing = draw_chip(spec, folder / "layout", seed=seed)
        layout_error = drawing.lvs.simulation_max_error
        outcome["draw"] = f"drawn against designed fields: {layout_error:.1e}"
    with step("export"):
        # Last of what is measured: the chip ages by it.
        model = fit_behavior(accuracy, watch_drift(session, folder / "record", seed=seed))
        bundle = folder / "bundle"
        model.save(bundle)
        outcome["export"] = (
            f"held out: read noise {model.report['noise_held_out_ratio']:.2f}, "
            f"weight error {model.report['weight_error_held_out_ratio']:.2f} of the fit"
        )
    warnings = [*feasibility.warnings, *calibration.doubts(), *_model_doubts(model.report)]
    with step("rank"):
        score_sets = {
            "ideal": ideal_scores(cache, block=BLOCK),
            "behavioral": bundle_scores(bundle, cache, block=BLOCK, seed=seed),
            "chip": measured,
        }
        table = evaluate(cache, score_sets, block=BLOCK, k=K)
        whole = {line.scorer: line for line in table if line.kv_head == "all"}
        outcome["rank"] = ", ".join(f"{name} {line.hit:.3f}" for name, line in whole.items()) + " needle hits"

    result = {
        "name": spec.name,
        "feasible": feasibility.feasible,
        "row_solver_vs_sax_max_error": sax_error,
        "layout_vs_design_max_error": layout_error,
        "feed": [change.to_json() for change in feed],
        "die": chip.label,
        "accuracy_bits": validation.accuracy_bits,
        **({} if plain_bits is None else {"accuracy_bits_of_model_class": plain_bits}),
        **bits_of_others(calibration, validation),
        "closed_loop_bits": recorded_trim(folder / "record").closed_loop_bits,
        "readings_per_ring": calibration.readings_per_ring,
        "recall": _recalls(whole, "recall"),
        "recall_vs_ideal": _recalls(whole, "recall_vs_ideal"),
        "needle_hit": _recalls(whole, "hit"),
        "by_kv_head": [asdict(line) for line in table],
        "out_of_reach": out_of_reach,
        "readings_clipped": clipped,
        "warnings": warnings,
        "calibration": summary(calibration),
        "behavior": {key: float(value) for key, value in model.report.items()},
        "feasibility": feasibility.to_json(),
        "keys": cache.source,
        "seed": seed,
        "spec_hash": spec.hash,
        "time_s": time_s,
    }
    with step("report"):
        write_report(
            folder / "report.html",
            spec=spec,
            summary=result,
            calibration=calibration,
            validation=validation,
            picture=drawing.picture,
        )
        outcome["report"] = str(folder / "report.html")
    time_s["total"] = round(sum(time_s.values()), 3)
    write_text(folder / "summary.json", json.dumps(result, indent=2) + "\n")
    return result


def _plain_bits(spec: ChipSpec, *, seed: int, untrimmed: bool) -> float:
    """Accuracy of the same die without what no model-class die has: calibrated alike, of which nothing is kept."""
    chip = VirtualChip(spec, seed=seed, trimmed=not untrimmed)
    with TemporaryDirectory(prefix="prism_model_class_") as folder:
        if untrimmed:
            search_and_assign(chip, Path(folder))
        return calibrate_chip(chip, seed=seed).validate(seed=seed).accuracy_bits


def _model_doubts(report: Mapping[str, float]) -> list[str]:
    """Held-out checks of the behavioral model that fail by more than 10 %, one sentence each."""
    return [
        f"behavioral model: held-out {name.removesuffix('_held_out_ratio').replace('_', ' ')} is {float(value):.2f} of "
        "the fit (0.90 to 1.10 is allowed); validate with more targets, or look for physics that the model lacks"
        for name, value in report.items()
        if name.endswith("_held_out_ratio") and not 0.9 <= value <= 1.1
    ]


def _recalls(whole: dict[str, Evaluation], what: str) -> dict[str, float]:
    line = next(iter(whole.values()))
    return {name: getattr(entry, what) for name, entry in whole.items()} | {
        "chance": line.chance,
        "k": line.k,
        "blocks": line.blocks,
    }
