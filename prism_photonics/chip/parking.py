"""How a bench leaves its chip: rings at the safe voltage, heaters at 0 mW, and no light, whatever still answers."""

from dataclasses import dataclass
from typing import final

from prism_photonics.chip.instruments import HeaterSource
from prism_photonics.chip.laserfile import Laser
from prism_photonics.chip.wired import Wired


@final
@dataclass(frozen=True)
class Parking:
    """What has to be brought to rest.

    Attributes:
        rings: Voltage sources, then heater sources: the field that a film bears falls as it gets hot.
        lights: Modulators, or a laser.
        safe_voltage_V: Where rings are parked.
        limit_V: Largest voltage that may be written.
    """

    rings: tuple[Wired, ...]
    lights: tuple[Wired, ...]
    safe_voltage_V: float
    limit_V: float

    def park(self) -> None:
        """Park rings and heaters.

        Raises:
            BenchError: One does not take it.
        """
        for source in self.rings:
            source.park(self.safe_voltage_V, limit_V=self.limit_V)

    def best_effort(self) -> list[str]:
        """Park everything as far as the instruments still answer; one line for each that does not."""
        troubles = []
        # One that never answered was never driven by this program.
        for source in (s for s in self.rings if s.answered):
            rows = sorted({int(row) for row in source.places[0]})
            heats = isinstance(source.entry, HeaterSource)
            what = f"the {'heaters' if heats else 'rings'} of rows {rows[0]} to {rows[-1]}"
            troubles += self._park_or_tell(source, what, "parked", "on" if heats else "driven")
        # Last: dark lines must not wait for rings, nor rings for a light source that is silent.
        for source in (s for s in self.lights if s.answered):
            what = "the laser"
            if not isinstance(source.entry, Laser):
                lines = sorted(int(line) for line in source.places[0])
                what = f"lines {lines[0]} to {lines[-1]}"
            troubles += self._park_or_tell(source, what, "darkened", "lit")
        return troubles

    def _park_or_tell(self, source: Wired, what: str, done: str, still: str) -> list[str]:
        # Twice: the first exchange may have shown what the failure before left on the line.
        if not (trouble := self._trouble(source) and self._trouble(source)):
            return []
        told, they = not self._trouble(source, asking=False), "it" if what == "the laser" else "they"
        were = "was" if they == "it" else "were"
        confirm = "does not confirm it" if they == "it" else "do not confirm it"
        outcome = f"{were} told to be {done} and {confirm}, so {they}" if told else f"could not be {done} and"
        return [f"{what} {outcome} may still be {still} ({trouble}); switch that source off by hand"]

    def _trouble(self, source: Wired, *, asking: bool = True) -> str:
        try:
            if asking:
                source.driver.recover()
            else:
                source.driver.stop_asking()
            source.park(self.safe_voltage_V, limit_V=self.limit_V)
        except Exception as error:  # parking goes on whatever one instrument's driver raises
            return str(error) or type(error).__name__
        return ""
