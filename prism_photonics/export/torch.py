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
    require_finite,
    require_rails,
    require_scale,
    require_shape,
)
from prism_photonics.export import schema
from prism_photonics.export.read import Bundle, load
from prism_photonics.lightpath.modulator import encoding as sign
from prism_photonics.lightpath.modulator.model import modulate
from prism_photonics.units import InputError

_PROGRAMMED = ("weights", "row_sum", "signature_scale")
_SETTINGS = (*schema.INTEGERS, "encoding", "spec_hash")


class PhotonicSelector(torch.nn.Module):
    """Chooses the ``k`` best blocks as the chip would; its buffers are the model and what is programmed.

    Randomness comes in as tensors: draw them with ``draw_error`` and ``draw_noise``, or leave them out for a
    chip without programming error or read noise (its converters remain). Ties: ``export.schema.TIE_RULE``.

    Attributes:
        k: Blocks chosen per query.
        dims: Dimensions of the programmed signatures, 0 before ``program``.
    """

    weight_bias: Tensor
    weight_error_std: Tensor
    noise_floor: Tensor
    noise_shot: Tensor
    noise_rin: Tensor
    noise_common: Tensor
    leak: Tensor
    weight_centre: Tensor
    weight_span: Tensor
    adc_full_scale: Tensor
    weights: Tensor
    row_sum: Tensor
    signature_scale: Tensor

    def __init__(self, bundle: Bundle, k: int, *, dtype: torch.dtype = torch.float32):
        super().__init__()
        if k < 1:
            raise InputError(f"k: got {k}, want at least 1; choose how many blocks to fetch")
        self.k = k
        self.dims = 0
        self._settings = {name: getattr(bundle, name) for name in _SETTINGS}
        self.rows, self.channels = bundle.rows, bundle.channels
        self.dac_bits, self.adc_bits, self.encoding = bundle.dac_bits, bundle.adc_bits, bundle.encoding
        for name in schema.TENSORS:
            self.register_buffer(name, torch.as_tensor(getattr(bundle, name), dtype=dtype))
        self.register_buffer("weights", torch.zeros(0, 0, bundle.channels, dtype=dtype))
        self.register_buffer("row_sum", torch.zeros(0, 0, dtype=dtype))
        self.register_buffer("signature_scale", torch.ones((), dtype=dtype))

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

    def draw_error(
        self, signatures: Float[Tensor, "blocks *rails dims"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "blocks slices channels"]:
        """Standard normal numbers for the programming error of these signatures."""
        shape = (len(signatures), -(-signatures.shape[-1] // self.slice_dims), self.channels)
        return self._normal(shape, generator)

    def draw_noise(
        self, query: Float[Tensor, "*batch dims"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "shots *batch blocks slices"]:
        """Standard normal numbers for the read noise of these queries."""
        return self._normal(self._noise_shape(query), generator)

    def program(
        self,
        signatures: Float[Tensor, "blocks *rails dims"],
        error: Float[Tensor, "blocks slices channels"] | None = None,
        *,
        signature_scale: float | None = None,
    ) -> None:
        """Write signatures into the buffers: W = w_target + weight_bias + weight_error_std·error.

        Args:
            signatures: One signature per block, any unit. For ``dual_rail`` also (blocks, 2, dims): the weights of the
                positive and of the negative halves of a query, such as a bound's (max, -min).
            error: Standard normal numbers; none: exactly the mean weights.
            signature_scale: Magnitude written as the full span, unit of the signatures; their largest by
                default.

        Raises:
            InputError: NaN or infinite signatures, one beyond ``signature_scale``, or fewer than k blocks.
        """
        host = np.asarray(signatures.detach().to("cpu", torch.float64))
        require_finite("signatures", host, axes=("block", "dim"), cure="mend or drop it first", batched=True)
        require_rails(host.shape, encoding=self.encoding)
        if len(host) < self.k:
            raise InputError(f"signatures: got {len(host)} blocks, want at least k = {self.k}; lower k")
        largest, place = largest_magnitude(host)
        scale = (largest or 1.0) if signature_scale is None else signature_scale
        require_scale(scale, largest=largest, place=place)
        signatures = signatures.to(self.weight_bias)
        sliced = self._slices(signatures / scale)
        share = sliced.movedim(1, 2).flatten(2) if signatures.ndim == 3 else sign.rails(sliced, self.encoding)
        target = self.weight_centre + self.weight_span * share
        realised = target + self.weight_bias
        if error is not None:
            require_shape("error", got=tuple(error.shape), want=tuple(target.shape))
            realised = realised + self.weight_error_std * error
        self.weights, self.row_sum = realised, target.sum(-1)
        self.signature_scale = torch.full_like(self.weight_centre, scale)
        self.dims = signatures.shape[-1]

    def forward(
        self,
        query: Float[Tensor, "*batch dims"],
        noise: Float[Tensor, "shots *batch blocks slices"] | None = None,
    ) -> tuple[Float[Tensor, "*batch blocks"], Int[Tensor, "*batch k"]]:
        """Score the programmed blocks and choose the best.

        Args:
            query: Finite queries of any unit, over any leading axes.
            noise: Standard normal numbers of the shape that ``draw_noise`` gives; none: the mean reading.

        Returns:
            Scores in units of query times signature, and the indices of the k best blocks, best first.

        Raises:
            InputError: Nothing is programmed, or another number of dimensions.
        """
        if self.dims == 0:
            raise InputError("PhotonicSelector: got a query, want signatures before it; call program() first")
        require_dims("query", got=query.shape[-1], want=self.dims)
        query = query.to(self.weight_bias)
        largest = query.abs().amax(-1, keepdim=True)
        query_hat = query / torch.where(largest > 0, largest, torch.ones_like(largest))
        wanted = sign.encode(self._slices(query_hat), self.encoding)
        light = self.leak + _straight_through(wanted, modulate(wanted.detach(), self.dac_bits))
        y = torch.einsum("...sc,bsc->...bs", light, self.weights)
        if noise is not None:
            require_shape("noise", got=tuple(noise.shape), want=self._noise_shape(query))
            variance = (
                self.noise_floor**2
                + self.noise_shot**2 * light.sum(-1)[..., None, :]
                + self.noise_rin**2 * torch.einsum("...sc,bsc->...bs", light**2, self.weights**2)
                + self.noise_common**2 * y**2
            )
            y = y + variance.sqrt() * noise
        row = torch.arange(self.weights.shape[0], device=self.weights.device) % self.rows
        full_scale = self.adc_full_scale[row, None]
        y = torch.clip(y, -full_scale, full_scale)
        y = _straight_through(y, sign.quantize(y.detach(), self.adc_bits, -full_scale, full_scale))
        dot = sign.decode(y, self.row_sum, self.encoding, leak=self.leak).sum(-1)
        # Every weight carries the centre, so every block carries the same offset: it is taken off exactly.
        signed = (dot - self.weight_centre * sign.common_share(query_hat, self.encoding)) / self.weight_span
        scores = signed * largest * self.signature_scale
        # torch.topk leaves the order of ties open, and a coarse converter makes many: a stable sort keeps the
        # rule.
        return scores, torch.sort(scores, dim=-1, descending=True, stable=True).indices[..., : self.k]

    def get_extra_state(self) -> Tensor:
        """The chip's settings as JSON bytes in a tensor: a state_dict holds tensors only, never a pickle."""
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
        # What is programmed has the size of its signatures, not of the chip: make room for it.
        for name in _PROGRAMMED:
            if prefix + name in state_dict:
                setattr(self, name, torch.empty_like(state_dict[prefix + name]).to(self.weight_bias))
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _noise_shape(self, query: Tensor) -> tuple[int, ...]:
        return sign.shots(self.encoding), *query.shape[:-1], *self.weights.shape[:2]

    def _normal(self, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
        kind = {"dtype": self.weight_bias.dtype, "device": self.weight_bias.device}
        return torch.randn(shape, generator=generator, **kind)

    def _slices(self, values: Tensor) -> Tensor:
        slices = -(-values.shape[-1] // self.slice_dims)
        padded = torch.nn.functional.pad(values, (0, slices * self.slice_dims - values.shape[-1]))
        return padded.reshape(*values.shape[:-1], slices, self.slice_dims)


def _straight_through(x: Tensor, converted: Tensor) -> Tensor:
    """The converted values with the slope of x itself."""
    return x + (converted - x.detach()) if x.requires_grad else converted
