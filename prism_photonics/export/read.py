"""Reading a bundle with NumPy alone, and scoring queries with it: the behavioral model's arithmetic again."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num

from prism_photonics.behavior.finite import (
    largest_magnitude,
    require_dims,
    require_finite,
    require_rails,
    require_scale,
    require_shape,
)
from prism_photonics.export.parse import parse
from prism_photonics.lightpath.modulator import encoding as sign
from prism_photonics.lightpath.modulator.model import modulate


@dataclass(frozen=True)
class Programmed:
    """Signatures as they stand on the chip; as ``behavior.model.ProgrammedSignatures``."""

    weights: Float[np.ndarray, "blocks slices channels"]
    row_sum: Float[np.ndarray, "blocks slices"]
    signature_scale: float
    dims: int


@dataclass(frozen=True)
class Bundle:
    """A behavioral model read from its bundle; the attributes are those of ``BehavioralModel``."""

    weight_bias: Float[np.ndarray, " channels"]
    weight_error_std: Float[np.ndarray, " channels"]
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

    @property
    def slice_dims(self) -> int:
        """Dimensions of a signature that one row holds: its channels, or half of them on two rails."""
        return self.channels // sign.RAILS[self.encoding]

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
        signature_scale: float | None = None,
    ) -> Programmed:
        """Write signatures into the chip: W = w_target + weight_bias + weight_error_std·N(0, 1).

        Args:
            signatures: One signature per block, any unit. For ``dual_rail`` also (blocks, 2, dims): the weights of the
                positive and of the negative halves of a query, such as a bound's (max, -min).
            key: Seed of the programming error, see ``export.schema.SEED_POLICY``.
            error: Standard normal numbers to use instead, shape ``error_shape``.
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
            error = np.random.Generator(np.random.Philox(key)).standard_normal(shape)
        require_shape("error", got=error.shape, want=shape)
        sliced = self._slices(signatures / scale)
        share = np.moveaxis(sliced, 1, 2).reshape(*shape) if signatures.ndim == 3 else sign.rails(sliced, self.encoding)
        target = self.weight_centre + self.weight_span * share
        return Programmed(
            weights=target + self.weight_bias + self.weight_error_std * error,
            row_sum=target.sum(-1),
            signature_scale=scale,
            dims=signatures.shape[-1],
        )

    def read(
        self,
        query: Num[np.ndarray, "*batch dims"],
        programmed: Programmed,
        *,
        key: int = 0,
        noise: Float[np.ndarray, "shots *batch blocks slices"] | None = None,
    ) -> Float[np.ndarray, "*batch blocks"]:
        """Score queries against what is programmed already.

        Args:
            query: Queries of any unit, over any leading axes.
            programmed: What ``program`` returned.
            key: Seed of the read noise, see ``export.schema.SEED_POLICY``.
            noise: Standard normal numbers to use instead, shape ``noise_shape``.

        Returns:
            Scores in units of query times signature: an estimate of ``query @ signatures.T``.

        Raises:
            InputError: NaN or infinite queries, or another number of dimensions.
        """
        require_finite("query", query, axes=("dim",), cure="mend or drop it", batched=True)
        query = np.asarray(query, float)
        require_dims("query", got=query.shape[-1], want=programmed.dims)
        shape = self.noise_shape(query, programmed)
        if noise is None:
            noise = np.random.Generator(np.random.Philox(key).jumped()).standard_normal(shape)
        require_shape("noise", got=noise.shape, want=shape)

        largest = np.abs(query).max(-1, keepdims=True)
        query_hat = query / np.where(largest > 0, largest, 1.0)
        light = self.leak + modulate(sign.encode(self._slices(query_hat), self.encoding), self.dac_bits)
        weights = programmed.weights
        y = np.einsum("...sc,bsc->...bs", light, weights)
        variance = (
            self.noise_floor**2
            + self.noise_shot**2 * light.sum(-1)[..., None, :]
            + self.noise_rin**2 * np.einsum("...sc,bsc->...bs", light**2, weights**2)
            + self.noise_common**2 * y**2
        )
        y = y + np.sqrt(variance) * noise
        full_scale = self.adc_full_scale[np.arange(len(weights)) % self.rows, None]
        y = sign.quantize(y, self.adc_bits, -full_scale, full_scale)
        dot = sign.decode(y, programmed.row_sum, self.encoding, leak=self.leak).sum(-1)
        # Every weight carries the centre, so every block carries the same offset: it is taken off exactly.
        signed = (dot - self.weight_centre * sign.common_share(query_hat, self.encoding)) / self.weight_span
        return signed * largest * programmed.signature_scale

    def scores(
        self,
        query: Num[np.ndarray, "*batch query_dims"],
        signatures: Num[np.ndarray, "blocks *rails dims"],
        key: int,
    ) -> Float[np.ndarray, "*batch blocks"]:
        """Program the signatures once and score every query against them.

        Args:
            query: Queries of any unit, over any leading axes.
            signatures: One signature per block, any unit.
            key: Seed of the programming error and of the read noise.

        Returns:
            Scores in units of query times signature.

        Raises:
            InputError: NaN, infinite or mismatched input.
        """
        return self.read(query, self.program(signatures, key), key=key)

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
    names = ("report", "rows", "channels", "dac_bits", "adc_bits", "encoding", "spec_hash")
    return Bundle(**tensors, **{name: document[name] for name in names})
