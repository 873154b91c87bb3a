"""A chip on its bench, as a command names it: a virtual die or a bench file's instruments, behind a journal."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prism_photonics.units import InputError, nearest

if TYPE_CHECKING:
    from prism_photonics.chip.abstract import AbstractChip
    from prism_photonics.chip.benchfile import BenchFile
    from prism_photonics.chip.journal import JournaledChip
    from prism_photonics.chip.named_die import NamedDie
    from prism_photonics.spec import ChipSpec

VIRTUAL, UNTRIMMED, TRIMMED, RECORDED = "virtual", "untrimmed", "trimmed", "recorded"
"""Kinds of bench without instruments: a virtual die, one as fabricated, one that was trimmed as a file says, and a
folder of what was measured."""
Tell = Callable[[str], None]
"""Takes one line for a person who waits."""


def feasible_spec(path: Path, *, anyway: bool = False) -> "ChipSpec":
    """The spec of a chip that `prism check` passes, or any with ``anyway``."""
    from prism_photonics.budget.feasibility import require_feasible
    from prism_photonics.spec import load_spec

    spec = load_spec(path)
    if not anyway:
        require_feasible(spec)
    return spec


def read_bench(path: Path | None) -> "BenchFile | None":
    """The bench file that ``--to-bench`` names, if any."""
    if path is None:
        return None
    from prism_photonics.chip.benchfile import BenchFile

    return BenchFile.from_toml(path)


def hold_tile(
    bench_file: "BenchFile",
    record: Path,
    volts: Path,
    *,
    page: int,
    piece: int,
    hold_s: float | None,
    tell: Tell,
    warn: Tell,
) -> None:
    """Set a programmed tile on a bench and hold it for so long, or until Ctrl-C; then the rings are parked.

    Rings that were held by heaters when the record was taken are heated first.

    Args:
        bench_file: The instruments.
        record: Folder that 'prism calibrate' wrote.
        volts: File that 'prism program' wrote.
        page: Page of the tile.
        piece: Slice of the tile.
        hold_s: How long it is held in s; None: until Ctrl-C.
        tell: Takes what happens.
        warn: Takes what an instrument says.
    """
    from prism_photonics.calibration.record import heat_as_recorded, read_record
    from prism_photonics.chip.bench import BenchChip
    from prism_photonics.workflow.program import write_to_bench

    _, spec, _ = read_record(record / "calibration.nc")
    with BenchChip(spec, bench_file, report=warn) as chip:
        heat_as_recorded(chip, record / "calibration.nc")
        write_to_bench(chip, volts, page=page, piece=piece)
        until = "Ctrl-C" if hold_s is None else f"{hold_s:g} s have passed"
        tell(f"page {page}, slice {piece} is on {bench_file.name}; held until {until}")
        with suppress(KeyboardInterrupt):
            if hold_s is None:
                threading.Event().wait()
            else:
                time.sleep(hold_s)
    tell("the rings are parked")


def measurable(path: Path, *, warn: Tell) -> "ChipSpec":
    """The spec of a chip that can be measured without harm; what else is wrong with it goes to ``warn``."""
    from prism_photonics.budget.feasibility import MEASURABLE, require_feasible
    from prism_photonics.spec import load_spec

    spec = load_spec(path)
    for broken in require_feasible(spec, rules=MEASURABLE).violations:
        warn(f"not fit to rank: {broken}")
    return spec


def chosen(bench: str, seed: int | None) -> tuple["BenchFile | None", int]:
    """The bench file that ``--bench`` names, or None for a virtual die or a recording, and the seed of the survey."""
    kind, _, folder = bench.partition(":")
    if kind == RECORDED and folder:
        from prism_photonics.chip.recorded import recorded_job

        return None, recorded_job(folder)["seed"] if seed is None else seed
    if bench.endswith(".toml"):
        from prism_photonics.chip.benchfile import BenchFile

        return BenchFile.from_toml(bench), seed or 0
    from prism_photonics.chip.named_die import named_die

    of_die = named_die(bench).seed
    return None, of_die if seed is None else seed


def is_untrimmed(bench: str, bench_file: "BenchFile | None") -> bool:
    """Whether the rings of what is on a bench are to be searched: an untrimmed die, or a bench with heaters."""
    kind, _, folder = bench.partition(":")
    if kind == RECORDED:
        from prism_photonics.chip.recorded import recorded_job

        return bool(recorded_job(folder)["untrimmed"])
    return kind == UNTRIMMED if bench_file is None else bool(bench_file.heater_source)


@contextmanager
def journaled(
    bench: str,
    bench_file: "BenchFile | None",
    spec: "ChipSpec",
    path: Path,
    *,
    seed: int,
    resume: bool,
    tell: Tell,
    warn: Tell,
    light: str = "comb",
    owned: bool = False,
) -> Iterator["JournaledChip"]:
    """The chip on its bench, behind a journal that goes when the job is done; the rings are parked whatever ends it.

    Args:
        bench: ``virtual:SEED``, ``untrimmed:SEED``, either with ``,full`` behind it, ``trimmed:FILE``,
            ``recorded:FOLDER`` or the name of a bench file.
        bench_file: The instruments; None for a virtual die or a recording.
        spec: The chip.
        path: The journal.
        seed: Seed of the survey.
        resume: Go on with the journal that is there.
        tell: Takes what happens.
        warn: Takes what an instrument says.
        light: What lights a virtual die: ``comb`` or ``tunable_laser``. Bench files and recordings say it themselves.
        owned: Whether the caller has the journal's folder to itself.
    """
    # Before the bench is opened, which parks rings, and before an older journal is moved.
    with (
        nullcontext() if owned else sole_folder(path.parent),
        _on_bench(bench, bench_file, spec, path, seed=seed, resume=resume, tell=tell, warn=warn, light=light) as chip,
    ):
        yield chip


def virtual_light(light: str | None, bench: str) -> str:
    """What lights a virtual die, by option; a comb where nobody said.

    Args:
        light: The option, or None.
        bench: As of `journaled`.

    Raises:
        InputError: No such light, or a bench that says itself what lights it.
    """
    from prism_photonics.chip.laser import COMB, LIGHTS
    from prism_photonics.files.fields import shown

    if light is None:
        return COMB
    kind = bench.partition(":")[0]
    if light not in LIGHTS:
        raise InputError(f"--light {shown(light)}: unknown kind of light; {nearest(light, LIGHTS)}")
    if kind not in (VIRTUAL, UNTRIMMED, TRIMMED):
        raise InputError(
            f"--light {light}: got the bench {shown(bench)}, which says what lights it, want a virtual die; leave "
            "--light out"
        )
    return light


@contextmanager
def sole_folder(folder: Path) -> Iterator[None]:
    """Have a folder of records alone; it is made if it is not there.

    Raises:
        InputError: Another program has it, or it cannot be made.
    """
    from prism_photonics.chip.lock import sole_owner
    from prism_photonics.files import make_folder

    make_folder(folder)
    with sole_owner(folder / "journal.lock", who=f"the folder {folder}"):
        yield


@contextmanager
def _on_bench(
    bench: str,
    bench_file: "BenchFile | None",
    spec: "ChipSpec",
    path: Path,
    *,
    seed: int,
    resume: bool,
    tell: Tell,
    warn: Tell,
    light: str,
) -> Iterator["JournaledChip"]:
    from prism_photonics.chip.journal import JournaledChip

    identity: dict[str, Any] = {"bench": bench, "seed": seed}
    if bench_file is None:
        die = _without_instruments(bench, spec, light)
        # A journal of the other light answers other questions; one of a comb stays what it was.
        identity |= {"light": light} if die.laser is not None else {}
        with JournaledChip(die, spec, path, identity=identity, resume=resume, retake=True) as chip:
            yield _announced(chip, path, resume=resume, tell=tell)
            chip.finish()
        return
    from prism_photonics.chip.bench import BenchChip

    with BenchChip(spec, bench_file, report=warn) as held:
        require_whole_range(held.max_voltage_V, spec)
        identity |= {"bench": bench_file.name, "instruments": list(held.names)}
        with JournaledChip(held, spec, path, identity=identity, resume=resume) as chip:
            yield _announced(chip, path, resume=resume, tell=tell)
            chip.finish()


def recorded_to(
    folder: Path | None, chip: "AbstractChip", *, seed: int, untrimmed: bool
) -> AbstractContextManager["AbstractChip"]:
    """The chip, whose settings and readings are also kept in a folder, if one is named."""
    if folder is None:
        return nullcontext(chip)
    from prism_photonics.chip.recorded import recording

    return recording(chip, folder, seed=seed, untrimmed=untrimmed)


def _without_instruments(bench: str, spec: "ChipSpec", light: str) -> "AbstractChip":
    """A virtual die, or the recording of a chip."""
    kind, _, which = bench.partition(":")
    if kind == RECORDED:
        from prism_photonics.chip.recorded import RecordedChip

        return RecordedChip(spec, which)
    from prism_photonics.chip.named_die import named_die

    return named_die(bench).chip(spec, light=light)


def require_same_chip(record: Path, spec: "ChipSpec", bench: str) -> None:
    """Refuse a folder that holds the record of another chip, before it is overwritten.

    Args:
        record: Folder that 'prism calibrate' is to write.
        spec: The chip that it is to calibrate.
        bench: Where that chip is.

    Raises:
        InputError: The record there is another chip's, or cannot be read.
    """
    from prism_photonics.calibration.record import read_record

    path = record / "calibration.nc"
    if not path.exists():
        return
    cure = "choose another folder with -o, or move that record away to begin anew"
    try:
        _, recorded, extra = read_record(path)
    except InputError as error:
        raise InputError(f"{error} [it would be overwritten: {cure}]") from None
    if recorded.hash != spec.hash:
        raise InputError(
            f"{path}: holds the record of {recorded.name} (spec {recorded.hash[:12]}), this is {spec.name} (spec "
            f"{spec.hash[:12]}); is this the right spec? If so, {cure}"
        )
    if not may_be_same_chip(was := extra.get("bench", bench), bench):
        raise InputError(f"{path}: holds the record of the chip on {was}, this is the one on {bench}; {cure}")


def may_be_same_chip(one: str, other: str) -> bool:
    """Whether two names of benches, or labels of chips, can be one chip's.

    A virtual die, however its truth is spelled, and a recording are named exactly; a bench file may have moved, and
    where nobody said, it may be.
    """
    if not one or not other:
        return True
    exact = any(name.partition(":")[0] in (VIRTUAL, UNTRIMMED, TRIMMED, RECORDED) for name in (one, other))
    return _meant(one) == _meant(other) if exact else True


def _meant(name: str) -> "NamedDie | str":
    """The virtual die that a name means, or the name of what is none."""
    from prism_photonics.chip.named_die import named_die

    try:
        die = named_die(name)
    except InputError:
        return name
    # The file of a trimming may have moved, too.
    return die._replace(trimming=TRIMMED if die.trimming else "")


def _announced(chip: "JournaledChip", path: Path, *, resume: bool, tell: Tell) -> "JournaledChip":
    if chip.kept:
        tell(f"{chip.kept} readings are on file")
    elif resume:
        tell(f"--resume: {path} holds no reading, so there is nothing to go on from; this begins anew")
    if chip.aside is not None:
        tell(f"readings of a job before are kept in {chip.aside}; --resume would have gone on from them")
    return chip


def require_whole_range(bench_V: float, spec: "ChipSpec") -> None:
    """Refuse a bench that cannot go to the voltage that the spec's weights need.

    Raises:
        InputError: It goes less far.
    """
    if bench_V < spec.drive.max_voltage_V:
        raise InputError(
            f"voltage_source.max_voltage_V: the bench goes to ±{bench_V:g} V, the spec's drive.max_voltage_V is "
            f"{spec.drive.max_voltage_V:g}; a calibration needs the whole range: lower it in the spec"
        )
