"""Measured spectra, and what is told of them."""

from collections.abc import Callable
from typing import Any

from sections.tables import load, section, table


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
        "left is the median over a file's resonances, of the worst file. All files of both folders, side by side, "
        f"take {found['cpu_s']:.0f} s of processor time and {found['peak_GB']:.2f} GB in all processes."
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
        f"Standard deviation of (found − true)/error over {found['sweeps']} simulated sweeps of each kind, on whose "
        "seeds no constant of the fit was chosen: a laser "
        "that wanders from step to step, ports of unlike gain, ripple at each, meters with noise. One is what a bar "
        "promises. A wander that is alike over many steps is told by few lines, and so are its bars."
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
        "rms": lambda name, pulls: f"{pulls['rms']:.2f}",
        "within two error bars": lambda name, pulls: f"{pulls['within_two']:.0%}",
    }
    note = (
        f"`prism measure` of {found['dies']} virtual dies, `prism extract --manifest` of what it wrote, and "
        "the hidden truth: found minus true over the error bar. The spread (1.48 median absolute deviations) "
        "of good error bars is one, as is the root mean square; of thirty the spread itself errs by a fifth, the root "
        "mean square by an eighth. Of splittings those count that are told, with what that choice makes of them "
        "taken out; squared splittings are of all rings. A single ring's n_g errs by "
        f"{found['pulls']['n_g']['robust']:.1f} of its error bars, of which the five "
        "rings of a sweep share a part, the axis's."
    )
    body = note + "\n\n" + table(columns, found["pulls"].items())
    return section("Dies measured and extracted", "die_pulls", found, body)
