"""ChipSpec: everything that defines a chip, read from one TOML file.

Every number carries its unit in its name. A misspelled key is refused and the nearest known key named; a number out of
range is refused with the range. The spec holds no physics: it hands geometry to the devices' designs.
"""

import json
import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError, model_validator

from prism_photonics.files.toml import parse_toml, read_text
from prism_photonics.lightpath.coupler.design import EdgeCouplerDesign
from prism_photonics.lightpath.defaults import HEATER_UM
from prism_photonics.lightpath.detector.design import (
    FLIPPED_HOLD_UM,
    ROWS_APART_UM,
    DetectorDesign,
    PhotodiodeSiteDesign,
)
from prism_photonics.lightpath.modulator.design import ModulatorDesign
from prism_photonics.lightpath.ring.design import RingDesign, necked_pitch_um
from prism_photonics.lightpath.source.design import CombDesign
from prism_photonics.lightpath.sparameters import SParameters
from prism_photonics.lightpath.splitter.design import SplitterDesign
from prism_photonics.plotting import drawn
from prism_photonics.process.kits import Kit, load_kit
from prism_photonics.process.necks import neck
from prism_photonics.process.parts import load_parts
from prism_photonics.process.profile import Profile, film_name, is_path, load_profile
from prism_photonics.process.trench import foot_um, least_gap_um
from prism_photonics.spec.comb import MOST_WL_NM, first_THz, lines_of
from prism_photonics.spec.complaints import explain
from prism_photonics.spec.hashing import hash_of
from prism_photonics.spec.losses import with_losses
from prism_photonics.spec.parts import SLOTS, beside, bound_part, require_one_loss
from prism_photonics.spec.retired import without
from prism_photonics.spec.rings import rings_of
from prism_photonics.spec.tables import (
    ChipTable,
    CombTable,
    CouplerTable,
    DetectorTable,
    DriftTable,
    DriveTable,
    ModulatorTable,
    RankingTable,
    RingTable,
    SplitterTable,
    SystemTable,
    Table,
    TrimTable,
    VariationTable,
    WaveguideTable,
)
from prism_photonics.units import SPEED_OF_LIGHT_UM_S, InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Of dies bonded along their edges; design choices.
MOST_BONDED_ROWS = 16  # whose wires find room beside the rings
MOST_EDGE_UM = 20_000.0
PAD_LINE_PITCH_UM = 100.0  # between pads of one line


class ChipSpec(Table):
    """A chip, complete. Read with `from_toml`; the designs of its devices come from its properties."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    process: str
    # Left out of a dump where there is none: specs that are older than the key keep their hash.
    pdk: str | None = Field(None, exclude_if=lambda pdk: pdk is None, description="kit whose own cells are placed")
    chip: ChipTable
    comb: CombTable
    modulator: ModulatorTable
    coupler: CouplerTable
    splitter: SplitterTable
    ring: RingTable
    trim: TrimTable
    drive: DriveTable
    waveguide: WaveguideTable
    detector: DetectorTable
    variation: VariationTable
    drift: DriftTable
    ranking: RankingTable
    system: SystemTable

    @model_validator(mode="before")
    @classmethod
    def _losses(cls, data: Any) -> Any:
        """Losses that are told by files of parts, or left to the film."""
        return with_losses(data)

    @model_validator(mode="after")
    def _kit_of_the_film(self) -> "ChipSpec":
        if self.pdk is not None and load_kit(self.pdk).film != film_name(self.process):
            raise ValueError(
                f"pdk = '{self.pdk}': its cells are drawn for the film {load_kit(self.pdk).film}, process is "
                f"{film_name(self.process)}; give that film, or leave pdk out"
            )
        return self

    @model_validator(mode="after")
    def _devices_fit(self) -> "ChipSpec":
        if self.ring.pitch_um < self.ring.least_pitch_um:
            raise ValueError(
                f"ring.pitch_um = {self.ring.pitch_um:g}: rings, electrodes and the wires between two rings take "
                f"{self.ring.least_pitch_um:g} µm; raise pitch_um or lower radius_um"
            )
        profile = load_profile(self.process)
        least_um = least_gap_um(profile)
        for key in ("gap_through_um", "gap_drop_um"):
            gap_um = getattr(self.ring, key)
            if gap_um < least_um:
                raise ValueError(
                    f"ring.{key} = {gap_um:g}: between the ribs' sloping walls in {profile.name} the trench's foot is "
                    f"{max(1e3 * foot_um(profile, gap_um), 0.0):.0f} nm wide and may not open; widen the gap to "
                    f"{least_um:g} µm"
                )
        if self.chip.pad_lines == 1 and self.flip_chip:
            raise ValueError(
                f"chip.pad_lines = 1: this die is flipped onto bumps and has no lines of pads (as is one whose "
                f"fullest edge's pads, here {self.edge_pads}, need more than {MOST_EDGE_UM * 1e-3:g} mm); leave it out"
            )
        if self.modulator.encoding == "dual_rail" and self.chip.channels % 2:
            raise ValueError(
                f"chip.channels = {self.chip.channels}: 'dual_rail' needs two wavelengths per value; use an even number"
            )
        comb, last = self.comb, self.chip.channels - 1
        if comb.spacing_GHz is not None:
            lowest_THz = SPEED_OF_LIGHT_UM_S / MOST_WL_NM * 1e-9
            last_THz = first_THz(comb) - comb.spacing_GHz * last * 1e-3
            if last_THz < lowest_THz:
                raise ValueError(
                    f"comb: channel {last} lies at {last_THz:g} THz, below the limit of {lowest_THz:.4g} THz "
                    f"({MOST_WL_NM:g} nm); lower spacing_GHz or channels, or raise "
                    f"{'first_channel_THz' if comb.first_itu_channel is None else 'first_itu_channel'}"
                )
        elif (last_nm := 1e3 * self.comb_design.wl_um[-1]) > MOST_WL_NM:
            raise ValueError(
                f"comb: channel {last} lies at {last_nm:g} nm, above the {MOST_WL_NM:g} nm limit; lower first_wl_nm, "
                "spacing_nm or channels"
            )
        return self

    @model_validator(mode="after")
    def _necks_fit(self) -> "ChipSpec":
        if not self.ring.neck_um:
            return self
        neck(self.process, self.ring.neck_um)
        # A µm more of straight, as above.
        need_um = necked_pitch_um(self.ring.radius_um, self.ring.straight_um + 1.0, self.width_um)
        if self.ring.pitch_um < need_um:
            raise ValueError(
                f"ring.pitch_um = {self.ring.pitch_um:g}: a ring and the necks of its buses take {need_um:.4g} µm; "
                "raise pitch_um, lower radius_um, or leave neck_um out"
            )
        return self

    @model_validator(mode="after")
    def _drivers_settle(self) -> "ChipSpec":
        if self.drive.output_ohm is not None:
            from prism_photonics.spec.channels import require_settling  # here, because it asks a chip's spec itself

            require_settling(self)
        return self

    @classmethod
    def from_toml(cls, path: str | Path) -> "ChipSpec":
        """Read and check a spec file.

        Raises:
            InputError: The file cannot be read, is not TOML, or holds an unknown key or a value out of range.
        """
        text = read_text(path, what="spec", name="spec.toml")
        return cls.from_text(text, where=str(path), folder=Path(path).parent)

    @classmethod
    def from_text(cls, text: str, *, where: str = "spec", folder: Path | None = None) -> "ChipSpec":
        """Check a spec given as TOML text; ``where`` names it in errors, ``folder`` holds its measured ``process``."""
        data = parse_toml(text, where=where)
        process = data.get("process")
        if folder is not None and isinstance(process, str) and is_path(process):
            data["process"] = (folder / process).as_posix()
        try:
            require_one_loss(data)
            data = data if folder is None else beside(data, folder)
            spec = cls.model_validate(data)
        except ValidationError as error:
            raise InputError(f"{where}: {explain(error, cls)}") from None
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        return spec

    @classmethod
    def from_json(cls, text: str) -> "ChipSpec":
        """The spec that a record holds as JSON; keys that went since it was written are left out.

        Raises:
            ValueError: It is no JSON, or no spec.
        """
        return cls.model_validate(without(text))

    def plot_row(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the spectrum of one row as designed, rings at 0 V, with the channels marked.

        Args:
            ax: Matplotlib axes to draw into; new ones by default.

        Returns:
            The axes.
        """
        return drawn("row_spectrum", self, ax=ax)

    def __repr__(self) -> str:
        """Which chip this is, in one line."""
        chip = self.chip
        buses = f"{chip.buses} buses of {chip.channels} channels" if chip.buses > 1 else f"{chip.channels} channels"
        return f"<ChipSpec {self.name}: {chip.rows} rows × {buses}, {self.process}, {self.modulator.encoding}>"

    def __str__(self) -> str:
        """Every table and key of it, as a spec file has them."""
        told_by_files = {table: {SLOTS[table].loss} for table in self._given()}
        tables = self.model_dump(exclude_none=True, exclude=told_by_files)
        lines = [f"{key} = {json.dumps(value)}" for key, value in tables.items() if not isinstance(value, dict)]
        for name, table in tables.items():
            if isinstance(table, dict):
                lines += ["", f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
        return "\n".join(lines)

    @cached_property
    def _of_fields(self) -> int:
        return hash(tuple(vars(self)[name] for name in type(self).model_fields))

    def __hash__(self) -> int:
        """Of all fields, worked out once: rules look their figures up by the spec, dozens of times."""
        return self._of_fields

    def __getstate__(self) -> dict[Any, Any]:
        """Without what was worked out: text hashes otherwise in another process."""
        state = super().__getstate__()
        fields = {name: state["__dict__"][name] for name in type(self).model_fields}
        return {**state, "__dict__": fields}

    @property
    def hash(self) -> str:
        """SHA-256 over every field and the film's numbers: two specs with the same hash are the same chip."""
        return self.hash_as_told({})

    def hash_as_told(self, retired: Mapping[str, Mapping[str, Any]]) -> str:
        """`hash` by a version before, whose file of this spec told keys that went since (`spec.retired.told`)."""
        return hash_of(self.model_dump(mode="json"), self.profile, self._given(), retired)

    @property
    def given_parts(self) -> dict[str, SParameters]:
        """Scattering parameters of the parts that others have simulated or measured, by component name."""
        return {SLOTS[table].component: part for table, part in self._given().items()}

    def _given(self) -> dict[str, SParameters]:
        tables: dict[str, CouplerTable | SplitterTable] = {"splitter": self.splitter, "coupler": self.coupler}
        return {
            name: bound_part(table.sparameters, name, table.on_fault)
            for name, table in tables.items()
            if table.sparameters is not None
        }

    @property
    def profile(self) -> Profile:
        """The film stack."""
        return load_profile(self.process)

    @property
    def kit(self) -> Kit | None:
        """The foundry kit whose cells are placed, if any."""
        return None if self.pdk is None else load_kit(self.pdk)

    @property
    def voltage_step_V(self) -> float:
        """One code of the ring drivers' DAC, in V; the grid runs from −max to +max."""
        return 2.0 * self.drive.max_voltage_V / (2**self.drive.dac_bits - 1)

    @cached_property
    def comb_design(self) -> CombDesign:
        """The comb."""
        return lines_of(self.comb, self.chip)

    @property
    def modulator_design(self) -> ModulatorDesign:
        """The query modulators."""
        return ModulatorDesign(**self.modulator.model_dump())

    @property
    def coupler_design(self) -> EdgeCouplerDesign:
        """The edge coupler."""
        sizes = {"width_um": self.width_um} if self.kit is None else self.kit.edge_coupler.design
        return EdgeCouplerDesign(self.coupler.loss_dB, **sizes)

    @cached_property
    def splitter_design(self) -> SplitterDesign:
        """The 1×2 splitter."""
        own = {**load_parts(self.process).splitter_sizes, "width_um": self.width_um}
        return SplitterDesign(self.splitter.excess_loss_dB, **(own if self.kit is None else self.kit.splitter.design))

    @property
    def detector_design(self) -> DetectorDesign:
        """The balanced receiver."""
        d = self.detector
        return DetectorDesign(
            responsivity_A_W=d.responsivity_A_W,
            loss_dB=d.loss_dB,
            dark_current_A=d.dark_current_nA * 1e-9,
            tia_noise_A_rtHz=d.tia_noise_pA_rtHz * 1e-12,
            feedback_ohm=d.feedback_ohm,
            temperature_K=d.temperature_K,
            bandwidth_Hz=d.bandwidth_GHz * 1e9,
            adc_bits=d.adc_bits,
            adc_full_scale_A=d.adc_full_scale_uA * 1e-6,
            cmrr_dB=d.cmrr_dB,
            saturation_A=d.saturation_mA * 1e-3,
            tia_corner_Hz=d.tia_corner_kHz * 1e3,
            tia_rise_Hz=d.tia_rise_GHz * 1e9 or math.inf,
        )

    @cached_property
    def width_um(self) -> float:
        """Rib width of every bus, in µm."""
        return self.profile.film.rib_width_um.value

    @cached_property
    def ring_designs(self) -> tuple[RingDesign, ...]:
        """The ring of each channel; all rows are drawn alike."""
        heater_um = HEATER_UM if self.trim.method == "heater" else 0.0
        # Frozen tables have a hash, which pyright does not see.
        return rings_of(self.profile, self.ring, self.comb_design.wl_um, heater_um=heater_um)  # pyright: ignore[reportArgumentType]

    @property
    def fabricated_pm(self) -> float:
        """Standard deviation of a resonance as fabricated: thickness, width and local part, in pm."""
        v, o = self.variation, self.profile.optics
        correlated = math.hypot(v.thickness_nm * o.thickness_pm_nm.value, v.width_nm * o.width_pm_nm.value)
        return math.hypot(correlated, v.resonance_local_pm)

    @property
    def resonance_pm(self) -> float:
        """Standard deviation of a resonance after trimming, in pm: what the calibration has to find."""
        return self.fabricated_pm if self.trim.method == "none" else self.trim.residual_pm

    @property
    def flip_chip(self) -> bool:
        """Whether the die is flipped onto bumps (many rows, several buses, heaters, an edge too full of pads).

        Others are bonded along their edges.
        """
        many = self.chip.rows > MOST_BONDED_ROWS or self.chip.buses > 1 or self.trim.method == "heater"
        widest_um = max(self.edge_pads * self.pad_pitch_um, self.chip.channels * self.ring.pitch_um)
        return many or widest_um > MOST_EDGE_UM

    @property
    def edge_pads(self) -> int:
        """Pads of a bonded die's fullest edge: half of the rings, a ground a column, and photodiodes in the west."""
        half = (self.chip.rows + 1) // 2
        return self.chip.channels * (half + 1) + (2 * half if self.two_sided else 0)

    @property
    def pad_pitch_um(self) -> float:
        """Edge that each pad of a bonded die takes, on as many lines as the spec asks for."""
        return PAD_LINE_PITCH_UM / self.chip.pad_lines

    @property
    def two_sided(self) -> bool:
        """Whether the drop buses end at photodiodes of their own in the west, between tree and rings."""
        return self.detector.sides == "both"

    @cached_property
    def photodiode_design(self) -> PhotodiodeSiteDesign:
        """The site of a single photodiode, heading east."""
        hold_um = FLIPPED_HOLD_UM if self.flip_chip else PhotodiodeSiteDesign.hold_um
        return PhotodiodeSiteDesign(self.width_um, hold_um=hold_um)

    @cached_property
    def row_pitch_um(self) -> float:
        """Distance between rows on a 10 µm grid: buses, the drop bus's U-turn, what must find room beside them."""
        radius, buses = self.waveguide.bend_radius_um, self.ring_designs[0].bus_pitch_um
        height = buses + 2.0 * radius
        # All distances are design choices that the layout checks prove.
        fork = 4.0 * radius + self.splitter_design.port_pitch_um  # the tree's last one is two bends high
        if self.two_sided:
            # Above the drop bus: its photodiode's piece, which a fork's lead passes at a distance.
            return 10.0 * math.ceil(max(buses + self.photodiode_design.top_um + 11.0, fork) / 10.0)
        if not self.flip_chip:
            return 10.0 * math.ceil((height + 60.0) / 10.0)  # pads that hands can reach
        # From one row's way back to the next row, photodiodes under both; the fork; a photodiode site.
        return 10.0 * math.ceil(max(height + ROWS_APART_UM, fork, 2.0 * FLIPPED_HOLD_UM + 27.0) / 10.0)
