"""What ``prism track`` begins with: a record, or a chip calibrated for it; and a finished test of a run before."""

from pathlib import Path
from typing import Any

import jax

from prism_photonics.calibration.calibration import Calibration, from_survey
from prism_photonics.calibration.record import read_record, write_record
from prism_photonics.calibration.survey import take_survey
from prism_photonics.characterize.stability import Hour
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError
from prism_photonics.workflow.bench import Tell, chosen, is_untrimmed, journaled, measurable, require_same_chip
from prism_photonics.workflow.job import search_and_assign


def recorded_or_calibrated(
    what: Path, out: Path, bench: str | None, *, resume: bool, tell: Tell, warn: Tell
) -> tuple[Calibration, ChipSpec, str, Path]:
    """The record that was named, or a new one of the spec that was named.

    Args:
        what: Folder that 'prism calibrate' wrote, or a spec.
        out: Folder for a new record.
        bench: Where the chip is, or None: where the record was taken.
        resume: Go on with a record or a journal that is in ``out``.
        tell: Takes what happens.
        warn: Takes what an instrument says.

    Returns:
        The calibration, the spec, the bench, and the record's folder.

    Raises:
        InputError: The record was taken on another bench.
    """
    made = out / "record"
    if what.is_dir() or (resume and (made / "calibration.nc").exists()):
        record = what if what.is_dir() else made
        calibration, chip_spec, extra = read_record(record / "calibration.nc")
        bench = bench or str(extra.get("bench", "virtual:0"))
        if bench != extra.get("bench", bench):
            raise InputError(f"--bench {bench}: {what} was calibrated on {extra['bench']}; calibrate the other chip")
        if not what.is_dir():
            # --resume with another spec would go on with the chip of the one before.
            require_same_chip(made, measurable(what, warn=warn), bench)
        return calibration, chip_spec, bench, record
    chip_spec, bench = measurable(what, warn=warn), bench or "virtual:0"
    require_same_chip(made, chip_spec, bench)
    bench_file, seed = chosen(bench, None)
    survey_key, fit_key = jax.random.split(jax.random.key(seed ^ 0x5EED))
    tell(f"calibrating {chip_spec.name} on {bench} …")
    journal = out / "journal.jsonl"
    with journaled(bench, bench_file, chip_spec, journal, seed=seed, resume=resume, tell=tell, warn=warn) as chip:
        if is_untrimmed(bench, bench_file):
            search_and_assign(chip, chip_spec, made)
        survey = take_survey(chip, chip_spec, key=survey_key)
    calibration = from_survey(survey, chip_spec, key=fit_key)
    write_record(made / "calibration.nc", calibration, survey, chip_spec, bench=bench, seed=seed)
    return calibration, chip_spec, bench, made


def finished(path: Path, asked: dict[str, Any]) -> Hour:
    """An hour that is on file, if it is the one that is asked for."""
    hour = Hour.read(path)
    found = {name: hour.told.get(name) for name in asked}
    if found != asked:
        raise InputError(f"{path}: holds {found}, asked for is {asked}; choose another folder, or leave out --resume")
    return hour
