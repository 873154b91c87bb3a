"""Reading a bundle with NumPy alone, and ranking blocks with it: the behavioral model's arithmetic again."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from prism_photonics.codec import arithmetic, checks
from prism_photonics.codec.centring import centre_score, centred
from prism_photonics.codec.topk import top_k
from prism_photonics.export.parse import parse
from prism_photonics.extras import asked_by
from prism_photonics.units import InputError

if TYPE_CHECKING:
    from prism_photonics.export.torch import PhotonicSelector


@dataclass(frozen=True)
class Programmed:
    """Signatures as they stand on the chip; as ``behavior.model.ProgrammedSignatures``."""

    weights: Float[np.ndarray, "blocks slices channels"]
    row_sum: Float[np.ndarray, "blocks slices"]
    signature_scale: float | Float[np.ndarray, " blocks"]
    drift: Float[np.ndarray, "blocks slices channels"] | None
    common_drift: float | None
    centre: Float[np.ndarray, "*halves dims"]
    dims: int
    row: Int[np.ndarray, " blocks"]


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
        return arithmetic.slice_dims(self.channels, self.encoding)

    @property
    def longest_s(self) -> float:
        """The longest time since programming at which drift was measured, in s; 0 if it was not."""
        return float(self.drift_time_s[-1]) if len(self.drift_time_s) else 0.0

    def error_shape(self, signatures: Num[np.ndarray, "blocks *rails dims"]) -> tuple[int, ...]:
        """Shape of the programming error of these signatures: blocks, slices, channels."""
        return arithmetic.error_shape(signatures, self.channels, self.encoding)

    def noise_shape(self, query: Num[np.ndarray, "*batch dims"], programmed: Programmed) -> tuple[int, ...]:
        """Shape of the read noise of these queries: shots, the query's leading axes, blocks, slices."""
        return arithmetic.noise_shape(query, programmed.weights, self.encoding)

    def program(
        self,
        signatures: Num[np.ndarray, "blocks *rails dims"],
        key: int,
        *,
        error: Float[np.ndarray, "blocks slices channels"] | None = None,
        drift: Float[np.ndarray, "blocks slices channels"] | None = None,
        common_drift: float | None = None,
        signature_scale: float | str | None = None,
        centre: Num[np.ndarray, "*one_signature"] | None = None,
        row: Int[np.ndarray, " blocks"] | None = None,
    ) -> Programmed:
        """Write signatures into the chip, see ``codec.arithmetic.programmed_weights``.

        What all signatures share would eat the weight range: their mean is taken off first, and `read` adds its share
        of the scores again, see ``codec.centring``.

        Args:
            signatures: One signature per block, any unit. For ``dual_rail`` also (blocks, 2, dims): the weights of the
                positive and of the negative halves of a query, such as a bound's (max, -min).
            key: Seed of the programming error and the drift, see ``export.schema.SEED_POLICY``.
            error: Standard normal numbers to use instead, shape ``error_shape``; the drift is then not drawn.
            drift: Standard normal numbers of each weight's drift, of the same shape.
            common_drift: The standard normal number of the drift that all weights share.
            signature_scale: Magnitude written as the full span, unit of the signatures; by default the largest once
                the centre is off. With "block" each block has its own, and its scores are multiplied by it after the
                converter.
            centre: Vector to subtract from every signature, such as a mean that also holds earlier pages. By default
                the mean of these, and nothing where ``signature_scale`` is a number: then they are taken as they stand.
            row: Row of the chip on which each block sits; by default one after the other, page by page.

        Returns:
            The programmed signatures.

        Raises:
            InputError: NaN or infinite signatures, one beyond ``signature_scale``, or a row that the chip lacks.
        """
        checks.require_finite("signatures", signatures, axes=("block", "dim"), cure="mend or drop it", batched=True)
        signatures = np.asarray(signatures, float)
        checks.require_rails(signatures.shape, encoding=self.encoding)
        own = checks.own_scales(signature_scale)
        with np.errstate(over="ignore", invalid="ignore"):
            left, centre = self._centred(signatures, centre, fixed=signature_scale is not None and not own)
        largest, place = checks.largest_magnitude(left)
        checks.require_span(largest, shared=float(np.abs(centre).max()))
        halves = signatures.ndim == 3
        if isinstance(signature_scale, str):
            scale, unit = arithmetic.own_scale(left, halves=halves)
        else:
            scale = (largest or 1.0) if signature_scale is None else signature_scale
            checks.require_scale(scale, largest=largest, place=place)
            unit = left / scale
        shape = self.error_shape(signatures)
        if error is None:
            stream = np.random.Generator(np.random.Philox(key))
            error = stream.standard_normal(shape)
            if self.longest_s > 0 and drift is None:
                drift, common_drift = stream.standard_normal(shape), float(stream.standard_normal())
        error = checks.drawn_numbers("error", error, want=shape)
        if (drift is None) != (common_drift is None):
            raise InputError("program: got one of drift and common_drift, want both or neither; give the other too")
        if drift is not None:
            drift = checks.drawn_numbers("drift", drift, want=shape)
            common_drift = float(checks.drawn_numbers("common_drift", common_drift, want=()))
        share = arithmetic.channel_shares(unit, self.channels, self.encoding, halves=halves)
        row = self._row(len(signatures), row)
        commanded, weights = arithmetic.programmed_weights(self, share, error, row)
        return Programmed(weights, commanded.sum(-1), scale, drift, common_drift, centre, signatures.shape[-1], row)

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
            query: Queries of any unit, over any leading axes; none of them where a leading axis is empty.
            programmed: Result of ``program``.
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
        return self._read(query, programmed, key, noise=noise, t_since_program_s=t_since_program_s)[0]

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

    def top_k(
        self,
        query: Num[np.ndarray, "*batch query_dims"],
        signatures: Num[np.ndarray, "blocks *rails dims"],
        k: int = 8,
        *,
        seed: int | None = None,
        signature_scale: float | str | None = None,
        t_since_program_s: float = 0.0,
    ) -> tuple[Float[np.ndarray, "*batch blocks"], Int[np.ndarray, "*batch k"]]:
        """Program the signatures and choose the best blocks for every query, with NumPy alone.

        Blocks are ranked before units and the shared part of the scores come back, so that no size of keys or queries
        costs a choice; ties go by ``export.schema.TIE_RULE``.

        Args:
            query: Queries of any unit, over any leading axes.
            signatures: One signature per block, any unit.
            k: Blocks chosen per query.
            seed: Seed of programming error, drift and read noise; None: the mean chip, which programs and reads
                without either, as `to_torch` does when no numbers are handed in.
            signature_scale: See `program`; "block" costs small blocks the least.
            t_since_program_s: How long ago they were programmed; needs a seed, for drift is drawn.

        Returns:
            Scores in units of query times signature, and the indices of the k best blocks, best first.

        Raises:
            InputError: NaN, infinite or mismatched input, or k of fewer blocks.
        """
        checks.require_finite("query", query, axes=("dim",), cure="mend or drop it", batched=True)
        checks.require_finite("signatures", signatures, axes=("block", "dim"), cure="mend or drop it", batched=True)
        query, signatures = np.asarray(query), np.asarray(signatures)
        k = checks.require_count("k", k, most=len(signatures))
        if seed is not None:
            seed = checks.require_count("seed", seed, least=0, cure="give a whole number, or None for the mean chip")
        error = None if seed is not None else np.zeros(self.error_shape(signatures))
        programmed = self.program(signatures, seed or 0, error=error, signature_scale=signature_scale)
        noise = None if seed is not None else np.zeros(self.noise_shape(query, programmed))
        scores, ranked = self._read(query, programmed, seed or 0, noise=noise, t_since_program_s=t_since_program_s)
        return scores, top_k(ranked, k)

    def to_torch(self, k: int = 8, *, dtype: str = "float32") -> "PhotonicSelector":
        """The same chip as a torch module: ``.program(keys)``, then ``scores, blocks = selector(query)``.

        Args:
            k: Blocks chosen per query.
            dtype: Precision of the arithmetic, float32 or float64.

        Raises:
            MissingExtraError: torch is not installed.
            InputError: k or dtype is none.
        """
        with asked_by("to_torch"):
            import torch
        from prism_photonics.export.torch import PhotonicSelector

        if dtype not in ("float32", "float64"):
            raise InputError(f"dtype: got {dtype}, want float32 or float64; queries may still be of less")
        return PhotonicSelector(self, k, dtype=getattr(torch, dtype))

    def _read(
        self,
        query: Num[np.ndarray, "*batch dims"],
        programmed: Programmed,
        key: int,
        *,
        noise: Float[np.ndarray, "shots *batch blocks slices"] | None,
        t_since_program_s: float,
    ) -> tuple[Float[np.ndarray, "*batch blocks"], Float[np.ndarray, "*batch blocks"]]:
        """Scores, and what blocks are ranked by."""
        checks.require_finite("query", query, axes=("dim",), cure="mend or drop it", batched=True)
        query = np.asarray(query, float)
        checks.require_dims("query", got=query.shape[-1], want=programmed.dims)
        shape = self.noise_shape(query, programmed)
        if noise is None:
            noise = np.random.Generator(np.random.Philox(key).jumped()).standard_normal(shape)
        noise = checks.drawn_numbers("noise", noise, want=shape)
        drawn = programmed.drift is not None
        checks.require_drift(t_since_program_s, longest_s=self.longest_s, drawn=drawn)
        row, weights = programmed.row, programmed.weights
        if t_since_program_s > 0:
            weights = arithmetic.drifted_weights(
                self, weights, programmed.drift, programmed.common_drift, time_s=t_since_program_s, row=row
            )
        query_hat, largest = arithmetic.normalized(query)
        score_hat = arithmetic.read_hat(self, weights, programmed.row_sum, query_hat, noise=noise, row=row)
        dead = arithmetic.dead_rows(self)[row]
        # Beyond the largest float a score is infinite; the ranking is not touched by it.
        with np.errstate(over="ignore", invalid="ignore"):
            shared = centre_score(query, programmed.centre, halves=programmed.centre.ndim == 2)
            scale = programmed.signature_scale
            scores = arithmetic.in_units(score_hat, largest, scale=scale, shared=shared, dead=dead)
            if np.size(scale) > 1:
                score_hat = arithmetic.comparable(score_hat, scale)
        return scores, arithmetic.rankable(score_hat, largest, dead=dead)

    def _centred(
        self,
        signatures: Float[np.ndarray, "blocks *rails dims"],
        centre: Num[np.ndarray, "*one_signature"] | None,
        *,
        fixed: bool,
    ) -> tuple[Float[np.ndarray, "blocks *rails dims"], Float[np.ndarray, "*rails dims"]]:
        if centre is None and not fixed:
            return centred(signatures)
        centre = np.zeros(signatures.shape[1:]) if centre is None else np.asarray(centre, float)
        checks.require_centre(centre, want=signatures.shape[1:])
        return signatures - centre, centre

    def _row(self, blocks: int, given: Int[np.ndarray, " blocks"] | None) -> Int[np.ndarray, " blocks"]:
        if given is None:
            return np.arange(blocks) % self.rows
        row = np.asarray(given)
        if row.shape != (blocks,):
            raise InputError(f"row: got the shape {row.shape}, want ({blocks},); give one row per block")
        if blocks and not 0 <= row.min() <= row.max() < self.rows:
            raise InputError(
                f"row: got {row.min()} to {row.max()}, want 0 to {self.rows - 1}; choose rows of this chip"
            )
        return row


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
