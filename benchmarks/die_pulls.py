"""The loop over virtual dies: what `prism measure` hides and `prism extract --manifest` finds, as pulls.

    python benchmarks/die_pulls.py [DIES] [--json]

Every die is the demonstrator's on a film that is not as promised; its test structures are swept by the simulated laser
and extracted. A pull is found minus hidden over the error bar: of good error bars pulls scatter by one. ``--json``
prints what `results/die_pulls.json` keeps, which has the median and the robust spread (1.4826 median absolute
deviations), the root mean square, and the share within two error bars.
"""

import datetime
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from prism_photonics.laboratory.die_profile import designs_of
from prism_photonics.laboratory.splitting import mean_of
from prism_photonics.process.profile import read_measured
from prism_photonics.spec import load_spec
from prism_photonics.workflow.extract_die import DieRequest, DieResult, run_die
from prism_photonics.workflow.measure import Request, run, structures_of

DIES = 6
FILM = {"n_eff_along_x": 1.9953, "n_eff_along_y": 1.9223, "n_g_along_x": 2.372, "n_g_along_y": 2.282}
FILM |= {"loss_dB_cm": 0.8, "coupling_per_um": 0.0042}
STRUCTURES = "loopback,reference,cutback,gap_sweep,length_sweep"


def main() -> None:
    """Measure and extract dies, and print the pulls."""
    given = [word for word in sys.argv[1:] if word != "--json"]
    dies, spec = int(given[0]) if given else DIES, load_spec("demo_8x8")
    pulls: dict[str, list[float]] = {}
    start = time.process_time()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [f'{key} = {{ value = {value}, source = "the film that came out" }}' for key, value in FILM.items()]
        (folder / "film.toml").write_text("\n".join(['base = "tfln600"', "[optics]", *lines]), encoding="utf-8")
        film = read_measured(str(folder / "film.toml"))
        for seed in range(dies):
            lab = folder / f"lab_{seed}"
            asked = Request(Path("demo_8x8"), f"virtual:{seed}", structures=STRUCTURES, film=str(folder / "film.toml"))
            run(asked, lab, say=lambda line: None)
            found = run_die(
                DieRequest(lab / "manifest.csv", lab, Path("demo_8x8")), folder / f"found_{seed}", say=lambda line: None
            )
            hidden = structures_of(spec, seed=seed, film=film)
            for key, each in of_die(found, hidden, designs_of(spec)).items():
                pulls.setdefault(key, []).extend(each)
    figures = {
        "dies": dies,
        "cpu_s_a_die": (time.process_time() - start) / dies,
        "pulls": {key: figures_of(np.array(each)) for key, each in pulls.items()},
    }
    if "--json" in sys.argv:
        head = {
            "command": f"python benchmarks/die_pulls.py {dies} --json",
            "date": datetime.date.today().isoformat(),
            "hardware": f"{os.cpu_count()} cores, {platform.machine()}",
        }
        print(json.dumps({**head, **figures}, indent=1))
        return
    for key, value in figures.items():
        print(f"{key}: {value}")


def of_die(found: DieResult, hidden: dict[str, Any], designs: dict[str, Any]) -> dict[str, list[float]]:
    """Pulls of one die, of its rings and of what they tell together.

    Splittings are told where they stand out, so that those of little splitting are told where noise made it more; the
    squares of all rings have no such choice.
    """
    names = ("kappa2", "loss_dB_turn", "n_g", "splitting_pm", "squared_splitting")
    series, pulls = found.series, {name: [] for name in names}
    records = {record.name: record.rings[0] for part in found.parts for record in part.records}
    indices = []
    for ring in series.rings:
        sweep, n = ring.name.rpartition("_ring_")[0], int(ring.name.rpartition("_")[2])
        rings, splitting_pm = hidden[sweep].rings.rings, hidden[sweep].rings.splitting_pm
        truth = {
            "kappa2": 1.0 - rings.t1[n] ** 2,
            "loss_dB_turn": -20.0 * np.log10(rings.a[n]),
            "n_g": rings.gpl_um[n] / designs[ring.name].length_um,
            "splitting_pm": splitting_pm[n],
        }
        indices.append(truth["n_g"])
        seen = records[ring.name]
        square = mean_of([seen.resonances[k].squared_splitting for k in seen.bright])
        off_pm2 = square.real_pm2 - truth["splitting_pm"] ** 2
        pulls["squared_splitting"].append(float(off_pm2 / np.sqrt(square.real_variance_pm4)))
        for key, value in truth.items():
            pull = (getattr(ring, key) - value) / getattr(ring, f"{key}_std")
            if np.isfinite(pull):
                pulls[key].append(float(pull))
    together = {
        "film_loss_dB_cm": (series.loss_dB_cm, FILM["loss_dB_cm"]),
        "film_n_g": (series.n_g and (series.n_g.value, series.n_g.std), float(np.mean(indices))),
        "film_n_eff": (series.n_eff, FILM["n_eff_along_x"]),
    }
    return pulls | {key: [(got[0] - want) / got[1]] for key, (got, want) in together.items() if got is not None}


def figures_of(pulls: np.ndarray) -> dict[str, float]:
    """What a set of pulls comes to."""
    middle = float(np.median(pulls))
    return {
        "count": len(pulls),
        "median": middle,
        "robust": 1.4826 * float(np.median(np.abs(pulls - middle))),
        "rms": float(np.sqrt(np.mean(pulls**2))),
        "within_two": float(np.mean(np.abs(pulls) < 2.0)),
    }


if __name__ == "__main__":
    main()
