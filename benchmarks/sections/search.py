"""Searches for designs, and studies of yield."""

import math
from typing import Any

from prism_photonics.spec import load_spec
from sections.tables import grid, load, section

BANK = "bank_32x256"


def searches() -> str:
    """What `prism explore` finds on each film, beside the bank that was designed by hand."""
    found = load("explore")

    def values(design: dict[str, Any]) -> tuple[str, ...]:
        return f"{design['recall']:.3f}", f"{design['energy']:.1f}", f"{design['area']:.0f}"

    rows, limits = [], []
    for film, one in found["films"].items():
        rows.append((film, one["rows"], "`bank_32x256`, as many rows, on tfln600", *values(one["bank"]), ""))
        best = [design for design in one["designs"] if design["beats"]] or one["designs"]
        for design in sorted(best, key=lambda each: -each["recall"])[:4]:
            told = (
                f"{design['buses']} buses, {design['line_power_dBm']:.1f} dBm, {1e3 * design['bandwidth_GHz']:.0f} MHz"
            )
            rows.append((film, one["rows"], told, *values(design), "beats it" if design["beats"] else ""))
        limits += [
            (
                film,
                split["buses"],
                f"{split['linewidths']:.1f}",
                f"{split['least_area_mm2']:,.0f}",
                f"{split['least_area_searched_mm2']:,.0f} ({one['rows']} rows)",
                f"{one['bank']['area']:.0f}",
            )
            for split in one["bounds"]
            if film != "tfln600"
        ]
    first = found["films"]["tfln600"]
    bank = first["bank"]
    smaller = [each for each in first["designs"] if each["energy"] < bank["energy"] and each["area"] < bank["area"]]
    nearest = max(smaller, key=lambda each: each["recall"])
    beaten = (
        f"{first['beaten_by']} designs beat the bank in recall (by the closed form), energy and area"
        if first["beaten_by"]
        else f"no design beats the bank in recall, energy and area; of those with less of both, the best recalls "
        f"{nearest['recall']:.3f} where the bank recalls {bank['recall']:.3f}"
    )
    note = (
        f"`prism explore paper_32x256 --beat bank_32x256 --trials {first['trials']}`: {beaten}; {first['cpu_s']:.0f} s "
        "of processor time in all. They are read more slowly than the bank: the paper's amplifiers are noisier. Beside "
        "them the same search on the two other films, with the most rows of 32 dimensions that were searched."
    )
    table_1 = grid(("film", "rows", "chip", "recall of an eighth", "µJ", "mm²", ""), rows)
    linewidths = load_spec(BANK).ranking.spacing_linewidths
    for film, one in found["films"].items():
        held = [split for split in one["bounds"] if split["linewidths"] >= linewidths]
        smallest = min(split["least_area_searched_mm2"] for split in held)
        assert film == "tfln600" or smallest > one["bank"]["area"], "a chip on this film may be as small as the bank"
    why = (
        f"256 rows of 32 dimensions are beyond both: lines have to stand {linewidths:g} linewidths apart, of the "
        "narrowest line that drift and reach allow, and a die has to fit a stepper's field. No split over buses keeps "
        "both. Nor does any chip of fewer rows on them beat the bank of as many: every split whose lines stand far "
        "enough apart takes more area."
    )
    heads = (
        "film",
        "buses",
        "linewidths from line to line, at most",
        "least area of 256 rows / mm²",
        "of the searched rows",
        "the bank of as many",
    )
    table_2 = grid(heads, limits)
    return section("Search for designs", "explore", found, "\n\n".join([note, table_1, why, table_2]))


def searched_dies() -> str:
    """What drawn dies of searched designs recall, beside the bank's."""
    found = load("explore_dies")
    lines = []
    for film, one in found["films"].items():
        for name, chip in one["chips"].items():
            dies = chip["on_dies"]
            lines.append(
                (
                    film if name != BANK else "tfln600",
                    one["rows"],
                    f"`{name}`",
                    f"{chip['energy_uJ']:.1f}",
                    f"{chip['area_mm2']:.0f}",
                    f"{chip['recall_by_formula']:.3f}",
                    f"{dies['mean']:.3f} ± {dies['standard_error']:.3f}",
                    f"{100.0 * dies['out_of_reach_share']:.2g} %",
                )
            )
    heads = ("film", "rows", "chip", "µJ", "mm²", "recall by the formula", "of dies", "weights out of reach")
    note = (
        f"{max(one['chips'][BANK]['on_dies']['banks'] for one in found['films'].values())} dies of each chip, of the "
        "same seeds, fabricated, programmed, drifted and read through coherent rows as in the bank's own figure. Where "
        "dies recall less than the formula says, dies are right."
    )
    return section("Searched designs on drawn dies", "explore_dies", found, "\n\n".join([note, grid(heads, lines)]))


def five_volts() -> str:
    """Whole chips that `prism design` finds for a drive of 5 V, and what drawn dies of them miss."""
    found = load("five_volts")
    rows = []
    for one in found["chips"]:
        wished = one["film"], f"± {one['reach']:g}"
        if one["designed"]:
            made = f"{one['buses']} buses of {one['channels']} line{'s' if one['channels'] > 1 else ''}"
            reached = f"± {one['tuning_range']:.3f}", f"± {one['row_reach']:.3f}"
            rows.append((*wished, made, *reached, f"{100.0 * one['missed']:.2g} % of {one['rings']:,}"))
        else:
            law = one["refusal"][1].strip().split(" (")[0]
            named = " or ".join(line.strip().removeprefix("wish ") for line in one["refusal"] if "wish " in line)
            rows.append((*wished, f"none: {law}; possible with {named}", "", "", ""))
    note = (
        "4 × 4 chips for ± 5 V with 14 pm of trimming, as `prism design` finds them: the reach of a ring alone, of "
        "rings in their row, and the rings of drawn dies that miss the wished reach."
    )
    heads = ("film", "wished", "chip", "a ring alone", "in its row", "drawn rings that miss it")
    return section("Chips for 5 V", "five_volts", found, "\n\n".join([note, grid(heads, rows)]))


def yields() -> str:
    """What a yield study costs, and a plan of a million dies."""
    found = load("yields")
    lines, plans = [], []
    for name, chip in found["chips"].items():
        for study in chip["studies"]:
            lines.append(
                (
                    name,
                    f"{study['dies']:,}",
                    f"{study['cpu_s']:.1f}",
                    f"{1e3 * study['cpu_s'] / study['dies']:.1f}",
                    f"{study['largest_memory_MB']:.0f}",
                )
            )
        hours = 1e6 * chip["cpu_s_a_die"] / 3600.0
        memory_MB = max(study["largest_memory_MB"] for study in chip["studies"])
        # What comes back from a worker is what is kept; out goes the plan with each batch, and its number.
        plans.append(
            (
                name,
                f"{hours:.1f}",
                f"{max(math.ceil(hours / 8.0), 1)}",
                f"{memory_MB:.0f}",
                # Of a million dies as many MB as of one die bytes.
                f"{chip['bytes_a_die']:.0f}",
                f"{1e6 * chip['bytes_a_die'] / (3600.0 * min(hours, 8.0)) / 1e3:.1f}",
            )
        )
    small, bank = found["chips"]["demo_8x8"], found["chips"]["bank_32x256"]
    note = (
        "One process, one thread; memory is the largest that the process ever held. Calibrated in full, one "
        f"after another, a die of the demonstrator takes {small['before_s_a_die']:.2f} s, by turns with the study in "
        f"one process {small['ratio']:.0f} times as long as there; one of the bank {bank['before_s_a_die']:.0f} s "
        f"(`results/bank_calibrated.json`, calibration alone), {bank['ratio']:.0f} times as long."
    )
    million = (
        "**A million dies**, from these figures: processor hours, the cores on which they take a working day "
        "of 8 h, the memory of each worker, and what comes back from all of them over the network and is kept "
        f"in `dies.bin`. Out goes the plan, {small['studies'][-1]['plan_bytes'] / 1e3:.1f} kB with each batch, "
        "and the batch's number."
    )
    heads = ("chip", "dies", "processor time / s", "of a die / ms", "largest memory / MB")
    plan_heads = ("chip", "hours of one core", "cores for 8 h", "MB a worker", "MB in all", "kB/s of all workers")
    return section(
        "Yield studies", "yields", found, "\n\n".join([note, grid(heads, lines), million, grid(plan_heads, plans)])
    )
