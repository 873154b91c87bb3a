"""PRISM: device-physics models of a thin-film lithium niobate microring chip that ranks KV-cache blocks.

    import prism_photonics as pp

The public names are listed by ``dir(pp)``, typed in ``__init__.pyi``, and explained with an example each in
``docs/api.md``. Each is loaded when it is first used: reading a bundle and ranking with it loads neither a simulator
nor a drawing tool. The rooms behind them are drawn in ``docs/architecture.md``; what is not listed may change.
"""

import os
import sys
from typing import Any

from prism_photonics.deprecation import install
from prism_photonics.extras import load
from prism_photonics.units import nearest

__version__ = "0.2.0"

# Phases of thousands of radians are compared to 1e-9, so everything runs in double precision. JAX reads the
# variable when it is imported; importing JAX here would make `prism --help` and `prism_photonics.ranking` slow.
os.environ.setdefault("JAX_ENABLE_X64", "1")
if (_jax := sys.modules.get("jax")) is not None:
    _jax.config.update("jax_enable_x64", True)

install()

# Room, and the name that it has there.
_HOMES = {
    # a design
    "load_spec": "spec.examples:load_spec",
    "example_names": "spec.examples:example_names",
    "example_text": "spec.examples:example_text",
    "ChipSpec": "spec.chip_spec:ChipSpec",
    "design": "explore.design:design",
    "check_spec": "budget.feasibility:check",
    "compute_ledger": "workflow.design:compute_ledger",
    "Ring": "circuit.ring:Ring",
    "simulate_weights": "workflow.design:simulate_weights",
    "sax_ring": "lightpath.ring.saxmodel:ring",
    # its drawing
    "draw_chip": "workflow.design:draw_chip",
    "make_pdk": "layout.pdk:make_pdk",
    "back_annotate": "layout.annotate:back_annotate",
    # a chip
    "VirtualChip": "chip.virtual:VirtualChip",
    "BenchChip": "chip.bench:BenchChip",
    "BenchFile": "chip.benchfile:BenchFile",
    "draft_bench": "chip.draft:draft",
    # its calibration
    "search_rings": "workflow.search:search_rings",
    "calibrate_chip": "workflow.session:calibrate_chip",
    "CalibrationSession": "workflow.session:CalibrationSession",
    "Accuracy": "workflow.accuracy:Accuracy",
    "load_calibration": "workflow.accuracy:load_calibration",
    "load_accuracy": "workflow.accuracy:load_accuracy",
    "Tracker": "drift.tracker:Tracker",
    # its weights
    "program_weights": "programming.solve:program",
    "reachable_weights": "programming.solve:reachable_weights",
    "choose_scale": "programming.scale:choose_scale",
    # its behavioral model
    "fit_behavior": "workflow.behavior:fit_behavior",
    "FittedBehavior": "workflow.behavior:FittedBehavior",
    "BehavioralModel": "behavior.model:BehavioralModel",
    "load_bundle": "export.read:load",
    "Bundle": "export.read:Bundle",
    "PhotonicSelector": "export.torch:PhotonicSelector",
    "add_formats": "export.formats:add_formats",
    # ranking
    "KeyCache": "ranking.keys:KeyCache",
    "mean_key": "ranking.signatures:mean_key",
    "query_sketch": "ranking.signatures:query_sketch",
    "top_k": "ranking.recall:top_k",
    "recall_at_k": "ranking.recall:recall_at_k",
    "evaluate_scores": "ranking.evaluate:evaluate",
    "make_selectors": "ranking.catalog:make_selectors",
    "BlockSparse": "ranking.attention:BlockSparse",
    # the whole way
    "run_job": "workflow.job:run",
    # what may go wrong
    "InputError": "units:InputError",
    "MissingExtraError": "extras:MissingExtraError",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        # Python asks packages for many names that begin so, and takes an AttributeError for no.
        hint = "" if name.startswith("_") else f"; {nearest(name, _HOMES)}"
        raise AttributeError(f"prism_photonics has no public name '{name}'{hint}")
    module, _, attribute = _HOMES[name].partition(":")
    found = getattr(load(f"prism_photonics.{module}", what=f"prism_photonics.{name}"), attribute)
    # From now on found without asking.
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*_HOMES, "__version__"])
