"""Every measured figure that the docs quote, as one page and as the README's table, made from ``benchmarks/results``.

python benchmarks/page.py          # rewrites docs/benchmarks.md and the table in README.md
python benchmarks/page.py --check  # says what is stale; exit code 1 if anything is
"""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
BEGIN, END = "<!-- figures: made by benchmarks/page.py -->", "<!-- end of figures -->"
POINTS = [(context, block) for block in (16, 64, 128) for context in (1024, 4096, 16384)]
SELECTORS = (
    *("full", "oracle", "mean_key", "photonic_mean_key", "bound", "photonic_bound", "photonic_learned"),
    *("photonic_hierarchical", "hierarchical_learned", "salca_like", "streaming_llm", "h2o", "random"),
)


def page() -> str:
    """The page ``docs/benchmarks.md``."""
    parts = [
        "# Benchmarks",
        "Made by `benchmarks/page.py` from `benchmarks/results`: nothing on this page is typed "
        "by hand. Each section names the script "
        "that measures it, the day and the machine. Times are those of that machine in that run; "
        "ratios are side by side in one run.",
        demo(),
        full_dies(),
        standard_bench(),
        tunable_laser(),
        fit_cost(),
        cold_start(),
        measured_rings(),
        error_bars(),
        splittings(),
        die_pulls(),
        row_solver(),
        reflecting_row(),
        intersymbol(),
        electronic(),
        bank(),
        layout(),
        programming(),
        searches(),
        yields(),
        tracking(),
        held_out(),
        needles(),
        selector(),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def readme_table() -> str:
    """The README's table of results."""
    demo_8x8, drawn, solver = load("demo_seeds"), load("layout_sizes"), load("row_solver")
    standard, recall, hour = load("calibration"), load("bank_recall"), load("track_hour")
    laser = load("tunable_laser")
    readings = demo_8x8["dies"][0]["readings_per_ring"]
    slow = case(hour, "LiNbO3, slow 0.1 K")["median_over_dies"]
    days = {"track_hour": case(hour, "LiNbO3, slow 0.1 K")["date"]}
    works, paper = recall["recall_at_32"]["bank_32x256"], recall["recall_at_32"]["paper_32x256"]
    first, last = (solver["lines"][i] for i in (0, -1))
    error = max(line["max_field_error"] for line in solver["lines"])
    full = load("full_die")["splittings_pm"]
    bench = {name: (one["reflecting"]["median"], one["plain"]["median"]) for name, one in full.items()}
    rows = [
        (
            "weight accuracy of full dies, rings split by 1 pm and by 5 pm, on the slow instruments below",
            f"{bench['1'][0]:.1f} bits ({full['1']['reflecting']['dies']} dies) and {bench['5'][0]:.1f} "
            f"({full['5']['reflecting']['dies']})",
            f"without what splits in the fit: {bench['1'][1]:.1f} and {bench['5'][1]:.1f}",
            "full_die",
        ),
        (
            "weight accuracy of the demo, all rings moving, open loop, by photocurrent",
            f"{bits(demo_8x8['accuracy_bits'])} bits, median (worst) of {len(demo_8x8['dies'])} dies",
            f"{readings:g} readings per ring",
            "demo_seeds",
        ),
        (
            "the same on slow instruments in a drifting room: 8 rings on a bus, and 4 buses of 8",
            f"{bits(standard['banks']['8x8']['accuracy_bits'])} and "
            f"{bits(standard['banks']['4x8']['accuracy_bits'])} bits, "
            f"{standard['banks']['8x8']['dies']} dies each",
            f"{standard['banks']['8x8']['readings_per_ring']:g} and "
            f"{standard['banks']['4x8']['readings_per_ring']:g} readings per ring",
            "calibration",
        ),
        (
            "the 8 rings on a bus with one tunable laser of 1 pm rms jitter, no modulators",
            f"{bits(laser['accuracy_bits'])} bits, {laser['dies']} dies",
            f"{laser['wall_time_s']['worst'] / 60:.0f} minutes of instruments; shifts that all rows share apart",
            "tunable_laser",
        ),
        (
            "needle's block among the 8 chosen of 64",
            f"chip {demo_8x8['hit_chip']['mean']:.3f}, chance 0.125",
            f"the float scorer's choice: {demo_8x8['recall_vs_ideal_chip']:.3f} of it",
            "demo_seeds",
        ),
        (
            "weights held for an hour while 0.1 K of temperature comes and goes",
            f"{slow['full']['held_bits']:.1f} bits tracked, {slow['none']['held_bits']:.1f} left alone",
            f"{slow['full']['duty_laboratory']:.2%} of a laboratory's time",
            "track_hour",
        ),
        (
            "recall@32 of 256 after 20 pm of common drift: a bank that works, and the paper's point",
            f"{works['mean']:.2f} ± {works['standard_error']:.2f} and {paper['mean']:.2f} ± "
            f"{paper['standard_error']:.2f}",
            f"chance {recall['chance']:g}, {works['banks']} banks each",
            "bank_recall",
        ),
        (
            "drawn chip against designed chip, complex fields",
            f"{drawn['sizes']['8x8']['simulation_max_error']:.0e}",
            "SAX on the netlist extracted from the GDS",
            "layout_sizes",
        ),
        (
            "exact row solver against SAX, 1,024 rows, 8 to 64 rings",
            f"{first['bank_over_sax']:,.0f} to {last['bank_over_sax']:,.0f} times faster; against "
            "SAX under `jax.jit` "
            f"{first['bank_over_compiled_sax']:.0f} to {last['bank_over_compiled_sax']:.0f}",
            f"difference {error:.0e}",
            "row_solver",
        ),
    ]
    lines = ["| | measured | | when, by |", "|---|---|---|---|"]
    for what, value, note, name in rows:
        script = f"[`{name}.py`](benchmarks/{name}.py)"
        lines.append(f"| {what} | {value} | {note} | {days.get(name) or load(name)['date']}, {script} |")
    return "\n".join(lines)


def demo() -> str:
    """Dies of the demonstrator through the main job."""
    found = load("demo_seeds")
    columns = {
        "die": lambda die: die["seed"],
        "accuracy / bits": lambda die: f"{die['accuracy_bits']:.2f}",
        "readings per ring": lambda die: f"{die['readings_per_ring']:g}",
        "χ² of the worst row": lambda die: f"{die['chi2_worst_row']:.2f}",
        "weights": lambda die: f"{die['weight_low']:.2f} to {die['weight_high']:.2f}",
        "hit: chip": lambda die: f"{die['hit_chip']:.3f}",
        "hit: bundle": lambda die: f"{die['hit_behavioral']:.3f}",
        "of float's choice": lambda die: f"{die['recall_vs_ideal_chip']:.3f}",
    }
    rows = zip(found["dies"])
    return section("Demo dies through the main job", "demo_seeds", found, table(columns, rows))


def full_dies() -> str:
    """Calibration of dies that have more than the plain row knows."""
    found = load("full_die")
    cases = found["splittings_pm"]
    readings = cases["1"]["reflecting"]["by_die"][0]["readings_per_ring"]

    def spelled(of_road: dict[str, Any]) -> str:
        return f"{of_road['median']:.2f} ({of_road['worst']:.2f})"

    columns = {
        "splitting / pm": lambda name, roads: name,
        "dies": lambda name, roads: f"{roads['reflecting']['dies']}, {roads['plain']['dies']}",
        "accuracy, open loop": lambda name, roads: spelled(roads["reflecting"]),
        "by the plain row's fit alone": lambda name, roads: spelled(roads["plain"]),
        "χ² of the median bus": lambda name, roads: f"{roads['reflecting']['chi2_median_bus']:.0f}",
        "by the plain row": lambda name, roads: f"{roads['plain']['chi2_median_bus']:.0f}",
        "processor / s": lambda name, roads: f"{roads['reflecting']['survey_and_fit_s']:.0f}",
        "plain": lambda name, roads: f"{roads['plain']['survey_and_fit_s']:.0f}",
    }
    note = (
        f'`VirtualChip(truth="full")` with rings of a median splitting of so much, on `{found["bench"]}`; bits as '
        "median (worst) over the dies, with the fit as it is and with that of the plain row alone, on the same dies. "
        f"{readings:g} readings per ring; processor time of survey and fit, the virtual chip's own included."
    )
    rows = sorted(cases.items(), key=lambda case: float(case[0]))
    return section("Calibration of full dies", "full_die", found, note + "\n\n" + table(columns, rows))


def standard_bench() -> str:
    """Calibration in a laboratory's conditions."""
    found = load("calibration")
    names = {
        "8x8": "8 rows of one bus of 8",
        "4x8": "8 rows of 4 buses of 8",
        "32x256": "all 256 rows of 4 buses of 8",
        "16": "8 rows of 16 rings, 5.2 linewidths apart",
    }
    columns = {
        "bank": lambda name, bank: names[name],
        "measured": lambda name, bank: bank["date"],
        "dies": lambda name, bank: bank["dies"],
        "accuracy, open loop": lambda name, bank: bits(bank["accuracy_bits"], 2),
        "precision over the session": lambda name, bank: bits(bank["precision_bits"], 2),
        "closed loop": lambda name, bank: bits(bank["closed_loop_bits"], 2),
        "readings per ring": lambda name, bank: f"{bank['readings_per_ring']:g}",
        "instruments' time / s": lambda name, bank: f"{bank['wall_time_s']:g}",
        "computer / s": lambda name, bank: f"{statistics.median(die['took_s'] for die in bank['by_die']):.0f}",
    }
    rows = ((name, found["banks"][name]) for name in names)
    note = (
        f"Bits as median (worst) of the dies, on `{found['bench']}`: 16-bit drivers, 5 pA/√Hz, "
        "readings of a millisecond, 0.1 K rms of "
        "common temperature that forgets itself in ten minutes. The virtual dies are of the fit's own model class."
    )
    return section("Calibration on the standard bench", "calibration", found, note + "\n\n" + table(columns, rows))


def tunable_laser() -> str:
    """Calibration with one tunable laser."""
    found = load("tunable_laser")
    columns = {
        "die": lambda die: die["seed"],
        "accuracy / bits": lambda die: f"{die['accuracy_bits']:.2f}",
        "misses left in / bits": lambda die: f"{die['absolute_bits']:.2f}",
        "closed loop / bits, round by round": lambda die: ", ".join(f"{each:.2f}" for each in die["closed_loop_bits"]),
        "instruments' time / s": lambda die: f"{die['wall_time_s']:.0f}",
        "χ² of the worst bus": lambda die: f"{die['chi2_worst_bus']:.2f}",
        "computer / s": lambda die: f"{die['took_s']:.0f}",
    }
    note = (
        f"The 8×8 of the section above under one laser of 1 pm rms jitter, no modulators: {found['dies']} "
        f"dies, accuracy {bits(found['accuracy_bits'], 2)} bits, median (worst), in "
        f"{found['wall_time_s']['worst'] / 60:.0f} minutes of instruments, commands and dead times included. "
        "A shift that all rows share at one line counts as the laser's miss and is taken out of the measured "
        "weights: these bits do not tell where the lines are. With the misses left in it is "
        f"{bits(found['absolute_bits'], 2)} bits: the jitter of single readings, no error of the chip."
    )
    body = note + "\n\n" + table(columns, zip(found["by_die"]))
    rest = found["untrimmed"]
    note = (
        "Rings anywhere in the FSR, in any order (3 nm of scatter from ring to ring, heaters that warm each other by "
        f"2 %): {rest['dies']} {'die' if rest['dies'] == 1 else 'dies'}, accuracy "
        f"{bits(rest['accuracy_bits'], 2)} bits, in {rest['wall_time_s']['worst'] / 60:.0f} minutes of instruments, "
        "the search by spectra included."
    )
    columns = {"sweeps of the search": lambda die: die["search_sweeps"], **columns}
    columns = {"die": columns.pop("die"), **columns}
    body += f"\n\n{note} `{rest['command']}`, {rest['date']}.\n\n" + table(columns, zip(rest["by_die"]))
    return section("Calibration with one tunable laser", "tunable_laser", found, body)


def fit_cost() -> str:
    """Processor time, memory and waiting of a calibration's fit, by size."""
    found = load("calibration_scaling")

    def ratio(line: dict[str, Any], name: str) -> str:
        return f"{line['now'][name] / line['before'][name]:.2f}" if "before" in line else "–"

    def seconds(line: dict[str, Any]) -> str:
        # A fit that is done once has compiled nothing but the calibration's own few functions.
        return "warm_cpu_s" if "warm_cpu_s" in line["now"] else "first_cpu_s"

    columns = {
        "rows × buses × rings": lambda line: f"{line['rows']} × {line['buses']} × {line['rings']}",
        "settings": lambda line: line["now"]["settings"],
        "fit, processor / s": lambda line: f"{line['now'][seconds(line)]:.2f}",
        "per bus / ms": lambda line: f"{1e3 * line['now'][seconds(line)] / (line['rows'] * line['buses']):.0f}",
        "of the time before": lambda line: ratio(line, seconds(line)),
        "in a fresh process": lambda line: ratio(line, "first_cpu_s"),
        "memory / MiB": lambda line: f"{line['now']['MB']:.0f}",
        "of the memory before": lambda line: ratio(line, "MB"),
        "survey on instruments / s": lambda line: f"{line['bench']['survey_s']:.1f}",
        "wait after it / s": lambda line: f"{line['bench']['wait_s']:.1f}",
        "mean χ²": lambda line: f"{line['now']['chi2_mean']:.2f}",
    }
    commits = sorted({line["before"]["commit"] for line in found["lines"].values() if "before" in line})
    note = (
        f"Before is commit {', '.join(commits)}, on the same machine within the hour. Chips with several buses are on "
        "slow instruments and drift, so temperatures are fitted too; the others stand still. The wait is from "
        "the survey's last reading to the fitted chip, where readings come at the pace of a laboratory's usual "
        "instruments (`characterize.cost`) and the fit begins meanwhile; it includes what JAX compiles. Memory "
        "includes the virtual die. Processor time is that of all cores."
    )
    rows = zip(found["lines"].values())
    return section("What a calibration's fit costs", "calibration_scaling", found, note + "\n\n" + table(columns, rows))


def cold_start() -> str:
    """Commands in fresh processes."""
    found = load("cold_start")
    columns = {
        "in a process of its own": lambda name, one: name,
        "processor / s, before": lambda name, one: f"{one['before']['cpu_s']:.1f}",
        "now": lambda name, one: f"{one['now']['cpu_s']:.1f}",
        "of it": lambda name, one: f"{one['ratio']['cpu']:.2f}",
        "wall / s, before": lambda name, one: f"{one['before']['wall_s']:.1f}",
        "wall now": lambda name, one: f"{one['now']['wall_s']:.1f}",
        "bytecode": lambda name, one: "written before" if one.get("bytecode") else "none",
    }
    note = (
        "Fresh: nothing that JAX compiled is on disk. Second: what the process before left is (the commit before kept "
        "nothing). Others used the machine meanwhile: processor time tells, wall time less. "
        "Both commits take turns in one run; one thread a process. Where Python may write no bytecode, every process "
        "compiles what it imports, 1.4 s for JAX alone: that is what the lines say that had none; `make` leaves it "
        "beside the packages."
    )
    return section("Cold starts", "cold_start", found, note + "\n\n" + table(columns, found["commands"].items()))


def measured_rings() -> str:
    """What is found in public spectra of silicon and silicon nitride rings."""
    found = load("extract")
    law, across = found["gap_law"], found["gap_n_g_range"]

    def left(one: dict[str, Any]) -> str:
        pairs = list(one["residuals_percent"].values())
        return " / ".join(f"{max(values):.2f}" for values in zip(*pairs, strict=True))

    lines = [
        (
            f"{len(found['residuals_percent'])} silicon rings, gaps from 143 nm",
            f"κ² falls by e over {law['decay_nm']:.1f} ± {law['decay_nm_std']:.1f} nm, scatter "
            f"{100 * law['scatter']:.1f} %; loss {law['loss_dB_turn_median']:.4f} dB a turn (spread "
            f"{law['loss_spread']:.4f}); n_g within {across:.4f} of each other",
            left(found),
        ),
        ("`si_rr_mrr3`", f"loaded Q {found['si_rr_mrr3']['q_loaded_median']:,.0f}", left(found["si_rr_mrr3"])),
        (
            "`si_ringmux4ch_C`",
            f"{found['si_ringmux4ch_C']['rings']} rings on one bus; left at 1548 to 1553 nm "
            f"{found['si_ringmux4ch_C']['residual_1548_1553_percent']:.2f} %",
            left(found["si_ringmux4ch_C"]),
        ),
        *(
            (
                f"`{name}`, silicon nitride",
                f"n_g {found[name]['comb']['n_g']:.4f}, slope {found[name]['comb']['dn_g_per_um']:.3f} /µm, comb to "
                f"{found[name]['comb']['rms_pm']:.1f} pm",
                left(found[name]),
            )
            for name in ("sin_r60_g550", "sin_r50_g575")
        ),
    ]
    columns = {
        "files": lambda files, told, residual: files,
        "found": lambda files, told, residual: told,
        "left, through / drop, % of baseline and peak": lambda files, told, residual: residual,
    }
    note = (
        "Spectra of SiEPIC's openEBL (MIT licence), which are not part of this project, by `prism extract`. What is "
        "left is the median over a file's resonances, of the worst file. All files of both folders take "
        f"{found['cpu_s']:.0f} s of processor time and {found['peak_GB']:.2f} GB."
    )
    return section("Measured rings", "extract", found, note + "\n\n" + table(columns, lines))


def error_bars() -> str:
    """Pulls of what `prism extract` tells of rings hidden in simulated sweeps."""
    found = load("error_bars")
    told = {
        "place": "wl_nm",
        "Q": "q_loaded",
        "own Q": "q_intrinsic",
        "κ²": "kappa2_through",
        "loss": "loss_dB_turn",
        "splitting": "splitting_pm",
        "n_g, free spectral range": "fsr_nm",
    }

    def pull(name: str) -> Callable[..., str]:
        return lambda scene, one: f"{one[name]['pull_std']:.2f}" if name in one else "–"

    columns: dict[str, Callable[..., str]] = {"sweeps of a ring": lambda scene, one: scene.replace("_", " ")}
    columns |= {heading: pull(name) for heading, name in told.items()}
    columns["error of κ², %"] = lambda scene, one: f"{100 * one['kappa2_through']['relative_error']:.2g}"
    note = (
        f"Standard deviation of (found − true)/error over {found['sweeps']} simulated sweeps of each kind: a laser "
        "that wanders from step to step, ports of unlike gain, ripple at each, meters with noise. One is what a bar "
        "promises. Of the fit before jitter was in its model; to be measured again."
    )
    return section("Error bars", "error_bars", found, note + "\n\n" + table(columns, found["scenes"].items()))


def splittings() -> str:
    """Which rings are told to split."""
    found = load("splittings")
    columns = {
        "rings": lambda name, one: name,
        "told to split": lambda name, one: f"{one['told']:.1%}",
        "off / pm rms": lambda name, one: f"{one['rms_off_pm']:.1f}" if one["told"] > 0.0 else "–",
        "limit / pm": lambda name, one: f"{one['limit_pm']:.1f}",
        "limit holds": lambda name, one: f"{one['limit_held']:.1%}",
        "jitter left out / pm": lambda name, one: f"{one['left_out_pm']:.1f}",
        "κ² off / %": lambda name, one: f"{one['kappa2_off_percent']:.1f}",
    }
    note = (
        f"{found['rings']} rings of each kind, each swept once behind it at steps of 1 pm by a laser that jitters "
        "by 1 pm rms. A ring that is not told to split gets a limit alone, median over the rings here. Jitter left "
        "out: the splitting that the same fit reads, in the median, where its model knows no jitter. Offsets are of "
        "those that are told, and of κ² the median of all."
    )
    return section(
        "Splittings and jitter", "splittings", found, note + "\n\n" + table(columns, found["scenes"].items())
    )


def die_pulls() -> str:
    """What a die's test structures tell, against what was hidden in it."""
    found = load("die_pulls")
    columns = {
        "number": lambda name, pulls: name,
        "found": lambda name, pulls: pulls["count"],
        "median": lambda name, pulls: f"{pulls['median']:.2f}",
        "spread": lambda name, pulls: f"{pulls['robust']:.2f}",
        "within two error bars": lambda name, pulls: f"{pulls['within_two']:.0%}",
    }
    note = (
        f"`prism measure` of {found['dies']} virtual dies, `prism extract --manifest` of what it wrote, and "
        "the hidden truth: found minus true over the error bar. The spread (1.48 median absolute deviations) "
        "of good error bars is one. Of splittings those count that are told; a single ring's n_g errs by "
        f"{found['pulls']['n_g']['robust']:.1f} of its error bars. Before jitter was in the model, the kind of ripple "
        "told by whole sweeps and the slope's error counted, it erred by 3.4."
    )
    body = note + "\n\n" + table(columns, found["pulls"].items())
    return section("Dies measured and extracted", "die_pulls", found, body)


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
        "other computes them once."
    )
    return section("Row with reflections", "reflecting_row", found, note + "\n\n" + table(columns, zip(found["lines"])))


def electronic() -> str:
    """Exact scans and approximate searches of one machine."""
    found = load("electronic")
    columns = {
        "signatures": lambda line: "Gaussian" if line["set"] == "gaussian" else "keys of the needle model",
        "blocks": lambda line: f"{line['blocks']:,.0f}",
        "dims": lambda line: f"{line['dims']:.0f}",
        "exact scan / µs": lambda line: f"{line['exact_us']:.0f}",
        "8 bits: ratio, recall": lambda line: f"{line['int8_over_exact']:.2f}, {line['int8_recall']:.3f}",
        "inverted file: ratio, lists probed": lambda line: (
            f"{line['inverted_over_exact']:.2f}, {line['probes']:.0f} of {line['lists']:.0f}"
        ),
        "of eight probes: recall": lambda line: f"{line['eight_probes_recall']:.2f}",
        "graph: ratio, visits": lambda line: f"{line['graph_over_exact']:.2f}, {line['graph_visits']:,.0f}",
        "graph built in / ms": lambda line: f"{line['graph_build_ms']:,.0f}",
    }
    law = found["law"]
    note = (
        f"One query at a time on one thread, times over the exact scan's; both searches at a recall@{found['k']} of "
        f"{found['recall']:g}, which is the calibrated bank's. Signatures of this kind have little order that a search "
        "could use: an inverted file has to look into a third to two thirds of its lists, and up to 4,096 blocks "
        "nothing beats reading all. The graph visits "
        f"{law['visits']:.0f}·N^{law['blocks_exponent']:.2f}·(d/32)^{law['dims_exponent']:.2f} signatures, which the "
        "ledger's `ann` charges."
    )
    return section("Selection without light", "electronic", found, note + "\n\n" + table(columns, zip(found["lines"])))


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
    note = (
        f"After {found['drift_pm']['own']:g} pm of own and {found['drift_pm']['common']:g} pm of "
        "common drift, all noise and converters; chance "
        f"{found['chance']:g}. The resonances are taken to be known to "
        f"{found['offset_error_pm']:g} pm rms. {whole['banks']} dies calibrated by the whole "
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
    rows = found["sizes"].items()
    return section("Layout", "layout_sizes", found, table(columns, rows))


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
            (film, split["buses"], f"{split['least_area_mm2']:,.0f}", f"{split['linewidths']:.1f}")
            for split in one["bounds"]
            if film != "tfln600"
        ]
    first = found["films"]["tfln600"]
    note = (
        f"`prism explore paper_32x256 --beat bank_32x256 --trials {first['trials']}`: {first['beaten_by']} "
        f"designs beat the bank in recall, energy and area, {first['cpu_s']:.0f} s of processor time in all. "
        "They are read more slowly than the bank, 100 MHz: the paper's amplifiers are noisier. Beside them "
        "the same search on the two other films, with the most rows of 32 dimensions that were searched."
    )
    table_1 = grid(("film", "rows", "chip", "recall of an eighth", "µJ", "mm²", ""), rows)
    why = (
        "256 rows of 32 dimensions are beyond both: lines have to stand 5 linewidths apart, of the narrowest "
        "line that drift and reach allow, and a stepper's field has 858 mm². No split over buses keeps both:"
    )
    table_2 = grid(("film", "buses", "least area of 256 rows / mm²", "linewidths from line to line, at most"), limits)
    return section("Search for designs", "explore", found, "\n\n".join([note, table_1, why, table_2]))


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
        f"after another, a die of the demonstrator takes {small['before_s_a_die']:.2f} s and one of the bank "
        f"{bank['before_s_a_die']:.0f} s (`results/bank_calibrated.json`, calibration alone): "
        f"{small['ratio']:.0f} and {bank['ratio']:.0f} times as long."
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


def tracking() -> str:
    """An hour of service, tracked or not."""
    found = load("track_hour")
    columns = {
        "film and drift": lambda one, mode, row: one["case"],
        "measured": lambda one, mode, row: one["date"],
        "mode": lambda one, mode, row: mode,
        "held / bits": lambda one, mode, row: f"{row['held_bits']:.1f}",
        "worst check": lambda one, mode, row: f"{row['held_bits_worst']:.1f}",
        "freshly programmed / bits": lambda one, mode, row: f"{row['fresh_bits']:.1f}",
        "of a laboratory's time": lambda one, mode, row: f"{row['duty_laboratory']:.2%}",
    }
    rows = ((one, mode, row) for one in found["cases"] for mode, row in one["median_over_dies"].items())
    return section("Holding weights while a chip drifts", "track_hour", found, table(columns, rows))


def held_out() -> str:
    """The behavioral model against dies that its fit never saw."""
    found = load("held_out")
    head = (
        "die",
        "KS p: Gaussian",
        "real",
        "noise, model / chip",
        "recall, Gaussian: chip",
        "model",
        "real: chip",
        "model",
    )
    rows = [tuple(die.values()) for die in found["dies"]]
    note = (
        f"The demonstrator, fitted on die {found['fitted_on_die']}; p-values of the Kolmogorov–Smirnov test of the "
        "score errors."
    )
    return section("The behavioral model on dies it never saw", "held_out", found, note + "\n\n" + grid(head, rows))


def needles() -> str:
    """The needle table of both models."""
    found = load("needle_table")
    note = (
        "1 block in 8 chosen per layer and KV head, one needle in 128 tokens. Accuracy / needle "
        "hit; chance 0.125. The chips are *calibrated* virtual dies: "
        "die 0 of `bank_32x256` for everything signed, die 0 of `bank_64x64_dual` for the "
        "bounds. The models are ours: two layers, 131,904 parameters, "
        "*selectable* trained with block selection in the loop, *plain* without."
    )
    parts = [note]
    for model in ("selectable", "plain"):
        groups = {point: found["groups"].get(f"{model} {point[0]} {point[1]}", []) for point in POINTS}
        points = [point for point in POINTS if groups[point]]
        head = (f"*{model}*", *(f"{context // 1024}K, blocks of {block}" for context, block in points))
        rows = []
        for name in SELECTORS:
            cells = [next((row for row in groups[point] if row["selector"] == name), None) for point in points]
            if any(cells):
                rows.append(
                    (f"`{name}`", *(f"{cell['accuracy']:.2f} / {cell['hit']:.2f}" if cell else "–" for cell in cells))
                )
        parts.append(grid(head, rows))
    return section("Needles in a language model", "needle_table", found, "\n\n".join(parts))


def selector() -> str:
    """The torch selector against a plain product and top-k."""
    found = load("selector_cost")
    lines = found["lines"]
    blocks = sorted({line["blocks"] for line in lines})
    kinds = list(
        dict.fromkeys(
            (line["encoding"], line["line_noise"] > 0, line["road"], line["banks"], line["queries"]) for line in lines
        )
    )
    head = ("encoding", "noise of single lines", "road", "banks × queries", *(f"{count:,} blocks" for count in blocks))
    rows = []
    for kind in kinds:
        of_kind = [
            line
            for line in lines
            if (line["encoding"], line["line_noise"] > 0, line["road"], line["banks"], line["queries"]) == kind
        ]
        ratio = {line["blocks"]: line["ratio"] for line in of_kind}
        encoding, noisy, road, banks, queries = kind
        cells = (f"{ratio[count]:.2f}" if count in ratio else "–" for count in blocks)
        rows.append((encoding, "yes" if noisy else "no", road, f"{banks} × {queries}", *cells))
    drawn = [line for line in lines if line["road"] == "noise drawn inside"]
    inside = [line["ratio_to_called"] for line in drawn]
    called = [line["ratio_to_compiled"] for line in lines if line["road"] == "called" and line["queries"] > 1]
    buffers = max(line["buffers_over_signatures"] for line in lines)
    low, high = found["load_average"]
    note = (
        "Time of `PhotonicSelector` over that of one product and top-k on the same tensors; "
        f"{found['dims']} dims, k = {found['k']}, torch {found['torch']}, load of the machine {low:.1f} to {high:.1f}. "
        f"Called, it takes {min(called):.2f} to {max(called):.2f} of the time compiled where several ask. With noise "
        f"drawn inside it takes {min(inside):.2f} to {max(inside):.2f} of the time with noise handed in. All buffers "
        f"together take {buffers:.2f} of the signatures' memory."
    )
    columns = {
        "tokens": lambda line: f"{line['tokens']:,}",
        "dense / ms": lambda line: f"{line['dense_ms']:.0f}",
        "chosen blocks / ms": lambda line: f"{line['sparse_ms']:.0f}",
        "ratio": lambda line: f"{line['ratio']:.2f}",
    }
    decode = (
        "One decode step of a random Llama of SmolLM2-135M's shape, 32 blocks of 16 tokens chosen in every layer, "
        "against the same model over everything; median of the turns' ratios."
    )
    body = "\n\n".join((note, grid(head, rows), decode, table(columns, zip(found["decode"]))))
    return section("Selector against a plain product and top-k", "selector_cost", found, body)


def section(title: str, name: str, found: dict[str, Any], body: str) -> str:
    """One section: where its figures come from, then they."""
    return (
        f"## {title}\n\n`{found['command']}`, {found['date']}, {found['hardware']} (`results/{name}.json`).\n\n{body}"
    )


def table(columns: Mapping[str, Callable[..., Any]], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table: each column makes its cell from a row."""
    return grid(tuple(columns), [[cell(*row) for cell in columns.values()] for row in rows])


def grid(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table of cells."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def bits(found: dict[str, float], digits: int = 1) -> str:
    """Median (worst)."""
    return f"{found['median']:.{digits}f} ({found['worst']:.{digits}f})"


def case(found: dict[str, Any], name: str) -> dict[str, Any]:
    """One case of the tracking benchmark."""
    return next(one for one in found["cases"] if one["case"] == name)


def load(name: str) -> dict[str, Any]:
    """A result file."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def made() -> dict[Path, str]:
    """The files that this script writes, with what they should hold."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return {
        ROOT / "docs" / "benchmarks.md": page(),
        readme: f"{before}{BEGIN}\n{readme_table()}\n{END}{after}",
    }


def main() -> int:
    """Write the files, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when a file is stale")
    check = parser.parse_args().check
    stale = [path for path, text in made().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)}: {'is stale; run python benchmarks/page.py' if check else 'written'}")
        if not check:
            path.write_text(made()[path], encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
