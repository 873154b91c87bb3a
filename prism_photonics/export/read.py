"""Reading a bundle with NumPy alone, and scoring queries with it: the behavioral model's arithmetic again."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from prism_photonics.behavior.finite import (
    largest_magnitude,
    require_dims,
    require_drift,
    require_finite,
    require_rails,
    require_scale,
    require_shape,
)
from prism_photonics.codec import arithmetic
from prism_photonics.codec import encoding as sign
from prism_photonics.export.parse import parse
from prism_photonics.units import InputError


@dataclass(frozen=True)
class Programmed:
    """Signatures as they stand on the chip; as ``behavior.model.ProgrammedSignatures``."""

    weights: Float[np.ndarray, "blocks slices channels"]
    row_sum: Float[np.ndarray, "blocks slices"]
    signature_scale: float
    drift: Float[np.ndarray, "blocks slices channels"] | None
    common_drift: float | None
    dims: int


@dataclass(frozen=True)
class Bundle:
    """A behavioral model read from its bundle; the attributes are those of ``BehavioralModel``."""

    weight_bias: Float[np.ndarray, " channels"]
    weight_error_std: Float[np.ndarray, " channels"]
    weight_error_mix: Float[np.ndarray, "channels channels"]
    score_gain: Float[np.ndarray, " rows"]
    score_offset: Float[np.ndarray, " rows"]
    column_of_channel: Int[np.ndarray, " channels"]
    excluded: Bool[np.ndarray, "rows channels"]
    stuck_weight: Float[np.ndarray, "rows channels"]
    drift_time_s: Float[np.ndarray, " times"]
    drift_mean: Float[np.ndarray, "times powers channels"]
    drift_common: Float[np.ndarray, "times channels"]
    drift_own: Float[np.ndarray, "times channels"]
    noise_floor: Float[np.ndarray, ""]
    noise_shot: Float[np.ndarray, ""]
    noise_rin: Float[np.ndarray, ""]
    noise_common: Float[np.ndarray, ""]
    leak: Float[np.ndarray, ""]
    weight_centre: Float[np.ndarray, ""]
    weight_span: Float[np.ndarray, ""]
    adc_full_scale: Float[np.ndarray, " rows"]
    report: Mapping[str, float]
    rows: int
    channels: int
    dac_bits: int
    adc_bits: int
    encoding: str
    spec_hash: str
    spec: str = ""

    @property
    def slice_dims(self) -> int:
        """Dimensions of a signature that one row holds: its channels, or half of them on two rails."""
        return self.channels // sign.RAILS[self.encoding]

    @property
    def longest_s(self) -> float:
        """The longest time since programming at which drift was measured, in s; 0 if it was not."""
        return float(self.drift_time_s[-1]) if len(self.drift_time_s) else 0.0

    def error_shape(self, signatures: Num[np.ndarray, "blocks *rails dims"]) -> tuple[int, int, int]:
        """Shape of the programming error of these signatures: blocks, slices, channels."""
        return len(signatures), -(-signatures.shape[-1] // self.slice_dims), self.channels

    def noise_shape(self, query: Num[np.ndarray, "*batch dims"], programmed: Programmed) -> tuple[int, ...]:
        """Shape of the read noise of these queries: shots, the query's leading axes, blocks, slices."""
        return sign.shots(self.encoding), *query.shape[:-1], *programmed.weights.shape[:2]

    def program(
        self,
        signatures: Num[np.ndarray, "blocks *rails dims"],
        key: int,
        *,
        error: Float[np.ndarray, "blocks slices channels"] | None = None,
        drift: Float[np.ndarray, "blocks slices channels"] | None = None,
        common_drift: float | None = None,
        signature_scale: float | None = None,
    ) -> Programmed:
        """Write signatures into the chip, see ``behavior.arithmetic.written``.

        Args:
            signatures: One signature per block, any unit. For ``dual_rail`` also (blocks, 2, dims): the weights of the
                positive and of the negative halves of a query, such as a bound's (max, -min).
            key: Seed of the programming error and the drift, see ``export.schema.SEED_POLICY``.
            error: Standard normal numbers to use instead, shape ``error_shape``; the drift is then not drawn.
            drift: Standard normal numbers of each weight's drift, of the same shape.
            common_drift: The standard normal number of the drift that all weights share.
            signature_scale: Magnitude written as the full span, unit of the signatures; their largest by
                default.

        Returns:
            The programmed signatures.

        Raises:
            InputError: NaN or infinite signatures, or one beyond ``signature_scale``.
        """
        require_finite("signatures", signatures, axes=("block", "dim"), cure="mend or drop it", batched=True)
        require_rails(signatures.shape, encoding=self.encoding)
        signatures = np.asarray(signatures, float)
        largest, place = largest_magnitude(signatures)
        scale = (largest or 1.0) if signature_scale is None else signature_scale
        require_scale(scale, largest=largest, place=place)
        shape = self.error_shape(signatures)
        if error is None:
            stream = np.random.Generator(np.random.Philox(key))
            error = stream.standard_normal(shape)
            if self.longest_s > 0 and drift is None:
                drift, common_drift = stream.standard_normal(shape), float(stream.standard_normal())
        require_shape("error", got=error.shape, want=shape)
        if (drift is None) != (common_drift is None):
            raise InputError("program: got one of drift and common_drift, want both or neither; give the other too")
        if drift is not None:
            require_shape("drift", got=drift.shape, want=shape)
        sliced = self._slices(signatures / scale)
        share = arithmetic.channel_shares(sliced, self.encoding, halves=signatures.ndim == 3)
        commanded, weights = arithmetic.written(self, share, error, self._row(len(signatures)))
        return Programmed(weights, commanded.sum(-1), scale, drift, common_drift, signatures.shape[-1])

    def read(
        self,
        query: Num[np.ndarray, "*batch dims"],
        programmed: Programmed,
        *,
        key: int = 0,
        noise: Float[np.ndarray, "shots *batch blocks slices"] | None = None,
        t_since_program_s: float = 0.0,
    ) -> Float[np.ndarray, "*batch blocks"]:
        """Score queries against what is programmed already.

        Args:
            query: Queries of any unit, over any leading axes.
            programmed: What ``program`` returned.
            key: Seed of the read noise, see ``export.schema.SEED_POLICY``.
            noise: Standard normal numbers to use instead, shape ``noise_shape``.
            t_since_program_s: How long ago the signatures were programmed, at most ``longest_s``.

        Returns:
            Scores in units of query times signature: an estimate of ``query @ signatures.T``; minus infinity for a
            block on a dead row.

        Raises:
            InputError: NaN or infinite queries, another number of dimensions, or a time at which drift was not
                measured.
        """
        require_finite("query", query, axes=("dim",), cure="mend or drop it", batched=True)
        query = np.asarray(query, float)
        require_dims("query", got=query.shape[-1], want=programmed.dims)
        shape = self.noise_shape(query, programmed)
        if noise is None:
            noise = np.random.Generator(np.random.Philox(key).jumped()).standard_normal(shape)
        require_shape("noise", got=noise.shape, want=shape)

        drawn = programmed.drift is not None
        require_drift(t_since_program_s, longest_s=self.longest_s, drawn=drawn)
        row, weights = self._row(len(programmed.weights)), programmed.weights
        if t_since_program_s > 0:
            weights = arithmetic.aged(self, weights, programmed.drift, programmed.common_drift, t_since_program_s, row)
        largest = np.abs(query).max(-1, keepdims=True)
        query_hat = self._slices(query / np.where(largest > 0, largest, 1.0))
        scale = largest * programmed.signature_scale
        return arithmetic.scored(self, weights, programmed.row_sum, query_hat, noise, row, scale=scale)

    def scores(
        self,
        query: Num[np.ndarray, "*batch query_dims"],
        signatures: Num[np.ndarray, "blocks *rails dims"],
        key: int,
        *,
        t_since_program_s: float = 0.0,
    ) -> Float[np.ndarray, "*batch blocks"]:
        """Program the signatures once and score every query against them.

        Args:
            query: Queries of any unit, over any leading axes.
            signatures: One signature per block, any unit.
            key: Seed of the programming error and of the read noise.
            t_since_program_s: How long ago they were programmed.

        Returns:
            Scores in units of query times signature.

        Raises:
            InputError: NaN, infinite or mismatched input.
        """
        return self.read(query, self.program(signatures, key), key=key, t_since_program_s=t_since_program_s)

    def _row(self, blocks: int) -> Int[np.ndarray, " blocks"]:
        return np.arange(blocks) % self.rows

    def _slices(self, values: Float[np.ndarray, "*batch dims"]) -> Float[np.ndarray, "*batch slices slice_dims"]:
        slices = -(-values.shape[-1] // self.slice_dims)
        pad = [(0, 0)] * (values.ndim - 1) + [(0, slices * self.slice_dims - values.shape[-1])]
        return np.pad(values, pad).reshape(*values.shape[:-1], slices, self.slice_dims)


def load(path: str | os.PathLike[str]) -> Bundle:
    """Read a bundle folder, or refuse it.

    Args:
        path: The folder that ``export.write.write`` made.

    Returns:
        The behavioral model.

    Raises:
        InputError: A file is missing, unreadable, too large, truncated or edited; the schema version is
            newer; a tensor has another name, shape, dtype or an impossible value.
    """
    document, tensors = parse(path)
    names = ("report", "rows", "channels", "dac_bits", "adc_bits", "encoding", "spec_hash", "spec")
    return Bundle(**tensors, **{name: document[name] for name in names})
