"""The light of a bench: a comb with a modulator for each line, or one tunable laser."""

from typing import Annotated, Literal, final

from pydantic import Field, model_validator

from prism_photonics.chip.filetables import Commands, Fixed, Instrument, Question, Table, checked

# Steps that differ by less than this share are one. Design choice.
SAME_STEP = 1e-3
METRES = {"m": 1.0, "um": 1e-6, "nm": 1e-9, "pm": 1e-12, "0.1pm": 1e-13}
"""Metres per unit of a laser's wavelengths."""
_SWEEP = (
    "start_nm", "stop_nm", "step_nm", "step_pm", "speed_nm_s", "start_m", "stop_m", "step_m", "speed_m_s", "points",
    "dwell_s", "averages", "integration_s",
)  # fmt: skip


@final
class Light(Table):
    """What lights the chip."""

    kind: Literal["comb", "tunable_laser"] = "comb"


@final
class LaserCommands(Commands):
    """Commands of a tunable laser. What it is sent is in nm, m or pm, as the field says."""

    wavelength: Annotated[str, Field(min_length=1), checked("wavelength_nm", "wavelength_m")] = (
        "SOUR:WAV {wavelength_nm:.12g}"
    )
    query: Question = Field(default="SOUR:WAV?", description="the wavelength that it has; empty: it cannot tell")
    power: Annotated[str, checked("power_mW", "power_dBm", "power_W")] = Field(
        default="", description="sets power_mW once after opening; empty: it stays as it is"
    )
    bus: Annotated[str, checked("bus")] = Field(
        default="", description="puts the light on a bus of rows with several, counted from first_bus; empty: one bus"
    )
    lit: Fixed = Field(default="SOUR:POW:STAT 1", description="switches its light on")
    dark: Fixed = Field(default="SOUR:POW:STAT 0", description="switches its light off")
    state: Question = Field(default="", description="asks whether it is still tuning; empty: settle_s is the time")
    ready: str = Field(default="0", max_length=64, description="how the answer to state begins when it is not")
    sweep: list[Annotated[str, Field(min_length=1), checked(*_SWEEP)]] = Field(
        default=[], description="prepares a continuous sweep with a trigger at each step; empty: it only steps"
    )
    sweep_start: Question = Field(default="", description="starts it")
    sweep_state: Question = Field(default="", description="asks whether it still runs")
    sweep_done: str = Field(default="0", max_length=64, description="how the answer to sweep_state begins when not")
    sweep_stop: Question = Field(default="", description="ends one that was not over in time")
    logged: Question = Field(default="", description="its wavelengths at the triggers; empty: taken as asked for")


@final
class Laser(Instrument):
    """Lights the chip at one wavelength at a time, at full power."""

    shortest_nm: float = Field(ge=200, le=20000, description="end of its range")
    longest_nm: float = Field(ge=200, le=20000, description="end of its range")
    wavelength_error_pm: float = Field(
        gt=0, le=1e4, description="its stated error: a wavelength that it reads back or logs further off is refused"
    )
    jitter_pm: float = Field(default=1.0, ge=0, le=1e3, description="rms error of one wavelength of a sweep")
    smallest_step_pm: float = Field(default=0.1, gt=0, le=1e5, description="its resolution")
    power_mW: float = Field(default=1.0, gt=0, le=1e3, description="its power, for commands.power")
    first_bus: int = Field(default=1, ge=0, le=100)
    slowest_nm_s: float = Field(default=0.5, gt=0, le=1e5, description="of a continuous sweep")
    fastest_nm_s: float = Field(default=0.0, ge=0, le=1e5, description="of a continuous sweep; 0: it only steps")
    speeds_nm_s: list[Annotated[float, Field(gt=0, le=1e5)]] = Field(
        default=[], max_length=64, description="the only speeds that it has, if it has but a few"
    )
    largest_points: int = Field(default=100_001, ge=2, le=1_000_000, description="triggers of one sweep")
    highest_trigger_Hz: float = Field(default=1e5, gt=0, le=1e9, description="triggers a second")
    sweep_s: float = Field(
        default=0.0, ge=0, le=600, description="dead time of one sweep: way back, run-up, trigger latency, transfer"
    )
    wavelength_unit: Literal["nm", "um", "m", "pm"] = Field(default="nm", description="of what it reads back")
    log_unit: Literal["nm", "um", "m", "pm", "0.1pm"] = Field(default="nm", description="of what it logs")
    log_format: Literal["ascii", "float32", "float64", "int32"] = Field(
        default="ascii", description="numbers of commands.logged: text, or a block of IEEE 488.2"
    )
    log_byte_order: Literal["little", "big"] = "little"
    commands: LaserCommands = LaserCommands()

    @model_validator(mode="after")
    def _whole(self) -> "Laser":
        if not self.shortest_nm < self.longest_nm:
            raise ValueError(
                f"shortest_nm = {self.shortest_nm:g}, longest_nm = {self.longest_nm:g}: want the shorter end first"
            )
        given = self.commands
        if bool(self.fastest_nm_s) != bool(given.sweep and given.sweep_start and given.sweep_state):
            raise ValueError(
                "fastest_nm_s and commands.sweep, sweep_start, sweep_state: want all of them for a laser that sweeps, "
                "or none for one that only steps"
            )
        if self.fastest_nm_s and self.slowest_nm_s > self.fastest_nm_s:
            raise ValueError(f"slowest_nm_s = {self.slowest_nm_s:g}: above fastest_nm_s = {self.fastest_nm_s:g}")
        return self

    def speed_nm_s(self, step_nm: float, integration_s: float) -> float:
        """The fastest sweep at which a meter integrates within a step and the triggers are not too many, in nm/s.

        0: there is none, or the step is finer than its triggers; then it steps.
        """
        if 1e3 * step_nm < self.smallest_step_pm * (1.0 - SAME_STEP):
            return 0.0
        most = min(self.fastest_nm_s, step_nm * self.highest_trigger_Hz)
        if integration_s > 0.0:
            most = min(most, step_nm / integration_s)
        if self.speeds_nm_s:
            return max((speed for speed in self.speeds_nm_s if speed <= most * (1 + 1e-9)), default=0.0)
        return most if most >= self.slowest_nm_s else 0.0
