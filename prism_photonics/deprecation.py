"""Names of the version before: what still works warns, and what no longer works says where to go.

A module of the version before is found here by its old name, because nothing else finds it: `MODULES` says where it
is now, `NAMES` which of its names went elsewhere, `REMOVED` what took the place of a module that went. A single name
that moves out of a module that stays is kept there by ``__getattr__ = moved_names(__name__, {...})``.
"""

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

PACKAGE = "prism_photonics"
UNTIL = "0.3.0"
"""The version in which the old names below go."""

MODULES = {
    "behavior.arithmetic": "codec.arithmetic",
    "behavior.finite": "codec.checks",
    "calibrate": "calibration",
    "calibrate.search": "calibration.resonance_search",
    "calibrate.starts": "calibration.starting_points",
    "calibrate.together": "calibration.heater_crosstalk",
    "calibrate.levenberg": "programming.levenberg",
    "check": "workflow.export",
    "chip.drift": "drift.process",
    "floor": "spec.geometry",
    "job": "workflow.job",
    "job_program": "workflow.program",
    "layout.floorplan": "spec.floorplan",
    "lightpath.coupler.model": "lightpath.coupler.saxmodel",
    "lightpath.modulator.encoding": "codec.encoding",
    "lightpath.modulator.model": "codec.modulation",
    "program": "programming",
    "program.drift": "characterize.drift_study",
    "program.hour": "characterize.stability",
    "program.lane": "programming.bus",
    "program.score": "programming.tiles",
    "program.trim": "characterize.closed_loop",
    "program.validate": "characterize.accuracy",
    "rank": "ranking",
    "rank.tiling": "codec.tiling",
    "tables": "spec.tables",
}
"""Modules of version 0.1, and where they are now; other modules of a package moved with it."""

NAMES = {
    "floor": {
        "LAST_BUMP_UM": "spec.outline:LAST_BUMP_UM",
        "MARGIN_UM": "spec.outline:MARGIN_UM",
        "flipped_die_um": "spec.outline:flipped_die_um",
    },
    "program": {
        "NoiseLevel": "programming.scale:NoiseLevel",
        "ScaleChoice": "programming.scale:ScaleChoice",
        "Validation": "characterize.accuracy:Validation",
        "choose_scale": "programming.scale:choose_scale",
        "validate": "characterize.accuracy:validate",
    },
    "program.hour": {
        "Hour": "characterize.stability:StabilityTest",
        "keep_true": "characterize.stability:run_stability_test",
    },
    "program.score": {"score_tile": "characterize.scores:score_tile"},
    "program.validate": {"measure_weights": "characterize.weights:measure_weights"},
}
"""Names that are not in the module that theirs became."""

REMOVED = {
    "budget.vernier": "a Vernier pair is a device of the PDK: prism_photonics.lightpath.vernier",
    "calibrate.motion": "drift during a survey is in prism_photonics.calibration.survey_drift",
    "calibrate.moving": "the fit of a drifting survey is in prism_photonics.calibration.survey_fit",
    "calibrate.track": "drift is followed by prism_photonics.drift.tracker.Tracker",
    "calibrate.wander": "drift is estimated by prism_photonics.drift.estimate.kalman_update",
    "circuit.saxvernier": "a Vernier pair is a device of the PDK: prism_photonics.lightpath.vernier",
    "circuit.vernier": "a Vernier pair is a device of the PDK: prism_photonics.lightpath.vernier",
    "export.best": "blocks are chosen by prism_photonics.export.topk",
    "export.folded": "the torch module's kernel is prism_photonics.export.fused",
    "lightpath.ring.relaxation": "the film's charge is in prism_photonics.drift.process",
    "lightpath.vernier.place": "a Vernier pair is a device of the PDK: prism_photonics.lightpath.vernier",
    "program.follow": "drift is followed by prism_photonics.drift.tracker.Tracker",
}
"""Modules of version 0.1 that went, and what to use instead."""


def install() -> None:
    """Let Python ask for old modules here, after it has asked everywhere else."""
    if not any(isinstance(finder, _OldModules) for finder in sys.meta_path):
        sys.meta_path.append(_OldModules())


def moved_names(module: str, names: Mapping[str, str], *, until: str) -> Callable[[str], Any]:
    """A module's ``__getattr__`` for names that moved out of it.

    Args:
        module: Its ``__name__``.
        names: Old name, and ``room.module:name`` of today.
        until: The version in which the old names go.
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module '{module}' has no attribute '{name}'")
        _warn(f"{module}.{name}", names[name], until=until, stacklevel=3)
        return _fetch(names[name])

    return find


class _OldModules(MetaPathFinder, Loader):
    """Finds modules under their names of version 0.1."""

    def find_spec(
        self, fullname: str, path: Iterable[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module that moved; None for all that never was.

        Raises:
            ModuleNotFoundError: The module went; the message says what to use instead.
        """
        package, _, old = fullname.partition(".")
        if package != PACKAGE:
            return None
        if old in REMOVED:
            raise ModuleNotFoundError(f"{fullname}: removed in version 0.2.0; {REMOVED[old]}", name=fullname)
        if (new := _new_place(old)) is None or not _there(new):
            return None
        return ModuleSpec(fullname, self, origin=f"{PACKAGE}.{new}", is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """An empty stand-in: a module has one name, so that of today is not put under another one."""
        return _OldModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Load the module of today."""
        assert isinstance(module, _OldModule)
        _warn(module.__name__, module.new, until=UNTIL, stacklevel=3)
        importlib.import_module(f"{PACKAGE}.{module.new}")


class _OldModule(ModuleType):
    """Hands on what is asked of it to the module of today, so that classes are the same under both names."""

    new: str

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.old = name.removeprefix(f"{PACKAGE}.")
        self.new = _new_place(self.old) or ""
        # Its own, and empty: with the path of today's package, Python would load its files again under old names.
        self.__path__ = []
        self.__doc__ = f"``{PACKAGE}.{self.new}`` under its name of version 0.1."

    def __setattr__(self, name: str, value: Any) -> None:
        # Python binds an imported module in its package, where a function of the same name may stand.
        if not isinstance(value, _OldModule):
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name in NAMES.get(self.old, {}):
            return _fetch(NAMES[self.old][name])
        module = sys.modules.get(f"{PACKAGE}.{self.new}")
        if hasattr(module, name):
            return getattr(module, name)
        if (submodule := sys.modules.get(f"{self.__name__}.{name}")) is not None:
            return submodule
        raise AttributeError(f"{self.__name__} is {PACKAGE}.{self.new} since version 0.2.0, which has no '{name}'")


def _new_place(old: str) -> str | None:
    """Where a module of version 0.1 is now: by its own entry, or with the package that it stood in."""
    if old in MODULES:
        return MODULES[old]
    package, _, rest = old.rpartition(".")
    if not package or (new := _new_place(package)) is None:
        return None
    return f"{new}.{rest}"


def _there(new: str) -> bool:
    return importlib.util.find_spec(f"{PACKAGE}.{new}") is not None


def _fetch(home: str) -> Any:
    module, _, name = home.partition(":")
    return getattr(importlib.import_module(f"{PACKAGE}.{module}"), name)


def _warn(old: str, new: str, *, until: str, stacklevel: int) -> None:
    text = f"{old} is {PACKAGE}.{new.replace(':', '.')} now; the old name goes in version {until}"
    warnings.warn(text, DeprecationWarning, stacklevel=stacklevel)
