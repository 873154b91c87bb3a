"""The behavioral model as a torch module: queries in, scores and the chosen blocks out."""

import json
import os

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

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
from prism_photonics.export import schema
from prism_photonics.export.best import best
from prism_photonics.export.folded import Folded, fold, read
from prism_photonics.export.read import Bundle, load
from prism_photonics.units import InputError

_PROGRAMMED = ("weights", "row_sum", "signature_scale", "drift", "common_drift")
_FOLDED = Folded._fields
_SETTINGS = ("rows", "channels", "dac_bits", "adc_bits", "encoding", "spec_hash", "spec")


class PhotonicSelector(torch.nn.Module):
    """Chooses the ``k`` best blocks as the chip would; its buffers are the model and what is programmed.

    Randomness comes in as tensors: draw them with ``draw_error``, ``draw_drift`` and ``draw_noise``, or leave them out
    for a chip without programming error or read noise (its converters remain). Ties: ``export.schema.TIE_RULE``.
    Queries and signatures may be of half precision; the arithmetic stays in single or double, whatever ``half()`` or
    autocast ask for, because 11 bits are fewer than a good converter has.

    Attributes:
        k: Blocks chosen per query.
        dims: Dimensions of the programmed signatures, 0 before ``program``.
        line_noise: Whether lines have intensity noise of their own, which costs a second matrix product.
        some_excluded: Whether some ring takes no part.
        some_moved: Whether some channel carries another place of a slice than its own.
        common_variance: Square of ``noise_common``.
    """

    weights: Tensor
    row_sum: Tensor
    signature_scale: Tensor
    drift: Tensor
    common_drift: Tensor
    weight_bias: Tensor
    noise_floor: Tensor
    noise_shot: Tensor
    noise_rin: Tensor
    noise_common: Tensor
    leak: Tensor
    weight_centre: Tensor
    weight_span: Tensor
    adc_full_scale: Tensor
    score_gain: Tensor
    score_offset: Tensor
    column_of_channel: Tensor
    excluded: Tensor
    stuck_weight: Tensor
    drift_time_s: Tensor

    def __init__(self, bundle: Bundle, k: int, *, dtype: torch.dtype = torch.float32):
        super().__init__()
        if k < 1:
            raise InputError(f"k: got {k}, want at least 1; choose how many blocks to fetch")
        if dtype not in (torch.float32, torch.float64):
            raise InputError(f"dtype: got {dtype}, want torch.float32 or float64; queries may still be of less")
        self.k = k
        self.dims = 0
        self._settings = {name: getattr(bundle, name) for name in _SETTINGS}
        self.rows, self.channels = bundle.rows, bundle.channels
        self.dac_bits, self.adc_bits, self.encoding = bundle.dac_bits, bundle.adc_bits, bundle.encoding
        for name, (_, _, kind) in schema.TENSORS.items():
            value = torch.as_tensor(np.asarray(getattr(bundle, name)))
            self.register_buffer(name, value.to(dtype) if kind == "float64" else value)
        empty = torch.zeros(0, 0, bundle.channels, dtype=dtype)
        one = torch.ones((), dtype=dtype)
        for name, value in zip(_PROGRAMMED, (empty, empty[..., 0], one, empty, 0.0 * one), strict=True):
            self.register_buffer(name, value.clone())
        for name in _FOLDED:
            self.register_buffer(name, empty.clone(), persistent=False)
        self._take_notes()

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
        return self.channels // sign.RAILS[self.encoding]

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
        shape = (*signatures.shape[: bank_axes + 1], -(-signatures.shape[-1] // self.slice_dims), self.channels)
        return self._normal(shape, generator)

    def draw_noise(
        self, query: Float[Tensor, "*batch dims"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "shots *batch blocks slices"]:
        """Standard normal numbers for the read noise of these queries."""
        return self._normal(self._noise_shape(query), generator)

    def program(
        self,
        signatures: Float[Tensor, "*banks_blocks_rails dims"],
        error: Float[Tensor, "*banks blocks slices channels"] | None = None,
        *,
        drift: Float[Tensor, "*banks blocks slices channels"] | None = None,
        common_drift: float | Tensor = 0.0,
        signature_scale: float | None = None,
        bank_axes: int = 0,
    ) -> None:
        """Write signatures into the buffers, see ``behavior.arithmetic.written``.

        Args:
            signatures: One signature per block, any unit. For ``dual_rail`` also (blocks, 2, dims): the weights of the
                positive and of the negative halves of a query, such as a bound's (max, -min).
            error: Standard normal numbers; none: exactly the mean weights.
            drift: Standard normal numbers by which the weights will drift; without them they are read at once only.
            common_drift: The standard normal number of the drift that all weights share.
            signature_scale: Magnitude written as the full span, unit of the signatures; the largest of each bank by
                default.
            bank_axes: How many leading axes (batch, KV heads) hold banks of their own, such as 2 for
                (batch, kv_heads, blocks, dims).

        Raises:
            InputError: NaN or infinite signatures, one beyond ``signature_scale``, or fewer than k blocks.
        """
        banks, bank_shape = signatures.shape[:bank_axes], signatures.shape[bank_axes:]
        if signature_scale is not None or not bool(torch.isfinite(signatures).all()) or not signatures.numel():
            # Only what is refused, or may be, has to come to the host.
            host = signatures.detach().to("cpu", torch.float64).numpy()
            require_finite("signatures", host, axes=("block", "dim"), cure="mend or drop it first", batched=True)
            largest, place = largest_magnitude(host.reshape(-1, *bank_shape[1:]))
            require_scale(largest or 1.0 if signature_scale is None else signature_scale, largest=largest, place=place)
        require_rails(tuple(bank_shape), encoding=self.encoding)
        if bank_shape[0] < self.k:
            raise InputError(f"signatures: got {bank_shape[0]} blocks, want at least k = {self.k}; lower k")
        signatures = signatures.to(self.weight_bias)
        flat = signatures.detach().reshape(*banks, -1).abs().amax(-1)
        scale = torch.where(flat > 0, flat, torch.ones_like(flat))
        if signature_scale is not None:
            scale = torch.full_like(scale, signature_scale)
        halves = len(bank_shape) == 3
        sliced = self._slices(signatures / scale.reshape(*banks, *(1,) * len(bank_shape)))
        share = arithmetic.channel_shares(sliced, self.encoding, halves=halves)
        for name, numbers in (("error", error), ("drift", drift)):
            if numbers is not None:
                require_shape(name, got=tuple(numbers.shape), want=tuple(share.shape))
        numbers = None if error is None else error.to(share)
        commanded, self.weights = arithmetic.written(self, share, numbers, self._row(bank_shape[0]))
        self.row_sum, self.signature_scale = commanded.sum(-1), scale
        self.drift = share[..., :0] if drift is None else drift.to(share)
        self.common_drift = torch.as_tensor(common_drift).to(share)
        self.dims = signatures.shape[-1]
        self._keep_folded()

    def forward(
        self,
        query: Float[Tensor, "*batch dims"],
        noise: Float[Tensor, "shots *batch blocks slices"] | None = None,
        t_since_program_s: float | Tensor = 0.0,
    ) -> tuple[Float[Tensor, "*batch blocks"], Int[Tensor, "*batch k"]]:
        """Score the programmed blocks and choose the best.

        Args:
            query: Finite queries of any unit, over any leading axes, of which the first are the banks.
            noise: Standard normal numbers of the shape that ``draw_noise`` gives; none: the mean reading.
            t_since_program_s: How long ago the signatures were programmed, at most ``longest_s``. A tensor is not
                checked: beyond the last measured time the drift stays as it was there.

        Returns:
            Scores in units of query times signature, minus infinity on a dead row; and the indices of the k best
            blocks, best first.

        Raises:
            InputError: Nothing is programmed, another number of dimensions, or a time at which drift was not measured.
        """
        if self.dims == 0:
            raise InputError("PhotonicSelector: got a query, want signatures before it; call program() first")
        require_dims("query", got=query.shape[-1], want=self.dims)
        banks = self.weights.shape[:-3]
        if query.shape[: len(banks)] != banks:
            raise InputError(f"query: got leading axes {tuple(query.shape[:-1])}, want the banks {tuple(banks)} first")
        if noise is not None:
            require_shape("noise", got=tuple(noise.shape), want=self._noise_shape(query))
        if not isinstance(t_since_program_s, Tensor):
            require_drift(t_since_program_s, longest_s=self._longest_s, drawn=self.drift.numel() > 0)
        with torch.autocast(query.device.type, enabled=False):
            scores = self._scores(query.to(self.weight_bias), noise, t_since_program_s)
            return scores, best(scores, self.k)

    def _scores(self, query: Tensor, noise: Tensor | None, time_s: float | Tensor) -> Tensor:
        folded = Folded(*(getattr(self, name) for name in _FOLDED))
        if isinstance(time_s, Tensor) or time_s > 0:
            row = self._row(self.weights.shape[-3])
            weights = arithmetic.aged(self, self.weights, self.drift, self.common_drift, time_s, row)
            folded = fold(self, weights, self.row_sum, self.signature_scale, row)
        banks = self.weights.shape[:-3]
        flat = query.reshape(*banks, -1, query.shape[-1])
        if noise is not None:
            noise = noise.reshape(noise.shape[0], *flat.shape[:-1], *noise.shape[-2:])
        largest = flat.abs().amax(-1, keepdim=True)
        query_hat = self._slices(flat / torch.where(largest > 0, largest, torch.ones_like(largest)))
        unit = (self.signature_scale / self.weight_span)[..., None, None]
        return read(self, folded, query_hat, noise, largest, unit).reshape(*query.shape[:-1], -1)

    def _take_notes(self) -> None:
        # What decides the road of a reading is plain Python: a compiler needs no look at the tensors.
        self._longest_s = float(self.drift_time_s[-1]) if len(self.drift_time_s) else 0.0
        self.line_noise = bool(self.noise_rin > 0)
        self.some_excluded = bool(self.excluded.any())
        in_place = torch.arange(self.channels, device=self.column_of_channel.device)
        self.some_moved = not torch.equal(self.column_of_channel, in_place)
        self.common_variance = float(self.noise_common) ** 2

    def _keep_folded(self) -> None:
        row = self._row(self.weights.shape[-3])
        folded = fold(self, self.weights, self.row_sum, self.signature_scale, row)
        for name, value in zip(_FOLDED, folded, strict=True):
            setattr(self, name, value)

    def _row(self, blocks: int) -> Tensor:
        return torch.arange(blocks, device=self.weight_bias.device) % self.rows

    def get_extra_state(self) -> Tensor:
        """The chip's settings and spec as JSON bytes in a tensor: a state_dict holds tensors only, never a pickle."""
        text = json.dumps({**self._settings, "k": self.k, "dims": self.dims}, sort_keys=True)
        return torch.tensor(list(text.encode("ascii")), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Take over k and dims from a state_dict, and refuse one that was made for another chip."""
        try:
            settings = json.loads(bytes(state.tolist()).decode("ascii"))
            k, dims = settings.pop("k"), settings.pop("dims")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise InputError(
                "state_dict: got no chip settings, want those of a PhotonicSelector; save it again"
            ) from error
        for name, want in self._settings.items():
            if settings.get(name) != want:
                raise InputError(
                    f"state_dict: got {name} = {settings.get(name)}, want {want}; load the matching bundle"
                )
        self.k, self.dims = k, dims

    def _load_from_state_dict(self, state_dict, prefix, *args):
        # What is programmed has the size of its signatures, not of the chip: make room for it. So has the drift.
        for name in (*_PROGRAMMED, "drift_time_s", "drift_mean", "drift_common", "drift_own"):
            if prefix + name in state_dict:
                setattr(self, name, torch.empty_like(state_dict[prefix + name]).to(self.weight_bias))
        super()._load_from_state_dict(state_dict, prefix, *args)
        self._take_notes()
        if self.weights.numel():
            self._keep_folded()

    def _apply(self, fn, *args):
        # A device is followed, half precision is not: see the class.
        def kept(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            return tensor.to(moved.device) if moved.is_floating_point() and moved.itemsize < 4 else moved

        return super()._apply(kept, *args)

    def _noise_shape(self, query: Tensor) -> tuple[int, ...]:
        return sign.shots(self.encoding), *query.shape[:-1], *self.weights.shape[-3:-1]

    def _normal(self, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
        kind = {"dtype": self.weight_bias.dtype, "device": self.weight_bias.device}
        return torch.randn(shape, generator=generator, **kind)

    def _slices(self, values: Tensor) -> Tensor:
        slices, rest = divmod(values.shape[-1], self.slice_dims)
        if rest == 0:
            return values.unflatten(-1, (slices, self.slice_dims))
        slices += 1
        padded = torch.nn.functional.pad(values, (0, slices * self.slice_dims - values.shape[-1]))
        return padded.reshape(*values.shape[:-1], slices, self.slice_dims)
