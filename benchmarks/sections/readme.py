"""The README's table of results."""

from typing import Any

from sections.tables import bits, case, load, of_which


def readme_table() -> str:
    """The README's table of results."""
    demo_8x8, drawn, solver = load("demo_seeds"), load("layout_sizes"), load("row_solver")
    standard, recall, hour = load("calibration"), load("bank_recall"), load("track_hour")
    laser = load("tunable_laser")
    held = {one["chip"]: one for one in load("ring_second_mode")["chips"]}
    readings = demo_8x8["dies"][0]["readings_per_ring"]
    slow = case(hour, "LiNbO3, slow 0.1 K")["median_over_dies"]
    days = {"track_hour": case(hour, "LiNbO3, slow 0.1 K")["date"]}
    works, paper = recall["recall_at_32"]["bank_32x256"], recall["recall_at_32"]["paper_32x256"]
    first, last = (solver["lines"][i] for i in (0, -1))
    error = max(line["max_field_error"] for line in solver["lines"])
    full = load("full_die")["banks"]
    bench = {"1 pm": full["8x8"]["1"], "5 pm": full["8x8"]["5"], "four buses": full["4x8"]["1"]}
    plain = [f"{roads['plain']['median']:.1f} ({name})" for name, roads in bench.items() if "plain" in roads]
    real = load("smollm2_table")["groups"]
    one, four = ({row["selector"]: row for row in real[f"{task} 2048"]} for task in ("pass_key", "multi_key"))
    chip = [task[f"photonic_half_of_parts {block}"] for task in (one, four) for block in (64, 128)]
    long = [
        next(row for row in real[f"{task} 4096"] if row["selector"] == f"photonic_half_of_parts {block}")
        for task in ("pass_key", "multi_key", "text")
        for block in (64, 128)
    ]

    def found(name: str) -> str:
        return " and ".join(f"{task[name]['all_right']:.2f}" for task in (one, four))

    others = load("full_banks")["chips"]
    smooth, film, circles = others["adiabatic"], others["adiabatic_film"]["te_tm"], others["circles"]["1"]

    def dies(kind: str) -> str:
        return f"{smooth[kind]['median']:.1f} ({smooth[kind]['worst']:.1f})"

    rows = [
        (
            "right answers of SmolLM2-135M, asked for a pass key, and for one of four keys, in 2,048 tokens; it reads "
            "1 in 8 blocks of 64 and of 128 tokens; the chip scores rows of 16, and exact attention decides by the "
            "better half of them",
            "a pass key {:.2f} and {:.2f}, one of four {:.2f} and {:.2f}".format(*(row["all_right"] for row in chip))
            + f" ({chip[0]['trials']} and {chip[2]['trials']} questions)",
            f"full attention {chip[0]['full_all_right']:.2f} and {chip[2]['full_all_right']:.2f} of the same; at 64 "
            f"the chip's scores alone {found('photonic_soft_rows 64')}, one mean key a block {found('mean_key 64')} "
            f"(of {one['mean_key 64']['trials']} and {four['mean_key 64']['trials']})",
            "smollm2_table",
        ),
        (
            "the same in 4,096 tokens, of fewer texts",
            "a pass key {} and {}, one of four {} and {}".format(*map(_right, long[:4]))
            + f" (95 % intervals, {long[0]['texts']} and {long[2]['texts']} texts)",
            f"full attention {round(long[0]['full_all_right'] * long[0]['trials'])} and "
            f"{round(long[2]['full_all_right'] * long[2]['trials'])} of the same; how {long[4]['texts']} texts go on "
            f"loses {_lost(long[4])} and {_lost(long[5])} nats a token",
            "smollm2_table",
        ),
        (
            "weight accuracy of full dies on the standard bench, each on a film as thick as it was made, with all that "
            "bends turn of TE to TM: rings split by 1 pm and by 5 pm, and four buses of eight, split by 1 pm",
            " and ".join(
                f"{roads['reflecting']['median']:.1f} ({roads['reflecting']['worst']:.1f})" for roads in bench.values()
            )
            + f" bits, {', '.join(str(roads['reflecting']['dies']) for roads in bench.values())} dies",
            f"by the plain row's fit alone: {', '.join(plain)}",
            "full_die",
        ),
        (
            "the same of the demonstrator's rings, on the paper's film: as made, where it is as thick as drawn, and "
            "there with the second mode of rings and buses in TM's place",
            f"{film['median']:.1f} ({film['worst']:.1f}), {dies('te_tm')} and {dies('te1')} bits, "
            f"{film['dies']}, {smooth['te_tm']['dies']} and {smooth['te1']['dies']} dies",
            f"as drawn, split by 5 pm: {dies('te_tm_5pm')}; circles: {circles['median']:.1f}",
            "full_banks",
        ),
        (
            "weight accuracy of dies of the fit's own model class, the demo's, all rings moving, open loop",
            f"{bits(demo_8x8['accuracy_bits'])} bits, median (worst) of {len(demo_8x8['dies'])} dies",
            f"{readings:g} readings per ring",
            "demo_seeds",
        ),
        (
            "such dies on slow instruments in a drifting room: 8 rings on a bus, and 4 buses of 8",
            f"{bits(standard['banks']['8x8']['accuracy_bits'])} and "
            f"{bits(standard['banks']['4x8']['accuracy_bits'])} bits, "
            f"{standard['banks']['8x8']['dies']} and {standard['banks']['4x8']['dies']} dies",
            f"{standard['banks']['8x8']['readings_per_ring']:g} and "
            f"{standard['banks']['4x8']['readings_per_ring']:g} readings per ring",
            "calibration",
        ),
        (
            "the 8 rings on a bus with one tunable laser of 1 pm rms jitter, no modulators",
            f"{bits(laser['accuracy_bits'])} bits, {laser['dies']} die{'s' * (laser['dies'] > 1)}",
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
            "rings as drawn, by the second mode of their rib of 1.4 µm: circles of 20 µm (`circles_8x8`), and those of "
            "the paper's point",
            " and ".join(f"{held[name]['spoiled']:.0%}" for name in ("circles_8x8", "paper_32x256"))
            + " lose half of their range or more",
            f"{held['demo_8x8']['spoiled']:.0%} of the demonstrator's, whose curvature grows",
            "ring_second_mode",
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
        kept = load(name)
        # A name that means another chip by now stands with the rings that were measured.
        then = of_which(kept["banks"]["8x8"] if name == "calibration" else kept)
        lines.append(f"| {what} | {value} | {note} | {days.get(name) or kept['date']}{then}, {script} |")
    return "\n".join(lines)


def _right(row: dict[str, Any]) -> str:
    """Right answers of those asked, and what both intervals span: resampled, answers all right have one of no width."""
    low, high = min(row["low"], row["text_low"]), max(row["high"], row["text_high"])
    return f"{round(row['all_right'] * row['trials'])} of {row['trials']} ({low:.2f}–{high:.2f})"


def _lost(row: dict[str, Any]) -> str:
    """Likelihood lost against full attention, with its interval."""
    return f"{row['delta_nll']:+z.3f} ({row['nll_low']:+z.2f} to {row['nll_high']:+z.2f})"
