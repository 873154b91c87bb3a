"""Nodes of an ONNX graph that behave like arrays, so that the behavioral model's own arithmetic writes the graph."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

OPSET = 18


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
        return Node(self, name, len(shape))

    def constant(self, value: Any) -> "Node":
        """A node that holds an array."""
        array = np.array(value, order="C")
        if array.dtype.kind == "f":
            array = array.astype(self.dtype)
        name = self._name()
        self._constants.append(numpy_helper.from_array(array, name))
        return Node(self, name, array.ndim)

    def add(self, kind: str, inputs: Sequence[Any], ndim: int, **attributes: Any) -> "Node":
        """The result of an operator; whatever is no node is a constant."""
        names = [value.name if isinstance(value, Node) else self.constant(value).name for value in inputs]
        name = self._name()
        self._nodes.append(helper.make_node(kind, names, [name], **attributes))
        return Node(self, name, ndim)

    def best(self, scores: "Node", k: int) -> "Node":
        """Indices of the k largest; of equal ones the operator promises the lower index first."""
        values, name = self._name(), self._name()
        self._nodes.append(
            helper.make_node(
                "TopK", [scores.name, self.constant(np.array([k], np.int64)).name], [values, name], axis=-1
            )
        )
        return Node(self, name, scores.ndim)

    def model(self, outputs: dict[str, tuple["Node", Sequence[int | str], int]], metadata: dict[str, str]) -> bytes:
        """The finished model's bytes.

        Args:
            outputs: Name to node, shape and ONNX type.
            metadata: What is written beside the graph.
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
    """A value of the graph with its number of axes; NumPy arrays and numbers mix with it as constants."""

    __array_ufunc__ = None  # NumPy then leaves mixed arithmetic to this class

    def __init__(self, graph: Graph, name: str, ndim: int):
        self.graph, self.name, self.ndim = graph, name, ndim

    def __array_namespace__(self) -> type["Namespace"]:
        return Namespace

    def _with(self, kind: str, *values: Any) -> "Node":
        ndim = max(value.ndim if isinstance(value, Node) else np.ndim(value) for value in values)
        cast = [v if isinstance(v, Node) else np.asarray(v, self.graph.dtype) for v in values]
        return self.graph.add(kind, cast, ndim)

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
        return self.graph.add("Neg", [self], self.ndim)

    def __abs__(self) -> "Node":
        return self.graph.add("Abs", [self], self.ndim)

    def __gt__(self, other: Any) -> "Node":
        return self._with("Greater", self, other)

    def __pow__(self, power: float) -> "Node":
        return self * self if power == 2 else Namespace.sqrt(self) if power == 0.5 else self._with("Pow", self, power)

    def sum(self, axis: int) -> "Node":
        """Sum over one axis."""
        return self.graph.add("ReduceSum", [self, np.array([axis], np.int64)], self.ndim - 1, keepdims=0)

    def __getitem__(self, key: Any) -> "Node":
        key = key if isinstance(key, tuple) else (key,)
        fill = self.ndim - sum(part is not None and part is not Ellipsis for part in key)
        parts: list[Any] = []
        for part in key if Ellipsis in [p for p in key if not isinstance(p, Node | np.ndarray)] else (*key, Ellipsis):
            parts += [slice(None)] * fill if part is Ellipsis else [part]
        node, axis = self, 0
        for part in parts:
            if part is None:
                node = self.graph.add("Unsqueeze", [node, np.array([axis], np.int64)], node.ndim + 1)
            elif isinstance(part, int):
                node = self.graph.add("Gather", [node, np.array(part, np.int64)], node.ndim - 1, axis=axis)
                continue
            elif not isinstance(part, slice):
                index = part if isinstance(part, Node) else np.asarray(part, np.int64)
                node = self.graph.add("Gather", [node, index], node.ndim, axis=axis)
            axis += 1
        return node


class Table(np.ndarray):
    """A constant that a node may index."""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, Node):
            return key.graph.add("Gather", [key.graph.constant(self), key], self.ndim)
        return super().__getitem__(key)


class Namespace:
    """The functions of an array library that the arithmetic asks for."""

    @staticmethod
    def sqrt(x: Any) -> Any:
        """Square root."""
        return x.graph.add("Sqrt", [x], x.ndim) if isinstance(x, Node) else np.sqrt(x)

    @staticmethod
    def sin(x: Node) -> Node:
        """Sine."""
        return x.graph.add("Sin", [x], x.ndim)

    @staticmethod
    def arcsin(x: Node) -> Node:
        """Arc sine of numbers in [0, 1]."""
        graph = x.graph
        # ONNX Runtime has no arc sine of doubles: one Newton step, sin(y − y₀) = x·cos y₀ − √(1 − x²)·sin y₀, mends it.
        rough = graph.add("Cast", [x], x.ndim, to=onnx.TensorProto.FLOAT)
        angle = graph.add("Asin", [rough], x.ndim)
        angle = graph.add("Cast", [angle], x.ndim, to=helper.np_dtype_to_tensor_dtype(graph.dtype))
        if graph.dtype == np.float32:
            return angle
        cosine = Namespace.sqrt(Namespace.clip(1.0 - x * x, 0.0, 1.0))
        return angle + (x * Namespace.sin(angle + 0.5 * np.pi) - cosine * Namespace.sin(angle))

    @staticmethod
    def round(x: Node) -> Node:
        """Nearest whole number, halves to the even one."""
        return x.graph.add("Round", [x], x.ndim)

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
        ndim = max(value.ndim if isinstance(value, Node) else np.ndim(value) for value in (condition, x, y))
        values = [v if isinstance(v, Node) else np.asarray(v, graph.dtype) for v in (x, y)]
        return graph.add("Where", [condition, *values], ndim)

    @staticmethod
    def concatenate(parts: Sequence[Any], axis: int) -> Any:
        """One after the other."""
        node = next((part for part in parts if isinstance(part, Node)), None)
        if node is None:
            return np.concatenate(parts, axis)
        return node.graph.add("Concat", parts, node.ndim, axis=axis)

    @staticmethod
    def stack(parts: Sequence[Node]) -> Node:
        """On a new first axis."""
        return Namespace.concatenate([part[None] for part in parts], 0)

    @staticmethod
    def matmul(x: Node, y: Any) -> Node:
        """Matrix product."""
        return x.graph.add("MatMul", [x, y], x.ndim)

    @staticmethod
    def einsum(equation: str, x: Any, y: Any) -> Node:
        """Sum of products."""
        node = x if isinstance(x, Node) else y
        terms, out = equation.split("->")
        first = terms.split(",")
        wild = {term: (v.ndim if isinstance(v, Node) else np.ndim(v)) for term, v in zip(first, (x, y), strict=True)}
        spare = max(ndim - len(term.replace("...", "")) for term, ndim in wild.items())
        ndim = len(out.replace("...", "")) + (spare if "..." in out else 0)
        return node.graph.add("Einsum", [x, y], ndim, equation=equation)
