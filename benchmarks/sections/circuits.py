"""Rows, banks and drawings."""

from typing import Any

from sections.tables import load, section, table


def row_solver() -> str:
    """The exact row against SAX."""
    found = load("row_solver")
    columns = {
        "rings": lambda line: line["rings"],
        "wavelengths": lambda line: line["wavelengths"],
        "largest field difference": lambda line: f"{line['max_field_error']:.1e}",
        "one row / ms": lambda line: f"{line['row_solver_row_ms']:.2f}",
        "SAX / ms": lambda line: f"{line['sax_row_ms']:.1f}",
        "SAX, `jax.jit` / ms": lambda line: f"{line['sax_compiled_row_ms']:.2f}",
        "bank over SAX": lambda line: f"{line['bank_over_sax']:,.0f} ×",
        "bank over SAX, `jax.jit`": lambda line: f"{line['bank_over_compiled_sax']:.0f} ×",
    }
    rows = zip(found["lines"])
    scaling = found["scaling"]
    note = (
        f"Banks of {found['bank_rows']:,} rows. Time grows as "
        f"N^{scaling['exponent_rows']:.2f}·d^{scaling['exponent_rings']:.2f} with rows N and rings d "
        "in this range (the law is N·d²; small banks do not fill the machine)."
    )
    return section("Row solver against SAX", "row_solver", found, note + "\n\n" + table(columns, rows))


def reflecting_row() -> str:
    """The row with everything that reflects against the row without."""
    found = load("reflecting_row")
    columns = {
        "rows": lambda line: f"{line['rows']:,}",
        "rings": lambda line: line["rings"],
        "without / ms": lambda line: f"{line['plain_ms']:.2f}",
        "with all that reflects / ms": lambda line: f"{line['reflecting_ms']:.2f}",
        "ratio": lambda line: f"{line['reflecting_over_plain']:.2f}",
    }
    note = (
        "Every ring splits and every end reflects; processor time, the two solvers taking turns. The plain solver "
        "spends its time on sines and cosines, and computes them for each of the numbers that a ring hands on; the "
        "other computes them once. Rows without reflections compile to none of that: XLA counts as many operations, "
        "transcendental functions and bytes for them as before there were any."
    )
    return section("Row with reflections", "reflecting_row", found, note + "\n\n" + table(columns, zip(found["lines"])))


def intersymbol() -> str:
    """Symbols that disturb each other, by rate and Q."""
    found = load("intersymbol")
    by_q: dict[float, list[dict[str, float]]] = {}
    for line in found["lines"]:
        by_q.setdefault(line["q_loaded"], []).append(line)
    rates = [line["rate_GHz"] for line in next(iter(by_q.values()))]
    columns = {"loaded Q": lambda q, lines: f"{q:,.0f}", "behind": lambda q, lines: "optics<br>receiver"}
    for n, rate in enumerate(rates):
        columns[f"{rate:g} GHz"] = lambda q, lines, n=n: f"{lines[n]['optics']:.1e}<br>{lines[n]['receiver']:.1e}"
    derived = found["derived"]
    note = (
        "Rms error of a score by the symbols before it, over the scores' standard deviation, of the demonstrator's row "
        "with other couplings. *optics*: modulator, rings and photodiode; below 1e-5 it is what the steps of time "
        "leave. *receiver*: with the amplifier of 1 GHz too. At the symbol time that the ledger derives, "
        f"{derived['symbol_ns']:.2f} ns, its closed form says {derived['budget']:.1e} and the row in time "
        f"{derived['transient']:.1e}, which is sampled where it is least, {derived['delay_ns']:.2f} ns after the "
        "symbol begins."
    )
    return section("Symbols in time", "intersymbol", found, note + "\n\n" + table(columns, sorted(by_q.items())))


def bank() -> str:
    """The 32×256 bank and the paper's point."""
    found, calibrated = load("bank_recall"), load("bank_calibrated")
    columns = {
        "chip": lambda name, bank: f"`{name}`",
        "banks": lambda name, bank: bank["banks"],
        "recall@32 of 256": lambda name, bank: f"{bank['mean']:.3f} ± {bank['standard_error']:.3f}",
        "worst": lambda name, bank: f"{bank['worst']:.2f}",
        "score SNR / dB": lambda name, bank: f"{found['ledger'][name]['score_snr_dB']:.1f}",
        "latency / ns": lambda name, bank: f"{found['ledger'][name]['latency_ns']:.1f}",
        "energy / µJ": lambda name, bank: f"{found['ledger'][name]['energy_pJ'] / 1e6:.1f}",
        "weights out of reach": lambda name, bank: f"{bank['out_of_reach_share']:.2%}",
    }
    rows = found["recall_at_32"].items()
    whole, assumed = calibrated["calibrated"], calibrated["assumed"]
    of_which = f" of {then}," if (then := calibrated.get("chip_then")) else ""
    note = (
        f"After {found['drift_pm']['own']:g} pm of own and {found['drift_pm']['common']:g} pm of "
        "common drift, all noise and converters; chance "
        f"{found['chance']:g}. The resonances are taken to be known to "
        f"{found['offset_error_pm']:g} pm rms. {whole['banks']} dies{of_which} calibrated by the whole "
        f"procedure instead gave {whole['mean']:.3f} ± {whole['standard_error']:.3f}, the same "
        f"dies by assumption {assumed['mean']:.3f} ± "
        f"{assumed['standard_error']:.3f} ({calibrated['date']})."
    )
    return section("Banks of 32 × 256", "bank_recall", found, note + "\n\n" + table(columns, rows))


def layout() -> str:
    """Drawing, rules and the proof of the match."""
    found = load("layout_sizes")
    columns = {
        "chip": lambda name, size: name,
        "die / mm": lambda name, size: (
            " × ".join(f"{side:g}" for side in size["die_mm"])
            + (f" in {size['tiles']} tiles" if size["tiles"] > 1 else "")
        ),
        "draw / s": lambda name, size: f"{size['draw_s']:g}",
        "DRC / s": lambda name, size: f"{size['drc_s']:g}, {size['drc_violations']} violations",
        "LVS / s": lambda name, size: f"{size['lvs_s']:g}, {size['lvs_faults']} faults",
        "GDS / MB": lambda name, size: f"{size['gds_MB']:g}",
        "cells (limit)": lambda name, size: f"{size['cells']} ({size['cells_limit']})",
        "memory / GB": lambda name, size: f"{size['rss_GB']:g}",
        "largest field difference": lambda name, size: (
            f"{size['simulation_max_error']:.0e}" if size["simulated"] else "–"
        ),
    }
    rows, beside = found["sizes"].items(), found["beside"]
    ratios = "; ".join(
        f"{name} {one['first_s']['this']:.2f} s where it took {one['first_s']['older']:.2f} "
        f"({one['ratio_first']:g}, a process's second drawing {one['ratio_second']:g})"
        for name, one in beside["sizes"].items()
    )
    then = (
        f"Drawing and writing beside commit {beside['older']}, in turn, least of {beside['rounds']} processes each, "
        f"garbage collected before each drawing: {ratios}. What is drawn has grown since: ramps, photodiodes, "
        "monitors, control structures."
    )
    return section("Layout", "layout_sizes", found, f"{table(columns, rows)}\n\n{then}")


def programming() -> str:
    """Weights to voltages."""
    found = load("programming")
    columns = {
        "bank": lambda name, bank: f"`{name}`",
        "rings": lambda name, bank: f"{bank['rings']:,}",
        "bank / s": lambda name, bank: f"{bank['bank_s']:.3f}",
        "first call / s": lambda name, bank: f"{bank['bank_first_call_s']:.0f}",
        "one row / ms": lambda name, bank: f"{bank['row_ms']:.1f}",
        "residual rms": lambda name, bank: f"{bank['residual_rms']:.1e}",
        "out of reach": lambda name, bank: f"{bank['out_of_reach_share']:.1%}",
        "memory / MiB": lambda name, bank: f"{bank['peak_memory_MiB']:.0f}",
    }
    rows = found["banks"].items()
    return section("Programming", "programming", found, table(columns, rows))


def ring_second_mode() -> str:
    """Rings whose rib holds TE1."""
    found, waves = load("ring_second_mode"), load("ring_bus_waves")
    mixed = [one for one in found["chips"] if "spoiled" in one]
    columns = {
        "chip": lambda one: f"`{one['chip']}`",
        "R / µm": lambda one: f"{one['radius_um']:g}",
        "straights / µm": lambda one: "{:.1f} to {:.1f}".format(*one["straight_um"]),
        "linewidth designed / pm": lambda one: f"{one['linewidth_pm']:.0f}",
        "times as broad, mean (most)": lambda one: f"{one['linewidth_mean']:.1f} ({one['linewidth_most']:.0f})",
        "through at the dip, designed": lambda one: f"{one['designed_through']:.4f}",
        "with TE1, mean (most)": lambda one: f"{one['through_mean']:.2f} ({one['through_most']:.2f})",
        "drop, designed": lambda one: f"{one['designed_drop']:.2f}",
        "drop with TE1, mean (least)": lambda one: f"{one['drop_mean']:.2f} ({one['drop_least']:.3f})",
        "rings spoiled": lambda one: f"{100.0 * one['spoiled']:.0f} %",
    }
    radiated = ", ".join(
        f"`{one['chip']}` {one['radiated_broader']:.2f} times" for one in found["chips"] if "radiated_broader" in one
    )
    beats = sorted({row["beats"] for row in found["scan"]})
    by_ring: dict[tuple[float, float], list[Any]] = {}
    for row in found["scan"]:
        by_ring.setdefault((row["radius_um"], row["gap_um"]), []).append(row)
    scan: dict[str, Any] = {
        "R / µm": lambda ring, rows: f"{ring[0]:g}",
        "gap / µm": lambda ring, rows: f"{ring[1]:.2f}",
    }
    for n, part in enumerate(beats):
        scan[f"{part:g} beats"] = lambda ring, rows, n=n: (
            f"{rows[n]['linewidth_mean']:.1f} ({100.0 * rows[n]['spoiled']:.0f} %)"
        )
    names = {"over": ((0, 0), (1, 0), (0, 1), (1, 1)), "bus": ((1, 1),)}
    road = {
        "R, straight, gap / µm": lambda one: f"{one['radius_um']:g}, {one['straight_um']:g}, {one['gap_um']:.2f}",
        "law of one mode": lambda one: f"{one['law']:.4f}",
    }
    titles = ("0 → 0", "0 → 1", "1 → 0", "1 → 1", "1 stays")
    for title, (name, (k, m)) in zip(titles, ((n, at) for n, ats in names.items() for at in ats), strict=True):
        road[title] = lambda one, name=name, k=k, m=m: f"{one['waves'][name][k][m]:.4f}, {one['modes'][name][k][m]:.4f}"
    note = (
        "A ring alone, over the phase at which TE1's orders lie, of all channels; TE1 that leaves by a bus is lost. "
        "Spoiled is a ring that keeps less than half of its range of weights. Films without TE1 radiate what a "
        f"straight turns: {radiated} as broad."
    )
    against = (
        "The ring of `circles_8x8` with other radii, gaps and straights (one beat is 10.27 µm): times as broad in the "
        "mean, and rings spoiled."
    )
    second = (
        "The coupler by waves in a plane that holds two modes (`benchmarks/ring_bus_waves.py`), and by the model: "
        "powers from the bus's mode to the ring's bent one."
    )
    told = (note, table(columns, zip(mixed)), against, table(scan, sorted(by_ring.items())), second,
            table(road, zip(waves["rings"])), _dies_with_second_mode(found["dies"]))  # fmt: skip
    return section(
        "Rings that hold a second mode", "ring_second_mode", found, "\n\n".join(part for part in told if part)
    )


def ramp_bus_waves() -> str:
    """Couplers of rings whose curvature grows."""
    found = load("ramp_bus_waves")
    columns: dict[str, Any] = {
        "turn": lambda one: (
            f"{one['radius_um']:g} µm, {'raised cosine' if one['cosine'] else 'clothoid'}, {one['euler_p']:g}"
        ),
        "gap / µm": lambda one: f"{one['gap_um']:.2f}",
        "law of one mode": lambda one: f"{one['law']:.4f}",
    }
    names = {"over": ((0, 0), (1, 0), (0, 1), (1, 1)), "bus": ((1, 1),)}
    titles = ("0 → 0", "0 → 1", "1 → 0", "1 → 1", "1 stays")
    for title, (name, (k, m)) in zip(titles, ((n, at) for n, ats in names.items() for at in ats), strict=True):
        columns[title] = lambda one, name=name, k=k, m=m: (
            f"{one['waves'][name][k][m]:.5f}, {one['modes'][name][k][m]:.5f}"
        )
    note = (
        "Waves in a plane that holds two modes, and the model: powers from the bus's mode to the ring's, as in the "
        "last table of [](#rings-that-hold-a-second-mode). What the ramp itself turns behind the coupler is in the "
        "waves alone."
    )
    return section(
        "Couplers of rings whose curvature grows",
        "ramp_bus_waves",
        found,
        note + "\n\n" + table(columns, zip(found["rings"])),
    )


def _dies_with_second_mode(dies: list[dict[str, Any]]) -> str:
    if not dies:
        return ""
    columns = {
        "die": lambda one: one["seed"],
        "TE1": lambda one: one["second_mode"],
        "accuracy / bits": lambda one: f"{one['accuracy_bits']:.1f}" if "accuracy_bits" in one else "none",
        "χ², median of buses (worst)": lambda one: f"{one['chi2_median_bus']:,.1f} ({one['chi2_worst_bus']:,.1f})",
        "of ± weight limit reached": lambda one: f"{100.0 * one['reach_mean']:.0f} %",
        "rings that fall short": lambda one: one["short_rings"],
    }
    note = (
        "Whole full dies of `circles_8x8`, calibrated by a fit that knows no TE1 (`--dies`). Without accuracy: the "
        "rings have no range of weights in common, and validation says so."
    )
    return f"{note}\n\n{table(columns, zip(dies))}"
