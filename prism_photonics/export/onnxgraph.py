"""Nodes of an ONNX graph that behave like arrays, so that the behavioral model's own arithmetic writes the graph."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

OPSET = 18
STANDS_FOR = {"blocks": 1_000_003, "queries": 1_000_033}
"""Sizes that stand for an axis of any length while the graph is written; no other axis has them."""


class Graph:
    """A graph that grows as its nodes are computed with.

    Attributes:
        dtype: Type of its numbers, float32 or float64.
    """

    def __init__(self, dtype: str):
        self.dtype = np.dtype(dtype)
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._count = 0

    def take(self, name: str, shape: Sequence[int | str]) -> "Node":
        """An input of the graph; an axis that is named may have any length."""
        kind = helper.np_dtype_to_tensor_dtype(self.dtype)
        self._inputs.append(helper.make_tensor_value_info(name, kind, list(shape)))
        sizes = tuple(STANDS_FOR[size] if isinstance(size, str) else size for size in shape)
        return Node(self, name, sizes, self.dtype)

    def constant(self, value: Any) -> "Node":
        """A node that holds an array."""
        array = np.array(value, order="C")
        if array.dtype.kind == "f":
            array = array.astype(self.dtype)
        name = self._name()
        self._constants.append(numpy_helper.from_array(array, name))
        return Node(self, name, array.shape, array.dtype)

    def add(
        self, kind: str, inputs: Sequence[Any], shape: tuple[int, ...], dtype: Any = None, **attributes: Any
    ) -> "Node":
        """The result of an operator; whatever is no node is a constant."""
        names = [value.name if isinstance(value, Node) else self.constant(value).name for value in inputs]
        name = self._name()
        self._nodes.append(helper.make_node(kind, names, [name], **attributes))
        return Node(self, name, shape, np.dtype(dtype or self.dtype))

    def largest(self, values: "Node") -> "Node":
        """The largest magnitude of all."""
        return self.add("ReduceMax", [abs(values), np.arange(values.ndim)], (), keepdims=0)

    def top_k(self, scores: "Node", k: int) -> "Node":
        """Indices of the k largest; of equal ones the operator promises the lower index first."""
        values, name = self._name(), self._name()
        self._nodes.append(
            helper.make_node(
                "TopK", [scores.name, self.constant(np.array([k], np.int64)).name], [values, name], axis=-1
            )
        )
        return Node(self, name, (*scores.shape[:-1], k), np.dtype(np.int64))

    def model(self, outputs: dict[str, tuple["Node", Sequence[int | str], int]], metadata: dict[str, str]) -> bytes:
        """The finished model's bytes.

        Args:
            outputs: Name to node, shape and ONNX type.
            metadata: Texts to be stored in the model file.
        """
        for name, (node, _, _) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [node.name], [name]))
        infos = [helper.make_tensor_value_info(name, kind, list(shape)) for name, (_, shape, kind) in outputs.items()]
        graph = helper.make_graph(self._nodes, "prism_photonics", self._inputs, infos, self._constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9, producer_name="prism_photonics"
        )
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString(deterministic=True)

    def _name(self) -> str:
        self._count += 1
        return f"v{self._count}"


class Node:
    """A value of the graph with its shape; NumPy arrays and numbers mix with it as constants."""

    __array_ufunc__ = None  # NumPy then leaves mixed arithmetic to this class

    def __init__(self, graph: Graph, name: str, shape: tuple[int, ...], dtype: np.dtype):
        self.graph, self.name, self.shape, self.dtype = graph, name, shape, dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __array_namespace__(self) -> type["Namespace"]:
        return Namespace

    def _with(self, kind: str, *values: Any) -> "Node":
        cast = [v if isinstance(v, Node) else np.asarray(v, self.graph.dtype) for v in values]
        shape = np.broadcast_shapes(*(value.shape for value in cast))
        return self.graph.add(kind, cast, shape, bool if kind == "Greater" else None)

    def __add__(self, other: Any) -> "Node":
        return self._with("Add", self, other)

    def __sub__(self, other: Any) -> "Node":
        return self._with("Sub", self, other)

    def __rsub__(self, other: Any) -> "Node":
        return self._with("Sub", other, self)

    def __mul__(self, other: Any) -> "Node":
        return self._with("Mul", self, other)

    def __truediv__(self, other: Any) -> "Node":
        return self._with("Div", self, other)

    def __rtruediv__(self, other: Any) -> "Node":
        return self._with("Div", other, self)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> "Node":
        return self.graph.add("Neg", [self], self.shape)

    def __abs__(self) -> "Node":
        return self.graph.add("Abs", [self], self.shape)

    def __lt__(self, other: Any) -> "Node":
        return self._with("Greater", other, self)

    def __gt__(self, other: Any) -> "Node":
        return self._with("Greater", self, other)

    def __pow__(self, power: int | float) -> "Node":
        return self * self if power == 2 else Namespace.sqrt(self) if power == 0.5 else self._with("Pow", self, power)

    def sum(self, axis: int) -> "Node":
        """Sum over one axis."""
        return self._reduced("ReduceSum", axis)

    def mean(self, axis: int) -> "Node":
        """Mean over one axis."""
        return self._reduced("ReduceMean", axis)

    def _reduced(self, kind: str, axis: int) -> "Node":
        left = list(self.shape)
        del left[axis]
        node = self.graph.add(kind, [self, np.array([axis], np.int64)], tuple(left), keepdims=0)
        if axis in (-1, self.ndim - 1) and left:
            # ONNX Runtime keeps the axis where another is empty, a step in which nobody asks: its shape is told again.
            node = self.graph.add("Reshape", [node, np.zeros(len(left), np.int64)], tuple(left))
        return node

    def reshape(self, *shape: int) -> "Node":
        """Other axes; leading ones that stay may have any length, and a single -1 is a flat list."""
        kept = [0 if size == own else size for size, own in zip(shape, self.shape, strict=False)]
        sizes = shape if -1 not in shape else (int(np.prod(self.shape)),)
        return self.graph.add("Reshape", [self, np.array([*kept, *shape[len(kept) :]], np.int64)], tuple(sizes))

    def __getitem__(self, key: Any) -> "Node":
        key = key if isinstance(key, tuple) else (key,)
        fill = self.ndim - sum(part is not None and part is not Ellipsis for part in key)
        parts: list[Any] = []
        for part in key if Ellipsis in [p for p in key if not isinstance(p, Node | np.ndarray)] else (*key, Ellipsis):
            parts += [slice(None)] * fill if part is Ellipsis else [part]
        node, axis = self, 0
        for part in parts:
            if part is None:
                shape = (*node.shape[:axis], 1, *node.shape[axis:])
                node = self.graph.add("Unsqueeze", [node, np.array([axis], np.int64)], shape, node.dtype)
            elif isinstance(part, int):
                shape = node.shape[:axis] + node.shape[axis + 1 :]
                node = self.graph.add("Gather", [node, np.array(part, np.int64)], shape, node.dtype, axis=axis)
                continue
            elif not isinstance(part, slice):
                index = part if isinstance(part, Node) else np.asarray(part, np.int64)
                shape = node.shape[:axis] + index.shape + node.shape[axis + 1 :]
                node = self.graph.add("Gather", [node, index], shape, node.dtype, axis=axis)
            axis += 1
        return node


class Table(np.ndarray):
    """A constant that a node may index."""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, Node):
            dtype = key.graph.dtype if self.dtype.kind == "f" else self.dtype
            return key.graph.add("Gather", [key.graph.constant(self), key], key.shape + self.shape[1:], dtype)
        return super().__getitem__(key)


class Namespace:
    """The functions of an array library that the arithmetic asks for."""

    @staticmethod
    def sqrt(x: Any) -> Any:
        """Square root."""
        return x.graph.add("Sqrt", [x], x.shape) if isinstance(x, Node) else np.sqrt(x)

    @staticmethod
    def sin(x: Node) -> Node:
        """Sine."""
        return x.graph.add("Sin", [x], x.shape)

    @staticmethod
    def arcsin(x: Node) -> Node:
        """Arc sine of numbers in [0, 1]."""
        graph = x.graph
        # ONNX Runtime has no arc sine of doubles: one Newton step, sin(y − y₀) = x·cos y₀ − √(1 − x²)·sin y₀, mends it.
        rough = graph.add("Cast", [x], x.shape, np.float32, to=onnx.TensorProto.FLOAT)
        angle = graph.add("Asin", [rough], x.shape, np.float32)
        angle = graph.add("Cast", [angle], x.shape, to=helper.np_dtype_to_tensor_dtype(graph.dtype))
        if graph.dtype == np.float32:
            return angle
        cosine = Namespace.sqrt(Namespace.clip(1.0 - x * x, 0.0, 1.0))
        return angle + (x * Namespace.sin(angle + 0.5 * np.pi) - cosine * Namespace.sin(angle))

    @staticmethod
    def round(x: Node) -> Node:
        """Nearest whole number, halves to the even one."""
        return x.graph.add("Round", [x], x.shape)

    @staticmethod
    def amax(x: Node, axis: int) -> Node:
        """Largest along one axis."""
        return x._reduced("ReduceMax", axis)

    @staticmethod
    def pad(x: Node, widths: Sequence[tuple[int, int]]) -> Node:
        """Zeros before and after."""
        pads = np.array(widths, np.int64).T.ravel()
        return x.graph.add("Pad", [x, pads], tuple(n + a + b for n, (a, b) in zip(x.shape, widths, strict=True)))

    @staticmethod
    def clip(x: Node, low: Any, high: Any) -> Node:
        """Not below, not above."""
        above = x._with("Max", x, low)
        return above._with("Min", above, high)

    @staticmethod
    def where(condition: Any, x: Any, y: Any) -> Any:
        """One or the other."""
        node = next((value for value in (condition, x, y) if isinstance(value, Node)), None)
        if node is None:
            return np.where(condition, x, y).view(Table)
        graph = node.graph
        values = [v if isinstance(v, Node) else np.asarray(v, graph.dtype) for v in (x, y)]
        shape = np.broadcast_shapes(*(np.shape(value) for value in (condition, *values)))
        return graph.add("Where", [condition, *values], shape)

    @staticmethod
    def concatenate(parts: Sequence[Any], axis: int) -> Any:
        """One after the other."""
        node = next((part for part in parts if isinstance(part, Node)), None)
        if node is None:
            return np.concatenate(parts, axis)
        shape = list(node.shape)
        shape[axis] = sum(np.shape(part)[axis] for part in parts)
        return node.graph.add("Concat", parts, tuple(shape), axis=axis)

    @staticmethod
    def stack(parts: Sequence[Node]) -> Node:
        """On a new first axis."""
        return Namespace.concatenate([part[None] for part in parts], 0)

    @staticmethod
    def matmul(x: Node, y: Any) -> Node:
        """Matrix product."""
        return x.graph.add("MatMul", [x, y], (*x.shape[:-1], np.shape(y)[-1]))

    @staticmethod
    def einsum(equation: str, x: Any, y: Any) -> Node:
        """Sum of products."""
        node = x if isinstance(x, Node) else y
        terms, out = equation.split("->")
        sizes: dict[str, int] = {}
        spare: tuple[int, ...] = ()
        for term, value in zip(terms.split(","), (x, y), strict=True):
            letters, shape = term.replace("...", ""), np.shape(value)
            sizes |= zip(letters, shape[len(shape) - len(letters) :] if term.startswith(".") else shape, strict=False)
            if "..." in term:
                rest = len(shape) - len(letters)
                spare = shape[:rest] if term.startswith(".") else shape[len(shape) - rest :]
        letters = tuple(sizes[letter] for letter in out.replace("...", ""))
        shape = () if "..." not in out else spare
        return node.graph.add(
            "Einsum", [x, y], shape + letters if out.startswith(".") else letters + shape, equation=equation
        )
