"""The public names as type checkers see them; a test holds this list against ``_HOMES``."""

from prism_photonics.behavior.model import BehavioralModel
from prism_photonics.budget.feasibility import check as check_spec
from prism_photonics.chip.bench import BenchChip
from prism_photonics.chip.benchfile import BenchFile
from prism_photonics.chip.draft import draft as draft_bench
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.circuit.ring import Ring
from prism_photonics.drift.tracker import Tracker
from prism_photonics.explore.design import design
from prism_photonics.export.formats import add_formats
from prism_photonics.export.read import Bundle
from prism_photonics.export.read import load as load_bundle
from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.extras import MissingExtraError
from prism_photonics.layout.annotate import back_annotate
from prism_photonics.layout.pdk import make_pdk
from prism_photonics.lightpath.ring.saxmodel import ring as sax_ring
from prism_photonics.programming.scale import choose_scale
from prism_photonics.programming.solve import program as program_weights
from prism_photonics.programming.solve import reachable_weights
from prism_photonics.ranking.attention import BlockSparse
from prism_photonics.ranking.catalog import make_selectors
from prism_photonics.ranking.evaluate import evaluate as evaluate_scores
from prism_photonics.ranking.keys import KeyCache
from prism_photonics.ranking.recall import recall_at_k, top_k
from prism_photonics.ranking.signatures import mean_key, query_sketch
from prism_photonics.spec.chip_spec import ChipSpec
from prism_photonics.spec.examples import example_names, example_text, load_spec
from prism_photonics.units import InputError
from prism_photonics.workflow.accuracy import Accuracy, load_accuracy, load_calibration
from prism_photonics.workflow.behavior import FittedBehavior, fit_behavior
from prism_photonics.workflow.design import compute_ledger, draw_chip, simulate_weights
from prism_photonics.workflow.job import run as run_job
from prism_photonics.workflow.search import search_rings
from prism_photonics.workflow.session import CalibrationSession, calibrate_chip

__version__: str

__all__ = [
    "Accuracy",
    "BehavioralModel",
    "BenchChip",
    "BenchFile",
    "BlockSparse",
    "Bundle",
    "CalibrationSession",
    "ChipSpec",
    "FittedBehavior",
    "InputError",
    "KeyCache",
    "MissingExtraError",
    "PhotonicSelector",
    "Ring",
    "Tracker",
    "VirtualChip",
    "__version__",
    "add_formats",
    "back_annotate",
    "calibrate_chip",
    "check_spec",
    "choose_scale",
    "compute_ledger",
    "design",
    "draft_bench",
    "draw_chip",
    "evaluate_scores",
    "example_names",
    "example_text",
    "fit_behavior",
    "load_accuracy",
    "load_bundle",
    "load_calibration",
    "load_spec",
    "make_pdk",
    "make_selectors",
    "mean_key",
    "program_weights",
    "query_sketch",
    "reachable_weights",
    "recall_at_k",
    "run_job",
    "sax_ring",
    "search_rings",
    "simulate_weights",
    "top_k",
]
