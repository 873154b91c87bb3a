"""The behavioral model as a torch module: queries in, scores and the chosen blocks out."""

import os
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from prism_photonics.codec import arithmetic, checks
from prism_photonics.codec.centring import centred
from prism_photonics.export.answer import answer, finite
from prism_photonics.export.buffers import ChipBuffers
from prism_photonics.export.fused import FusedConverter, fuse
from prism_photonics.export.read import Bundle, load
from prism_photonics.export.single import answer_single
from prism_photonics.units import InputError

_FUSED = FusedConverter._fields


class PhotonicSelector(ChipBuffers):
    """Chooses the ``k`` best blocks as the chip would; its buffers are the model and what is programmed.

    Randomness comes in as tensors: draw them with ``draw_error``, ``draw_drift`` and ``draw_noise``, or leave them out
    for a chip without programming error or read noise (its converters remain). Ties: ``export.schema.TIE_RULE``.
    Queries and signatures may be of half precision; the arithmetic stays in single or double, whatever ``half()`` or
    autocast ask for, because 11 bits are fewer than a good converter has.

    Called plainly it refuses what is not finite. Compiled or exported it cannot look at values: then a query that is
    not finite, or one asked of signatures that are not, scores NaN on all blocks and gets the first ``k`` of them.
    """

    def __init__(self, bundle: Bundle, k: int, *, dtype: torch.dtype = torch.float32):
        if dtype not in (torch.float32, torch.float64):
            raise InputError(f"dtype: got {dtype}, want torch.float32 or float64; queries may still be of less")
        super().__init__(bundle, k, dtype)
        for name in _FUSED:
            self.register_buffer(name, self.weights.clone(), persistent=False)

    @classmethod
    def from_bundle(
        cls, path: str | os.PathLike[str], k: int, *, dtype: torch.dtype = torch.float32
    ) -> "PhotonicSelector":
        """Read a bundle folder, see ``export.read.load`` for what is refused.

        Args:
            path: The bundle folder.
            k: Blocks chosen per query.
            dtype: Precision of the arithmetic.

        Returns:
            A selector with nothing programmed.
        """
        return cls(load(path), k, dtype=dtype)

    @property
    def slice_dims(self) -> int:
        """Dimensions of a signature that one row holds: its channels, or half of them on two rails."""
        return arithmetic.slice_dims(self.channels, self.encoding)

    @property
    def longest_s(self) -> float:
        """The longest time since programming at which drift was measured, in s; 0 if it was not."""
        return self._longest_s

    def draw_error(
        self,
        signatures: Float[Tensor, "*banks_blocks_rails dims"],
        generator: torch.Generator | None = None,
        *,
        bank_axes: int = 0,
    ) -> Float[Tensor, "*banks blocks slices channels"]:
        """Standard normal numbers for the programming error of these signatures; those of the drift are alike."""
        shape = arithmetic.error_shape(signatures, self.channels, self.encoding, bank_axes=bank_axes)
        return self._normal(shape, generator)

    def draw_noise(
        self,
        query: Float[Tensor, "*batch dims"],
        generator: torch.Generator | None = None,
        *,
        out: Float[Tensor, "shots *batch blocks slices"] | None = None,
    ) -> Float[Tensor, "shots *batch blocks slices"]:
        """Standard normal numbers for the read noise of these queries.

        Args:
            query: The queries; their values do not matter.
            generator: Source of the numbers; by default torch's own.
            out: Where the same numbers are to lie, such as those of the query before: many numbers take less time in
                memory that is there.

        Raises:
            InputError: ``out`` is of another shape or dtype, or elsewhere in memory than the selector's numbers.
        """
        shape = arithmetic.noise_shape(query, self.weights, self.encoding)
        if out is None:
            return self._normal(shape, generator)
        _require_shape("out", out, want=shape)
        if out.dtype != self.weight_bias.dtype:  # another precision draws other numbers
            raise InputError(f"out: got {out.dtype}, want {self.weight_bias.dtype}, as the selector; make it anew")
        # Numbers that lie apart are drawn in another order, and those that share memory or a gradient not at all.
        if not out.is_contiguous() or out.device != self.weight_bias.device or out.requires_grad:
            raise InputError(
                f"out: got memory in parts, elsewhere than on {self.weight_bias.device}, or with a gradient, want none "
                "of these; make it by torch.empty"
            )
        return out.normal_(generator=generator)

    def program(
        self,
        signatures: Float[Tensor, "*banks_blocks_rails dims"],
        error: Float[Tensor, "*banks blocks slices channels"] | None = None,
        *,
        drift: Float[Tensor, "*banks blocks slices channels"] | None = None,
        common_drift: float | Tensor = 0.0,
        signature_scale: float | str | None = None,
        centre: Float[Tensor, "*one_signature"] | None = None,
        bank_axes: int = 0,
    ) -> None:
        """Write signatures into the buffers, see ``codec.arithmetic.programmed_weights``.

        What all signatures of a bank share would eat the weight range: their mean is taken off first, and its share
        of the scores is added after reading, see ``codec.centring``.

        Args:
            signatures: One signature per block, any unit. For ``dual_rail`` also (blocks, 2, dims): the weights of the
                positive and of the negative halves of a query, such as a bound's (max, -min).
            error: Standard normal numbers; none: exactly the mean weights.
            drift: Standard normal numbers by which the weights will drift; without them they are read at once only.
            common_drift: The standard normal number of the drift that all weights share.
            signature_scale: Magnitude written as the full span, unit of the signatures; by default the largest of each
                bank once the centre is off. With "block" each block has its own, and its scores are multiplied by it
                after the converter: small blocks are then not drowned by the range of the largest.
            centre: Vector to subtract from every signature of a bank, such as a mean that also holds earlier pages. By
                default the bank's mean, and nothing where ``signature_scale`` is a number: then they are taken as
                they stand.
            bank_axes: How many leading axes (batch, KV heads) hold banks of their own, such as 2 for
                (batch, kv_heads, blocks, dims).

        Raises:
            InputError: NaN or infinite signatures, one beyond ``signature_scale``, or fewer than k blocks.
        """
        _require_real("signatures", signatures)
        if torch.is_inference_mode_enabled() and not torch.compiler.is_compiling():
            # What is programmed outlives the mode, and may be read with gradients.
            with torch.inference_mode(False), torch.no_grad():
                numbers = {"drift": drift, "common_drift": common_drift, "signature_scale": signature_scale}
                return self.program(signatures, error, **numbers, centre=centre, bank_axes=bank_axes)
        bank_shape = signatures.shape[bank_axes:]
        checks.require_rails(tuple(bank_shape), encoding=self.encoding)
        if bank_shape[0] < self.k:
            raise InputError(f"signatures: got {bank_shape[0]} blocks, want at least k = {self.k}; lower k")
        if signatures.is_meta:
            raise InputError(
                "signatures: got a meta tensor, want numbers; program the selector once the model is loaded"
            )
        if not torch.compiler.is_compiling():
            self.restore_chip()
        with torch.autocast(signatures.device.type, enabled=False):
            signatures = self._wide(signatures)
            own, fixed = checks.own_scales(signature_scale), None
            if signature_scale is not None and not isinstance(signature_scale, str):
                fixed = signature_scale
            left, centre = self._centred(signatures, centre, bank_axes, fixed=fixed is not None)
            if not torch.compiler.is_compiling():
                self._check_signatures(signatures, left, centre, signature_scale=fixed, bank_axes=bank_axes)
            scale = left.detach().abs().flatten(bank_axes + own).amax(-1)
            over = torch.where(scale > 0, scale, torch.ones_like(scale))
            if fixed is not None:
                over = torch.full_like(over, fixed)
            # A block of zeros keeps the scale 0: neither its reading nor its noise counts.
            scale = scale if own else over
            halves = len(bank_shape) == 3
            signature_hat = (left / over.reshape(*over.shape, *(1,) * (left.dim() - over.dim()))).to(self.weight_bias)
            share = arithmetic.channel_shares(signature_hat, self.channels, self.encoding, halves=halves)
            for name, numbers in (("error", error), ("drift", drift)):
                if numbers is not None:
                    _require_drawn(name, numbers, want=tuple(share.shape))
            together = torch.as_tensor(common_drift)
            if together.numel() != 1:
                raise InputError(
                    f"common_drift: got shape {tuple(together.shape)}, want one number for all weights; give a number"
                )
            if not torch.compiler.is_compiling():
                checks.require_drawn("common_drift", together)
            # From here on nothing is refused: what is programmed is replaced as a whole.
            numbers = None if error is None else error.to(share)
            commanded, weights = arithmetic.programmed_weights(self, share, numbers, self._row(bank_shape[0]))
            # Whole tensors of their own: safetensors saves neither views nor what two names share.
            self.weights, self.row_sum = weights.contiguous(), commanded.sum(-1).contiguous()
            self.signature_scale, self.centre = scale.to(share).clone(), centre.to(share).contiguous()
            self.drift = share.new_zeros(*share.shape[:-1], 0) if drift is None else _own(drift.to(share))
            self.common_drift = _own(together.to(share))
            self.dims = signatures.shape[-1]
            self.fuse_weights()

    def forward(
        self,
        query: Float[Tensor, "*batch dims"],
        noise: Float[Tensor, "shots *batch blocks slices"] | None = None,
        t_since_program_s: float | Tensor = 0.0,
    ) -> tuple[Float[Tensor, "*batch blocks"], Int[Tensor, "*batch k"]]:
        """Score the programmed blocks and choose the best.

        Blocks are ranked before units and the shared part of the scores come back, so that no size of keys or queries
        costs a choice.

        Args:
            query: Finite queries of any unit, over any leading axes, of which the first are the banks.
            noise: Standard normal numbers of the shape that ``draw_noise`` gives; none: the mean reading.
            t_since_program_s: How long ago the signatures were programmed, at most ``longest_s``. Compiled, a tensor's
                value is not checked: beyond the last measured time the drift stays as it was there.

        Returns:
            Scores in units of query times signature, minus infinity on a dead row; and the indices of the k best
            blocks, best first.

        Raises:
            InputError: Nothing is programmed, another number of dimensions, a query that is not finite, or a time at
                which drift was not measured or for which it was not drawn.
        """
        if self.dims == 0:
            raise InputError("PhotonicSelector: got a query, want signatures before it; call program() first")
        _require_real("query", query)
        if query.is_meta or self.weights.is_meta:
            raise InputError("query: got a meta tensor or selector, want numbers; load the model first")
        if not torch.compiler.is_compiling():
            self.take_over()
            if type(t_since_program_s) is float and t_since_program_s == 0.0:
                found = answer_single(self, query, noise)
                if found is not None:
                    return found
        if self.k > self.weights.shape[-3]:
            raise InputError(f"k: got {self.k}, want at most {self.weights.shape[-3]}, the blocks programmed; lower it")
        checks.require_dims("query", got=query.shape[-1], want=self.dims)
        banks = self.weights.shape[:-3]
        if query.shape[: len(banks)] != banks:
            raise InputError(f"query: got leading axes {tuple(query.shape[:-1])}, want the banks {tuple(banks)} first")
        if noise is not None:
            _require_shape("noise", noise, want=arithmetic.noise_shape(query, self.weights, self.encoding))
        time_s = self._time(t_since_program_s)
        if not torch.is_autocast_enabled(query.device.type):
            return self._select(self._wide(query), noise, time_s)
        with torch.autocast(query.device.type, enabled=False):
            return self._select(self._wide(query), noise, time_s)

    def _select(self, query: Tensor, noise: Tensor | None, time_s: float | Tensor) -> tuple[Tensor, Tensor]:
        # Looked up here, not by attributes: a module takes longer to find a buffer than NumPy to add a query's values.
        held: dict[str, Any] = self._buffers
        weights, banks = held["weights"], held["weights"].shape[:-3]
        blocks = weights.shape[-3]
        if isinstance(time_s, Tensor) or time_s > 0:
            weights = arithmetic.drifted_weights(
                self, weights, self.drift, self.common_drift, time_s=time_s, row=self._row(blocks)
            )
        flat = query.reshape(*banks, query.shape[len(banks) : -1].numel(), query.shape[-1])
        if noise is not None:
            noise = noise.reshape(noise.shape[0], *flat.shape[:-1], *noise.shape[-2:])
        fused = FusedConverter(*(held[name] for name in _FUSED))
        scores, chosen = answer(self, fused, weights, flat, noise=noise, given=query)
        shape = query.shape[:-1]
        return scores.reshape(*shape, blocks), chosen.reshape(*shape, self.k)

    def _check_signatures(
        self, signatures: Tensor, left: Tensor, centre: Tensor, *, signature_scale: float | None, bank_axes: int
    ) -> None:
        finite = bool(torch.isfinite(left).all() & torch.isfinite(centre).all())
        if signature_scale is None and finite:
            return
        # Only what is refused, or may be, has to come to the host.
        host = signatures.detach().to("cpu", torch.float64).numpy()
        checks.require_finite("signatures", host, axes=("block", "dim"), cure="mend or drop it first", batched=True)
        host = left.detach().to("cpu", torch.float64).numpy()
        largest, place = checks.largest_magnitude(host.reshape(-1, *host.shape[bank_axes + 1 :]))
        checks.require_span(largest, shared=float(centre.detach().abs().amax()))
        if signature_scale is not None:
            checks.require_scale(signature_scale, largest=largest, place=place)

    def _centred(
        self, signatures: Tensor, centre: Tensor | None, bank_axes: int, *, fixed: bool
    ) -> tuple[Tensor, Tensor]:
        if centre is None and not fixed:
            return centred(signatures, axis=bank_axes)
        want = (*signatures.shape[:bank_axes], *signatures.shape[bank_axes + 1 :])
        if centre is None:
            return signatures, signatures.new_zeros(want)
        if not torch.compiler.is_compiling():
            checks.require_centre(centre.detach().to("cpu", torch.float64).numpy(), want=want)
        centre = centre.to(signatures)
        return signatures - centre.unsqueeze(bank_axes), centre

    def _time(self, time_s: float | Tensor) -> float | Tensor:
        if type(time_s) is float and time_s == 0.0:
            return time_s
        drawn = self.drift.numel() > 0
        if not isinstance(time_s, Tensor):
            checks.require_drift(time_s, longest_s=self._longest_s, drawn=drawn)
            return time_s
        if time_s.numel() != 1:
            raise InputError(
                f"t_since_program_s: got shape {tuple(time_s.shape)}, want one time for all; give a number"
            )
        if torch.compiler.is_compiling():
            if not drawn or self._longest_s == 0.0:
                raise InputError(
                    "t_since_program_s: got a tensor, want none: no drift was measured, or handed to program()"
                )
            return time_s.reshape(())
        seconds = float(time_s)
        checks.require_drift(seconds, longest_s=self._longest_s, drawn=drawn)
        return time_s.reshape(()) if drawn else seconds

    def fuse_weights(self) -> None:
        """Fuse the programmed weights with the converters, see ``export.fused``."""
        super().fuse_weights()
        fused = fuse(self, self.row_sum, self._row(self.weights.shape[-3]))
        for name, value in zip(_FUSED, fused, strict=True):
            setattr(self, name, value)

    def _row(self, blocks: int) -> Tensor:
        return torch.arange(blocks, device=self.weight_bias.device) % self.rows

    def _wide(self, values: Tensor) -> Tensor:
        """In the module's precision, or in the values' own where that is higher: no key overflows on its way."""
        own = self.weights
        return values.to(own.device) if values.dtype == torch.float64 else values.to(own)

    def _normal(self, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
        kind = {"dtype": self.weight_bias.dtype, "device": self.weight_bias.device}
        return torch.randn(shape, generator=generator, **kind)


def _own(values: Tensor) -> Tensor:
    """A whole tensor that shares its memory with no other."""
    return values.clone(memory_format=torch.contiguous_format)


def _require_real(name: str, values: Tensor) -> None:
    """Refuse what is no tensor of real numbers over at least one axis."""
    if not isinstance(values, Tensor):
        raise InputError(f"{name}: got a {type(values).__name__}, want a torch tensor; use torch.as_tensor")
    if values.is_complex() or values.dim() == 0 or values.shape[-1] == 0:
        raise InputError(
            f"{name}: got {values.dtype} of shape {tuple(values.shape)}, want real numbers of at least one "
            "dimension; convert it first"
        )


def _require_shape(name: str, values: Tensor, *, want: tuple[int, ...]) -> None:
    """Refuse noise of another shape, or that is no tensor of real numbers."""
    _require_real(name, values)
    checks.require_shape(name, got=tuple(values.shape), want=want)


def _require_drawn(name: str, values: Tensor, *, want: tuple[int, ...]) -> None:
    """Refuse noise that is not finite or of another shape; under tracing only the shape is checked."""
    _require_shape(name, values, want=want)
    if not torch.compiler.is_compiling() and not finite(values):
        checks.require_drawn(name, values)
