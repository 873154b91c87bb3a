"""A torch module that holds a chip's numbers as buffers, and keeps them when a loader replaces tensors."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from prism_photonics.codec import arithmetic
from prism_photonics.codec.checks import own_scales, require_count, require_rails
from prism_photonics.export import schema
from prism_photonics.export.read import Bundle
from prism_photonics.units import InputError


class ChipNumbers(NamedTuple):
    """The chip's single numbers; units in ``export.schema.TENSORS``."""

    leak: float
    weight_centre: float
    weight_span: float
    noise_floor: float
    noise_shot: float
    noise_rin: float


PROGRAMMED = ("weights", "row_sum", "signature_scale", "centre", "drift", "common_drift")
"""Buffers that stand for what is programmed; their sizes are those of the signatures."""
_SETTINGS = ("rows", "channels", "dac_bits", "adc_bits", "encoding", "spec_hash", "spec")


class ChipBuffers(torch.nn.Module):
    """The buffers of one chip, and their way into a state dict and back.

    Libraries build models without values (``torch.device("meta")``, ``to_empty``) and fill in what a checkpoint holds;
    Hugging Face puts uninitialised memory where it holds nothing. The chip's numbers are the bundle's, so they are also
    kept as NumPy arrays, and put back where a loader left something else.

    Attributes:
        k: Blocks chosen per query.
        dims: Dimensions of the programmed signatures, 0 before any are.
        line_noise: Whether lines have intensity noise of their own, which costs a second matrix product.
        some_excluded: Whether some ring takes no part.
        some_permuted: Whether some channel carries another place of a slice than its own.
        some_gained: Whether some row's gain is not 1.
        some_offset: Whether some row's offset is not 0.
        common_variance: Square of ``noise_common``.
        numbers: The chip's single numbers.
    """

    weights: Tensor
    row_sum: Tensor
    signature_scale: Tensor
    centre: Tensor
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

    def __init__(self, bundle: Bundle, k: int, dtype: torch.dtype):
        super().__init__()
        self.k = require_count("k", k)
        self.dims = 0
        self._settings = {name: getattr(bundle, name) for name in _SETTINGS}
        self.rows, self.channels = bundle.rows, bundle.channels
        self.dac_bits, self.adc_bits, self.encoding = bundle.dac_bits, bundle.adc_bits, bundle.encoding
        self._chip = {name: np.array(getattr(bundle, name)) for name in schema.TENSORS}
        for name, value in self._chip.items():
            self.register_buffer(name, torch.tensor(value, dtype=dtype if value.dtype.kind == "f" else None))
        empty, one = torch.zeros(0, 0, bundle.channels, dtype=dtype), torch.ones((), dtype=dtype)
        nothing = (empty, empty[..., 0], one, torch.zeros(0, dtype=dtype), empty, 0.0 * one)
        for name, value in zip(PROGRAMMED, nothing, strict=True):
            self.register_buffer(name, value.clone())
        self._known = self._chip_buffers()
        self._fused_of: Tensor | None = self.weights
        self._host: Any = None  # what `export.single` keeps of the buffers; nothing that is saved
        self._take_notes()

    def reserve(
        self,
        signatures_shape: Sequence[int],
        *,
        bank_axes: int = 0,
        drift: bool = False,
        signature_scale: str | None = None,
    ) -> None:
        """Make room for signatures that a checkpoint holds: Hugging Face loads no tensor of another shape.

        To be called in the ``__init__`` of the model that holds the selector. Nothing can be read before a checkpoint
        is loaded, or `program` called.

        Args:
            signatures_shape: Shape of what `program` was given: banks, blocks, for bounds 2, dims.
            bank_axes: How many leading axes hold banks of their own.
            drift: Whether `program` was given a drift.
            signature_scale: "block" where `program` was given that.

        Raises:
            InputError: The shape is none of signatures.
        """
        shape = tuple(
            require_count("signatures_shape", size, cure="give that of program()") for size in signatures_shape
        )
        bank_axes = require_count("bank_axes", bank_axes, least=0, cure="count the leading axes of banks")
        require_rails(shape[bank_axes:], encoding=self.encoding)
        signatures, kind = (
            torch.empty(shape, device="meta"),
            {"dtype": self.weights.dtype, "device": self.weights.device},
        )
        written = arithmetic.error_shape(signatures, self.channels, self.encoding, bank_axes=bank_axes)
        shapes = (
            *(
                written,
                written[:-1],
                shape[: bank_axes + own_scales(signature_scale)],
                shape[:bank_axes] + shape[bank_axes + 1 :],
            ),
            *(written if drift else (*written[:-1], 0), ()),
        )
        for name, size in zip(PROGRAMMED, shapes, strict=True):
            setattr(self, name, torch.zeros(size, **kind))
        self.dims, self._fused_of, self._host = 0, self.weights, None

    def __getstate__(self) -> dict[str, Any]:
        """What a copy takes over; it sees the memory of its own buffers, not that of these."""
        return {**self.__dict__, "_host": None}

    def get_extra_state(self) -> Tensor:
        """The chip's settings and spec as JSON bytes in a tensor: a state_dict holds tensors only, never a pickle."""
        text = json.dumps({**self._settings, "k": self.k, "dims": self.dims}, sort_keys=True)
        return torch.tensor(list(text.encode("ascii")), dtype=torch.uint8, device="cpu")

    def set_extra_state(self, state: Tensor) -> None:
        """Take over k and dims from a state_dict, and refuse one that was made for another chip."""
        try:
            # Loaders that keep a module in single precision make floats of its bytes too.
            settings = json.loads(bytes(state.to(torch.uint8).tolist()).decode("ascii"))
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
        self.k, self.dims = require_count("state_dict: k", k), dims

    def fuse_weights(self) -> None:
        """Update buffers that depend on the programmed weights."""
        if not torch.compiler.is_compiling():
            self._fused_of, self._host = self.weights, None

    def take_over(self) -> None:
        """Update buffers that depend on the weights after a loader replaced them; compares identities, not values.

        Such a loader (Hugging Face's) sets one buffer after the other, and the chip's numbers with the weights: those
        of the checkpoint count.

        Raises:
            InputError: It made them half precision.
        """
        if self.weights is self._fused_of:
            return
        known = self._chip_buffers()
        if any(buffer is not self._known.get(name) for name, buffer in known.items()):
            for name, buffer in (*known.items(), ("weights", self.weights)):
                if buffer.is_floating_point() and buffer.itemsize < 4:
                    raise InputError(
                        f"PhotonicSelector.{name}: got {buffer.dtype}, want float32 or float64: a loader rounded "
                        "what is programmed; name the selector in the model's _keep_in_fp32_modules_strict"
                    )
                # To keep a module in single precision, they make floats of truths and places too.
                kind = self._chip[name].dtype.kind if name in known else "f"
                if kind != "f" and buffer.is_floating_point():
                    setattr(self, name, buffer.to(torch.bool if kind == "b" else torch.int64))
            known = self._chip_buffers()
            self._chip = {name: buffer.detach().cpu().numpy().copy() for name, buffer in known.items()}
            self._known = known
            self._take_notes()
        self.fuse_weights()

    def restore_chip(self) -> None:
        """Restore the chip's numbers after a loader replaced them; compares identities, not values."""
        if any(buffer is not self._known.get(name) for name, buffer in self._chip_buffers().items()):
            self._mend_chip()

    def _chip_buffers(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in schema.TENSORS}

    def _mend_chip(self) -> None:
        for name, buffer in self._chip_buffers().items():
            if not buffer.is_meta:
                wanted = torch.tensor(self._chip[name], dtype=buffer.dtype, device="cpu")
                if not torch.equal(buffer.detach().cpu(), wanted):
                    setattr(self, name, wanted.to(buffer.device))
        self._known = self._chip_buffers()

    def _take_notes(self) -> None:
        # What decides the road of a reading is plain Python: neither a compiler nor a model without values has tensors
        # to look at.
        times = self._chip["drift_time_s"]
        self._longest_s = float(times[-1]) if len(times) else 0.0
        self.line_noise = bool(self._chip["noise_rin"] > 0)
        self.some_excluded = bool(self._chip["excluded"].any())
        self.some_permuted = not np.array_equal(self._chip["column_of_channel"], np.arange(self.channels))
        self.some_gained = bool((self._chip["score_gain"] != 1.0).any())
        self.some_offset = bool(self._chip["score_offset"].any())
        self.common_variance = float(self._chip["noise_common"]) ** 2
        self.numbers = ChipNumbers(*(float(self._chip[name]) for name in ChipNumbers._fields))

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        older = prefix + "weights" in state_dict and prefix + "centre" not in state_dict
        if older:  # of a version that took nothing off
            state_dict[prefix + "centre"] = torch.zeros(0)
        # What is programmed has the size of its signatures, not of the chip: make room for it. So has the drift.
        for name in (*PROGRAMMED, "drift_time_s", "drift_mean", "drift_common", "drift_own"):
            if prefix + name in state_dict:
                setattr(self, name, torch.empty_like(state_dict[prefix + name]).to(self.weight_bias))
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
        if older:
            self.centre = self.weights.new_zeros((*self.weights.shape[:-3], self.dims))
        if prefix + "weight_bias" in state_dict:
            known = self._chip_buffers()
            if not any(buffer.is_meta for buffer in known.values()):
                self._chip = {name: buffer.detach().cpu().numpy().copy() for name, buffer in known.items()}
        self._known, self._fused_of, self._host = self._chip_buffers(), self.weights, None
        self._take_notes()
        if self.weights.numel() and not self.weights.is_meta:
            self.fuse_weights()

    def _apply(self, fn: Any, recurse: bool = True) -> "ChipBuffers":
        # A device is followed, half precision is not: 11 bits are fewer than a good converter has.
        def kept(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            if moved.is_complex():
                raise InputError(
                    f"PhotonicSelector: got {moved.dtype}, want real numbers; move it to float32 or float64"
                )
            return tensor.to(moved.device) if moved.is_floating_point() and moved.itemsize < 4 else moved

        fused = self.weights is self._fused_of
        super()._apply(kept, recurse)
        self._mend_chip()
        self._fused_of, self._host = self.weights if fused else None, None
        return self
