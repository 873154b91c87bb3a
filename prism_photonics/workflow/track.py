"""Inputs of ``prism track``: a record, or a chip calibrated for it; and a finished test of a run before."""

from pathlib import Path
from typing import Any

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.calibration.record import read_record
from prism_photonics.characterize.stability import StabilityTest
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError
from prism_photonics.workflow.bench import (
    Tell,
    chosen,
    is_untrimmed,
    journaled,
    may_be_same_chip,
    measurable,
    require_same_chip,
    sole_folder,
)
from prism_photonics.workflow.job import search_and_assign
from prism_photonics.workflow.session import calibrate_chip


def recorded_or_calibrated(
    what: Path, out: Path, bench: str | None, *, resume: bool, tell: Tell, warn: Tell
) -> tuple[Calibration, ChipSpec, str, Path]:
    """The record that was named, or a new one of the spec that was named.

    Args:
        what: Folder that 'prism calibrate' wrote, or a spec.
        out: Folder for a new record; the caller has it alone.
        bench: Where the chip is, or None: where the record was taken.
        resume: Go on with a record or a journal that is in ``out``.
        tell: Takes what happens.
        warn: Takes what an instrument says.

    Returns:
        The calibration, the spec, the bench, and the record's folder.

    Raises:
        InputError: The record was taken on another bench, or does not say where and no bench is named.
    """
    made = out / "record"
    if what.is_dir() or (resume and (made / "calibration.nc").exists()):
        record = what if what.is_dir() else made
        calibration, chip_spec, extra = read_record(record / "calibration.nc")
        was = str(extra.get("bench", ""))
        if not (bench or was):
            raise InputError(
                f"{record}: does not say on which bench its chip is; give it as --bench virtual:SEED, untrimmed:SEED "
                "or a bench.toml"
            )
        bench = bench or was
        if was and not may_be_same_chip(was, bench):
            raise InputError(
                f"--bench {bench}: {what} was calibrated on {was}; leave out --bench, or calibrate the other chip with "
                f"'prism calibrate SPEC --bench {bench} -o DIR' and give that DIR"
            )
        if not what.is_dir():
            # --resume with another spec would go on with the chip of the one before.
            require_same_chip(made, measurable(what, warn=warn), bench)
        return calibration, chip_spec, bench, record
    chip_spec, bench = measurable(what, warn=warn), bench or "virtual:0"
    require_same_chip(made, chip_spec, bench)
    bench_file, seed = chosen(bench, None)
    tell(f"calibrating {chip_spec.name} on {bench} …")
    journal = out / "journal.jsonl"
    # The caller has `out` alone; the record's own folder may be another program's still.
    with (
        sole_folder(made),
        journaled(
            bench, bench_file, chip_spec, journal, seed=seed, resume=resume, tell=tell, warn=warn, owned=True
        ) as chip,
    ):
        if is_untrimmed(bench, bench_file):
            search_and_assign(chip, made)
        session = calibrate_chip(chip, seed=seed)
        # Before the journal goes.
        session.save(made, bench=bench)
    return session.fit, chip_spec, bench, made


def require_own_place(path: Path, whose: dict[str, Any]) -> None:
    """Refuse a place that holds the test of another chip, before it is overwritten.

    Args:
        path: The file that is to be written.
        whose: The figures that tell one chip from another.

    Raises:
        InputError: The test there is another chip's, or cannot be read.
    """
    if not path.exists():
        return
    cure = "choose another folder with -o, or move that file away"
    try:
        figures = StabilityTest.read(path).figures
    except InputError as error:
        raise InputError(f"{error} [it would be overwritten: {cure}]") from None
    for name, value in whose.items():
        # What an earlier version wrote does not name its bench.
        if (was := figures.get(name, value)) != value:
            raise InputError(f"{path}: holds the test of another chip, of {name} {was}, this is {value}; {cure}")


def finished(path: Path, asked: dict[str, Any]) -> StabilityTest:
    """A test that is on file, if it is the one that is asked for."""
    test = StabilityTest.read(path)
    # What an earlier version wrote used the whole range.
    found = {name: test.figures.get(name, 1.0 if name == "share" else None) for name in asked}
    if found != asked:
        raise InputError(
            f"{path}: holds {found}, asked for is {asked}; choose another folder with -o, or leave out --resume"
        )
    return test
