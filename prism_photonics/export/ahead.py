"""A selector's answer compiled ahead for queries of one shape, as a decode loop asks them: machine code, and no more.

`torch.compile` looks at every call whether its code still fits the module, some two hundred comparisons, and hands
tensors over in Python: for a query of a few thousand blocks that takes longer than the answer. Here sizes are agreed
upon once. A call looks at the sizes of what is handed in, and whether signatures were written since the last.

Wanted is a C++ compiler, as for `torch.compile`. The code that is loaded lies in a folder that this process made for
itself. Sources go through torch's cache on their way, see `compile_ahead`.
"""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple, final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor
from torch._inductor.cpp_builder import get_cpp_compiler
from torch._inductor.exc import InvalidCxxCompiler
from torch.autograd import forward_ad

from prism_photonics.export.buffers import ChipNumbers
from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.units import InputError


@final
class AheadSelector:
    """A programmed selector whose answer is compiled; made by `compile_ahead`.

    What is programmed later is read where it lies: nothing is compiled again, as long as the sizes stay. No derivative
    passes through, and values are not looked at: a query that is not finite scores NaN on all blocks.
    """

    def __init__(self, selector: PhotonicSelector, code: "_Code") -> None:
        self.selector, self._code = selector, code
        self._weights: Tensor | None = None
        self._held: list[Tensor] = []
        self._follow()

    def __call__(
        self,
        query: Float[Tensor, "*batch dims"],
        noise: Float[Tensor, "shots *batch blocks slices"] | None = None,
    ) -> tuple[Float[Tensor, "*batch blocks"], Int[Tensor, "*batch k"]]:
        """Score the programmed blocks and choose the best, see ``PhotonicSelector.forward``.

        Args:
            query: Queries of the shape and dtype that were compiled for.
            noise: Standard normal numbers, if it was compiled with them.

        Returns:
            Scores in units of query times signature, and the indices of the k best blocks, best first.

        Raises:
            InputError: Another shape, dtype or device than was compiled for, a query whose gradient is asked for or
                that has a tangent; or signatures of another size, or another chip's, were programmed since.
        """
        if self.selector._buffers["weights"] is not self._weights:
            self._follow()
        code = self._code
        if not _fits(query, code.query):
            query = _agreed("query", query, code.query)
        if noise is None and code.noise is None:
            return code.answer([query, *self._held])
        if noise is None or code.noise is None or not _fits(noise, code.noise):
            noise = _agreed("noise", noise, code.noise)
        return code.answer([query, noise, *self._held])

    def over(self, selector: PhotonicSelector) -> "AheadSelector":
        """The same code over another selector of the same chip and sizes, such as the next layer's.

        Raises:
            InputError: Another chip or other sizes.
        """
        return AheadSelector(selector, self._code)

    def _follow(self) -> None:
        """Look up what is programmed now."""
        self.selector.take_over()
        buffers = dict(self.selector.named_buffers())
        for name in self._code.buffers:  # before they are detached, which takes a tangent off
            _refuse_tangent(f"PhotonicSelector.{name}", buffers[name])
        if _settings(self.selector) != self._code.settings:
            raise InputError(
                "AheadSelector: got another k or another chip than it was compiled for, want the same; compile_ahead() "
                "it anew"
            )
        self._held = [
            _agreed(f"PhotonicSelector.{name}", buffers[name].detach(), agreed)
            for name, agreed in self._code.buffers.items()
        ]
        self._weights = buffers["weights"]


def compile_ahead(
    selector: PhotonicSelector,
    query: Float[Tensor, "*batch dims"],
    noise: Float[Tensor, "shots *batch blocks slices"] | None = None,
) -> AheadSelector:
    """Compile the answer of a programmed selector for queries of one shape, on a CPU.

    Takes some ten seconds of processor time, and 17 to 44 s by the clock of two cores that had other work too. The
    code uses as many threads as ``torch.get_num_threads()`` says now. Torch keeps sources in ``torchinductor_USER`` of
    the folder for temporary files, and compiles what it finds there by name: where others may have made that folder,
    give ``TMPDIR`` one of your own before Python starts.

    Args:
        selector: With signatures programmed, as many as will be asked.
        query: Queries of the shape and dtype that will be asked; their values do not matter.
        noise: Standard normal numbers as ``draw_noise`` gives them, if the queries will come with such; their values
            do not matter either.

    Returns:
        What answers such queries.

    Raises:
        InputError: What `PhotonicSelector.forward` refuses, another device than a CPU, or no C++ compiler.
    """
    given = (query,) if noise is None else (query, noise)
    for name, values in zip(("query", "noise"), given, strict=False):
        if not isinstance(values, Tensor):
            raise InputError(f"{name}: got a {type(values).__name__}, want a torch tensor; use torch.as_tensor")
        if values.device.type != "cpu" or selector.weights.device.type != "cpu":
            raise InputError(f"{name}: got {values.device}, want the CPU, as the selector; use torch.compile(selector)")
    # Whatever the road called refuses is refused in its words.
    plain = tuple(torch.zeros(values.shape, dtype=values.dtype) for values in given)
    with torch.no_grad():
        selector(*plain)
    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        raise InputError("compile_ahead: got no C++ compiler, want one; install g++, or name yours in CXX") from None
    return AheadSelector(selector, _Code(selector, plain))


class _Agreed(NamedTuple):
    """Sizes and kind of numbers that code is compiled for."""

    shape: torch.Size
    dtype: torch.dtype

    def __str__(self) -> str:
        return f"{self.dtype} of shape {tuple(self.shape)}"


class _Reader(torch.nn.Module):
    """A selector whose buffers come in as arguments."""

    def __init__(self, selector: PhotonicSelector, names: list[str]) -> None:
        super().__init__()
        self.names, self.hidden = names, (selector,)  # a module in a tuple is no part of this one

    def forward(self, given: tuple[Tensor, ...], held: list[Tensor]) -> tuple[Tensor, Tensor]:
        buffers = dict(zip(self.names, held, strict=True))
        return torch.func.functional_call(self.hidden[0], buffers, given)


class _Code:
    """Compiled code, and what it was compiled for."""

    def __init__(self, selector: PhotonicSelector, given: tuple[Tensor, ...]) -> None:
        self.query, self.noise, *_ = *(_Agreed(values.shape, values.dtype) for values in given), None
        self.settings = _settings(selector)
        held = {name: buffer.detach() for name, buffer in selector.named_buffers()}
        # Every tensor that is handed over takes time: those that the answer does not look at stay away.
        used = _looked_at(_exported(selector, given, held), list(held))
        self.buffers = {name: _Agreed(held[name].shape, held[name].dtype) for name in used}
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            path = torch._inductor.aoti_compile_and_package(
                _exported(selector, given, {name: held[name] for name in used}),
                package_path=str(Path(folder) / "answer.pt2"),
            )
            # Holds a copy of its own from here on. Its loader is called itself: what the package does beside that, for
            # arguments of any structure, takes as long as all the rest.
            self._package = torch._inductor.aoti_load_package(path)
        self.run: Any = self._package.loader.run

    def answer(self, given: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Run the code on tensors that were looked at."""
        try:
            scores, blocks = self.run(given)
        except RuntimeError:
            if any(is_functorch_wrapped_tensor(values) for values in given):
                raise InputError(
                    "AheadSelector: got a tensor of vmap, grad or jvp, want numbers; call the selector itself"
                ) from None
            raise
        return scores, blocks


def _exported(selector: PhotonicSelector, given: tuple[Tensor, ...], held: dict[str, Tensor]) -> Any:
    with torch.no_grad():
        return torch.export.export(_Reader(selector, list(held)), (given, list(held.values())), strict=False)


def _looked_at(program: Any, names: list[str]) -> list[str]:
    """The buffers that an exported answer depends on."""
    places = [node for node in program.graph.nodes if node.op == "placeholder"][-len(names) :]
    return [name for name, node in zip(names, places, strict=True) if node.users]


def _settings(selector: PhotonicSelector) -> tuple[Any, ...]:
    """All that compiled code takes for given."""
    flags = (selector.some_excluded, selector.some_permuted, selector.some_gained, selector.some_offset)
    # As buffers, for a checkpoint brings them in the selector's precision.
    numbers = [float(getattr(selector, name)) for name in (*ChipNumbers._fields, "noise_common")]
    return (selector._settings, selector.k, selector.dims, selector.line_noise, flags, numbers)


def _fits(values: Tensor, agreed: "_Agreed") -> bool:
    """Whether values can be handed over as they are; a few comparisons, as these are most of a short call's cost."""
    return (
        isinstance(values, Tensor)
        and values.shape == agreed.shape
        and values.dtype is agreed.dtype
        and values.is_cpu
        and not values.requires_grad
        and values.is_contiguous()
        and not _has_tangent(values)
    )


def _has_tangent(values: Tensor) -> bool:
    """Whether a forward derivative passes through; outside `forward_ad.dual_level` a comparison, and no more."""
    return forward_ad._current_level >= 0 and forward_ad.unpack_dual(values).tangent is not None


def _refuse_tangent(name: str, values: Tensor) -> None:
    if _has_tangent(values):
        raise InputError(f"{name}: got a tensor with a tangent, want none; call the selector itself")


def _agreed(name: str, values: Tensor | None, agreed: "_Agreed | None") -> Tensor:
    """Refuse what has other sizes than the code was compiled for: it would read beyond the memory."""
    if values is not None and not isinstance(values, Tensor):
        raise InputError(f"{name}: got a {type(values).__name__}, want a torch tensor; use torch.as_tensor")
    got = None if values is None else _Agreed(values.shape, values.dtype)
    if values is None or got != agreed:
        raise InputError(f"{name}: got {got or 'none'}, want {agreed or 'none'}, as compiled; compile_ahead() it anew")
    if not values.is_cpu:
        raise InputError(f"{name}: got {values.device}, want the CPU, as compiled; move it there")
    if values.requires_grad and torch.is_grad_enabled():
        raise InputError(f"{name}: got a tensor that asks for its gradient, want none; call the selector itself")
    _refuse_tangent(name, values)
    return values.detach().contiguous()
