"""Cost of a measurement in operations of a bench: settings, heater powers, lights, readings, converter samples."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class MeasurementPlan:
    """Counts of a measurement; plans of parts add up to that of the whole.

    Attributes:
        settings: How often the ring voltages change.
        heatings: How often heater powers change.
        lights: How often the light changes.
        triggers: Readings of all rows.
        samples: Converter samples, summed over all readings.
        sweeps: Stretches that a tunable laser sweeps over.
        points: Points of all sweeps.
        swept_nm: Wavelengths that they pass over in nm.
        swept_samples: Converter samples, summed over all points of all sweeps.
    """

    settings: int = 0
    heatings: int = 0
    lights: int = 0
    triggers: int = 0
    samples: int = 0
    sweeps: int = 0
    points: int = 0
    swept_nm: float = 0.0
    swept_samples: int = 0

    def __add__(self, other: "MeasurementPlan") -> "MeasurementPlan":
        """One measurement and then another."""
        return MeasurementPlan(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __mul__(self, times: int) -> "MeasurementPlan":
        """The same measurement several times."""
        return MeasurementPlan(*(getattr(self, f.name) * times for f in fields(self)))
