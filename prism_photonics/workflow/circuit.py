"""Inputs of the ranking table: energy of a selection by the ledger, and scores of the simulated circuit."""

from pathlib import Path
from typing import Any

from prism_photonics.budget.baselines import HBM_PJ_BYTE
from prism_photonics.budget.ledger import ledger
from prism_photonics.budget.trimming import heater_power_W
from prism_photonics.codec.encoding import SHOTS, shots
from prism_photonics.files.fields import shown
from prism_photonics.ranking.readers import BankReader
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError


def selection_energy(row: dict[str, Any], bundle: Any) -> dict[str, float]:
    """Energy of choosing the blocks of one query, by the ledger of the chip that is read; empty without its spec.

    A chip's row takes a ledger query per page and slice, shots included; an electronic one reads its signatures from
    HBM. The fetch of the chosen blocks is not in it.
    """
    if not bundle.spec:
        return {}
    energy_pJ = row["signature_bytes"] * HBM_PJ_BYTE
    if row["passes"]:
        try:
            spec = ChipSpec.from_json(bundle.spec)
        except (ValueError, RecursionError):
            raise InputError("bundle: the spec in it is damaged; export the bundle again") from None
        query = ledger(spec, heater_power_W).to_json()["energy_pJ"]["total"]["derived"]
        energy_pJ += query * row["passes"] / shots(bundle.encoding)
    return {"energy_pJ": energy_pJ}


def circuit_reader(record: Path) -> Any:
    """A reader that programs and reads the whole circuit of a calibrated virtual chip, tile by tile.

    Args:
        record: Folder that 'prism calibrate' wrote.

    Returns:
        A `ranking.readers.BankReader`.

    Raises:
        InputError: A damaged record, or one of no virtual chip.
    """
    from prism_photonics.calibration.record import heat_as_recorded, read_record
    from prism_photonics.chip.named_die import named_die
    from prism_photonics.workflow.accuracy import load_accuracy
    from prism_photonics.workflow.export import chip_bank
    from prism_photonics.workflow.scores import slice_dims

    calibration, spec, extra = read_record(record / "calibration.nc")
    accuracy = load_accuracy(record)
    bench = extra.get("bench", "")
    try:
        chip = named_die(bench).chip(spec)
    except InputError:
        raise InputError(f"{record}: calibrated on {shown(bench)}, want a virtual chip; give another record") from None
    heat_as_recorded(chip, record / "calibration.nc")
    score_bank = chip_bank(chip, calibration, spec, accuracy.weight_range, held=accuracy.validation.held_weights())
    shots_each = SHOTS[spec.modulator.encoding]
    return BankReader(score_bank, rows=spec.chip.rows, channels=slice_dims(spec), shots=shots_each)
