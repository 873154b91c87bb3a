"""Calibration and tracking: how good, how long."""

import statistics
from collections.abc import Callable, Collection
from typing import Any

from sections.tables import bits, load, of_which, section, table


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


# Median and worst die that issue 16 asks of full dies with TE and TM on, by bank and splitting.
ASKED_BITS = {("8x8", "1"): (11.0, 10.0), ("8x8", "5"): (10.0, 9.0), ("4x8", "1"): (10.5, 9.5)}
BANK_NAMES = {"8x8": "8 rows of one bus of 8", "4x8": "8 rows of 4 buses of 8"}


def full_dies() -> str:
    """Calibration of dies that have more than the plain row knows."""
    found = load("full_die")
    rows = [
        (bank, splitting, roads["reflecting"], roads.get("plain"))
        for bank in BANK_NAMES
        for splitting, roads in sorted(found["banks"][bank].items(), key=lambda case: float(case[0]))
    ]

    def of_plain(plain: dict[str, Any] | None, told: Callable[[dict[str, Any]], str]) -> str:
        return told(plain) if plain else "not asked"

    def drawn(full: dict[str, Any]) -> list[dict[str, Any]]:
        return [die for die in full["by_die"] if die.get("drawn_facets")]

    both = [die for _, _, *roads in rows for one in roads if one for die in drawn(one) if "bits_before" in die]
    moved = [die["accuracy_bits"] - die["bits_before"] for die in both]
    columns = {
        "bank": lambda bank, splitting, full, plain: BANK_NAMES[bank],
        "splitting / pm": lambda bank, splitting, full, plain: splitting,
        "dies": lambda bank, splitting, full, plain: f"{full['dies']}",
        "with facets as drawn": lambda bank, splitting, full, plain: f"{len(drawn(full))}",
        "accuracy, open loop / bits": lambda bank, splitting, full, plain: spelled(full),
        "wanted": lambda bank, splitting, full, plain: (
            "{:.1f} ({:.1f})".format(*ASKED_BITS[bank, splitting]) if (bank, splitting) in ASKED_BITS else "–"
        ),
        "by the plain row's fit alone": lambda bank, splitting, full, plain: of_plain(
            plain, lambda one: f"{spelled(one)}, {one['dies']} {'die' if one['dies'] == 1 else 'dies'}"
        ),
        "χ² of the median bus": lambda bank, splitting, full, plain: f"{full['chi2_median_bus']:.0f}",
        "by the plain row": lambda bank, splitting, full, plain: of_plain(
            plain, lambda one: f"{one['chi2_median_bus']:.0f}"
        ),
        "rings whose line no fit explains": lambda bank, splitting, full, plain: of_asked(
            [die["spoiled_rings"] for die in full["by_die"] if "spoiled_rings" in die], full["dies"]
        ),
        "rings left out": lambda bank, splitting, full, plain: (
            f"{sum(die['excluded_rings'] for die in full['by_die'])}"
        ),
        "readings per ring": lambda bank, splitting, full, plain: f"{full['by_die'][0]['readings_per_ring']:g}",
        "processor / s": lambda bank, splitting, full, plain: f"{full['survey_and_fit_s']:.0f}",
        "plain": lambda bank, splitting, full, plain: of_plain(plain, lambda one: f"{one['survey_and_fit_s']:.0f}"),
    }
    note = (
        '`VirtualChip(truth="full")` and TE–TM conversion on (`te_tm=1`), each die on a film as thick as it was made, '
        f"with rings of a median splitting of so much, on `{found['bench']}`; bits as median (worst) over the dies, "
        "with the fit as it is and, of the same dies, with that of the plain row alone. Processor time is that of "
        "survey and fit, the virtual chip's own included. Facets were −53 dB at a row until they became the drawn "
        f"ones', −43 dB: {len(moved)} dies measured with both differ by {min(moved):+.3f} to {max(moved):+.3f} bits, "
        f"{statistics.fmean(moved):+.3f} in the mean."
    )
    return section("Calibration of full dies", "full_die", found, note + "\n\n" + table(columns, rows))


def of_asked(counts: list[int], dies: int) -> str:
    """Their sum, and of how many dies it was asked, if not of all."""
    return f"{sum(counts)}" + (f", of {len(counts)} dies" if len(counts) < dies else "")


def spelled(of_dies: dict[str, Any]) -> str:
    """Bits in the median and at worst."""
    return f"{of_dies['median']:.2f} ({of_dies['worst']:.2f})"


def full_banks() -> str:
    """Calibration of full dies of other chips."""
    found = load("full_banks")
    chips = found["chips"]
    names = {
        ("adiabatic", "te_tm"): "`demo_8x8`, all of the TE–TM mixing; 1 pm",
        ("adiabatic", "te_tm_5pm"): "the same; 5 pm",
        ("adiabatic_film", "te_tm"): "`demo_8x8`, all of the mixing, films as thick as each die's own; 1 pm",
        ("standard", "te1"): "the standard bench with TE1 in rings and buses in TM's place; 1 pm",
        ("adiabatic_film", "te_tm_5pm"): "on their own films; 5 pm",
        ("adiabatic_film_4x8", "te_tm"): "on their own films, 8 rows of 4 buses; 1 pm",
        ("adiabatic", "te1"): "the same chip with TE1 in rings and buses in TM's place; 1 pm",
        ("adiabatic_plain_buses", "te1"): "the same without necks in the buses; 1 pm",
        ("adiabatic_4x8", "te_tm"): "`demo_8x8`, 8 rows of 4 buses, all of the mixing; 1 pm",
        ("arms", "1"): "`circles_8x8` with arms between the quarter turns, TE and TM mixed; splitting 1 pm",
        ("arms", "5"): "the same; 5 pm",
        ("circles", "0.1"): "`circles_8x8`, a tenth of the mixing; 1 pm",
        ("circles", "1"): "`circles_8x8`, all of the mixing; 1 pm",
        ("4x8", "1"): "`circles_8x8`, 8 rows of 4 buses, without TM; 1 pm",
        ("single_mode", "1"): "`single_mode_8x8`, without TM; 1 pm",
        ("single_mode", "5"): "the same; 5 pm",
        ("single_mode", "te_tm"): "the same, all of the mixing; 1 pm",
    }

    def others(dies: list[dict[str, Any]]) -> str:
        measured = [die["bits_of_other_rings"] for die in dies if "bits_of_other_rings" in die]
        of = "" if len(measured) == len(dies) else f", of {len(measured)}"
        return f"{statistics.median(measured):.2f} ({min(measured):.2f}){of}" if measured else "not asked"

    rows = [(names[chip, kind], each) for chip, kinds in chips.items() for kind, each in kinds.items()]
    columns = {
        "full dies": lambda name, each: name,
        "number": lambda name, each: f"{each['dies']}",
        "accuracy, open loop": lambda name, each: spelled(each),
        "χ² of the median bus": lambda name, each: f"{each['chi2_median_bus']:.0f}",
        "without rings whose line no fit explains": lambda name, each: others(each["by_die"]),
        "such rings": lambda name, each: ", ".join(f"{die.get('spoiled_rings', '–')}" for die in each["by_die"]),
        "rings left out": lambda name, each: ", ".join(f"{die['excluded_rings']}" for die in each["by_die"]),
        "readings per ring": lambda name, each: f"{each['by_die'][0]['readings_per_ring']:g}",
    }
    note = f"`VirtualChip(truth=FullTruth(…))`, instruments of `{found['bench']}`; bits as median (worst). "
    note += "TM is mixed as on the drawn film, but where the film's own thickness is said. "
    every = [die for _, each in rows for die in each["by_die"]]
    drawn = sum(die.get("drawn_facets", False) for die in every)
    note += (
        f"Facets of {drawn} of these {len(every)} dies are the drawn ones; the others' were −53 dB at a row of circles."
    )
    return section("Full dies of other chips", "full_banks", found, note + "\n\n" + table(columns, rows))


def film_dies() -> str:
    """Full dies whose film relaxes otherwise than its profile says."""
    found, profiles = load("film_dies"), load("full_die")["banks"]["8x8"]["1"]["reflecting"]["by_die"]
    known = {die["seed"]: die["accuracy_bits"] for die in profiles if die.get("drawn_facets")}
    columns = {
        "standard deviation of every share's and time's logarithm": lambda log, dies: log,
        "dies": lambda log, dies: len(dies),
        "accuracy, open loop / bits": lambda log, dies: ", ".join(f"{die['accuracy_bits']:.2f}" for die in dies),
        "the same dies, the profile's film": lambda log, dies: ", ".join(f"{known[die['seed']]:.2f}" for die in dies),
        "χ² of the median bus": lambda log, dies: ", ".join(f"{die['chi2_median_bus']:.1f}" for die in dies),
    }
    note = (
        "The dies of 8 rows of one bus of 8 above, split by 1 pm, each with shares and times of its own "
        "(`FullTruth(film_log=…)`); a calibration knows one factor of its profile's."
    )
    rows = ((log, dies) for log, dies in found["by_log"].items() if dies)
    return section("Dies with films of their own", "film_dies", found, note + "\n\n" + table(columns, rows))


COUPLERS = ("kappa2_through", "kappa2_drop")


def full_pulls() -> str:
    """How honest a calibration's error bars are on full dies, and what their fit costs over a plain one's."""
    found = load("full_pulls")
    full, model = found["pulls"]["full"], found["pulls"]["model"]
    columns = {
        "found": lambda name: f"`{name}`",
        "number": lambda name: f"{full[name]['count']}",
        "full dies: median": lambda name: f"{full[name]['median']:.2f}",
        "robust spread": lambda name: f"{full[name]['robust']:.2f}",
        "rms": lambda name: f"{full[name]['rms']:.2f}",
        "within two error bars": lambda name: f"{100.0 * full[name]['within_two']:.0f} %",
        "plain dies: robust spread": lambda name: f"{model[name]['robust']:.2f}",
        "their rms": lambda name: f"{model[name]['rms']:.2f}",
    }
    cost = found["cpu_s_a_die"]["full"] / found["cpu_s_a_die"]["model"]
    light = ""
    if "light_cpu_s_a_die" in found:
        whole, own = found["cpu_s_a_die"], found["light_cpu_s_a_die"]
        fit = (whole["full"] - own["full"]) / (whole["model"] - own["model"])
        light = (
            f" ({whole['full']:.1f} and {whole['model']:.1f} s); of that the virtual dies take {own['full']:.2f} and "
            f"{own['model']:.2f} s for their own light, and without it the ratio is {fit:.1f}"
        )
    count, mirrored, others = model["loss"]["count"], found["mirrored"], found["pulls_of_others"]
    apart = {truth: " and ".join(f"{others[truth][name]['rms']:.2f}" for name in COUPLERS) for truth in others}
    note = (
        f'Found minus hidden over the error bar, {found["dies"]} dies of `truth="full"` on the standard bench and the '
        "same dies without; of good error bars the spread is one, and offsets have one common temperature on each die. "
        f"Survey and fit of a full die take {cost:.1f} times the processor time of a plain one's, side by side{light}. "
        "What couplers split between them is told by how dark a through port is on resonance, (t₁ − t₂·a)², which is "
        "as dark for the negative of t₁ − t₂·a; only the other rings' weak light tells the sign. A fit begins with the "
        f"design's, and {mirrored['full']} of {count} rings of full dies, {mirrored['model']} of plain ones, are found "
        "with the wrong one: the one coupler too weak by what the other is too strong, which leaves currents, and so "
        f"weights, as they are. Without those rings the rms of both couplers is {apart['full']}, of plain dies "
        f"{apart['model']}: error bars count the other root (`calibration.error_bars`), which these rings have not. "
        "Pulls of crosstalk spread more evenly than Gaussian ones, their middle is wide where their mean square is "
        "right: it is off by what the fit leaves out, not by noise."
    )
    if "drawn_facets" not in found:
        note += " Facets of these dies were −53 dB at a row of circles, not yet the drawn ones."
    rows = ((name,) for name in full)
    return section(
        "Error bars of a calibration on full dies", "full_pulls", found, note + "\n\n" + table(columns, rows)
    )


def standard_bench() -> str:
    """Calibration in a laboratory's conditions."""
    found = load("calibration")
    names = {
        **BANK_NAMES,
        "32x256": "all 256 rows of 4 buses of 8",
        "16": "8 rows of 16 rings, a good 5 linewidths apart",
    }
    columns = {
        "bank": lambda name, bank: names[name] + (of_which(bank) or (", at gaps 16 nm wider" if name == "16" else "")),
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
    for mark, then in sorted(
        {(of_which(bank), bank["chip_then"]) for bank in found["banks"].values() if "chip_then" in bank}
    ):
        note += f" *{mark.removeprefix(', ').capitalize()}*: {then}."
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
        f"An 8×8 in the room of the section above, one laser of 1 pm rms jitter, no modulators: {found['dies']} "
        f"{'die' if found['dies'] == 1 else 'dies'}, accuracy {bits(found['accuracy_bits'], 2)} bits, median (worst), "
        f"in {found['wall_time_s']['worst'] / 60:.0f} minutes of instruments, commands and dead times included. "
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
        f"the search by spectra included{of_which(rest)}."
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
        "load of the machine then": lambda line: f"{line['bench']['load']:.0f}" if "load" in line["bench"] else "–",
        "mean χ²": lambda line: f"{line['now']['chi2_mean']:.2f}",
    }
    commits = sorted({line["before"]["commit"] for line in found["lines"].values() if "before" in line})
    late = [name for name, line in found["lines"].items() if line["bench"]["wait_s"] > 10.0]
    note = (
        f"Before is commit {', '.join(commits)}, on the same machine the same day. Chips are "
        "`circles_8x8` of other sizes; those with several buses are on the standard bench's slow instruments and "
        "drift, so temperatures are fitted too. The wait is from "
        "the survey's last reading to the fitted chip, where readings come at the pace of a laboratory's usual "
        "instruments (`characterize.cost`) and the fit begins meanwhile; it includes what JAX compiles. Memory "
        "includes the virtual die, and workers. Processor time is that of all cores and workers. The largest chip's "
        "survey is over before its fit has well begun: nearly all of the wait is work that no order of readings takes "
        "away. Two threads share steps of NumPy this short in name only (they wait for the interpreter), so on "
        "three cores or more chips of over 280 buses of eight rings share their fit with worker processes, one on each "
        "other core"
        f"{by_cores(found['lines'].values())}. The waits were measured one after the other, with priority over what "
        f"else ran; beyond 10 s are those of {' and '.join(late)}."
    )
    rows = zip(found["lines"].values())
    body = "\n\n".join((note, table(columns, rows), kept()))
    return section("What a calibration's fit costs", "calibration_scaling", found, body)


def by_cores(lines: Collection[dict[str, Any]]) -> str:
    """The wait on one core, on all, without workers, and after a slow survey, where it was measured."""
    told = [
        f": {line['rows']} rows wait {line['bench_one_core']['wait_s']:.0f} s on one core, "
        f"{line['bench']['wait_s']:.0f} s on {line['bench']['cores']}, and {line['bench_workers']['wait_s']:.0f} s "
        "there with a worker on each core but one"
        for line in lines
        if "bench_one_core" in line
    ]
    slow = [
        f". A survey of {line['rows']} rows that takes {line['bench_slow']['survey_s']:.0f} s is waited for "
        f"{line['bench_slow']['wait_s']:.1f} s on {line['bench_slow']['cores']} cores (load "
        f"{line['bench_slow']['load']:.0f}): the search is over before its last reading"
        for line in lines
        if "bench_slow" in line
    ]
    return "".join(told + slow)


def kept() -> str:
    """Bits and pulls of the same dies at two commits."""
    found = load("calibration_kept")
    dies, pulls = found["dies"], found["pulls"]
    moved = max(abs(die["bits_now"] - die["bits_before"]) for die in dies)
    note = (
        f"The same calibration? {len(dies)} dies of `{found['spec']}` at commit {found['commit']} and now "
        f"(`{found['command']}`, {found['date']}; `results/calibration_kept.json`): accuracy bits "
        + ", ".join(f"{die['bits_before']:.3f}" for die in dies)
        + f" before, and within {moved:.0e} of that now. Pulls, an error over its standard error:"
    )
    columns = {
        "pull of": lambda name, one: name,
        "rms before": lambda name, one: f"{one['rms_before']:.3f}",
        "rms now": lambda name, one: f"{one['rms_now']:.3f}",
        "largest change of one": lambda name, one: f"{one['largest_change']:.0e}",
    }
    return note + "\n\n" + table(columns, pulls.items())


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
        "processor now, of `demo_8x8` / s": lambda name, one: (
            f"{one['demo_8x8']['cpu_s']:.1f}" if "demo_8x8" in one else "–"
        ),
        "measured": lambda name, one: one["date"],
        "bytecode": lambda name, one: "written before" if one.get("bytecode") else "none",
    }
    note = (
        "The chip is `circles_8x8`: the commit before cannot read the spec of today's `demo_8x8`, whose racetracks, "
        "arms and necks it does not know. Fresh: nothing that JAX compiled is on disk. Second: what the process before "
        "left is (the commit before kept nothing). Others used the machine meanwhile: processor time tells, wall time "
        "less. Both commits take turns in one run; one thread a process. Where Python may write no bytecode, every "
        "process compiles what it imports: that is what the lines say that had none; `make` leaves it beside the "
        "packages."
    )
    return section("Cold starts", "cold_start", found, note + "\n\n" + table(columns, found["commands"].items()))


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
