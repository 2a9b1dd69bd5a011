"""One table from ATen operators to integer operators: how each is expressed in the operator table of the protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prover.compiler import pooling, products, reshaping, sums
from prover.compiler.builder import Activation, Builder
from prover.compiler.calibrate import Scales
from prover.compiler.graph import Graph, Node, refusal
from prover.compiler.lowering import Lowering
from prover.compiler.quantise import SumTooLarge
from prover.program import Program, TensorRoot
from prover.trace import Array

Lower = Callable[[Lowering, Node], Activation]


@dataclass(frozen=True)
class Row:
    """How an ATen operator is lowered, and whether a new layer begins with it."""

    lower: Lower
    begins_layer: bool = False


TABLE: Mapping[str, Row] = {
    "aten.convolution": Row(products.convolution, begins_layer=True),
    "aten.addmm": Row(products.linear_with_bias, begins_layer=True),
    "aten.mm": Row(products.linear, begins_layer=True),
    "aten.add": Row(sums.add),
    "aten.relu": Row(sums.relu),
    "aten.mean": Row(sums.mean),
    "aten.max_pool2d_with_indices": Row(pooling.max_pool),
    "aten.avg_pool2d": Row(pooling.average_pool),
    "aten.view": Row(reshaping.reshape),
    "aten._unsafe_view": Row(reshaping.reshape),
    "aten.squeeze": Row(reshaping.reshape),
    "aten.unsqueeze": Row(reshaping.reshape),
    "aten.permute": Row(reshaping.permute),
    "aten.clone": Row(reshaping.same),
    "aten.alias": Row(reshaping.same),
}

_ACTIVATION = "only ReLU can be compiled so far; replace it and retrain"
REMEDIES: Mapping[str, str] = {
    "aten.gelu": _ACTIVATION,
    "aten.silu": _ACTIVATION,
    "aten.sigmoid": _ACTIVATION,
    "aten.tanh": _ACTIVATION,
    "aten._softmax": "return the logits; their order is that of the probabilities",
    "aten._log_softmax": "return the logits; their order is that of the probabilities",
    "aten._adaptive_avg_pool2d": "pool to size 1, or use AvgPool2d",
    "aten.native_dropout": "call the module's eval() first",
}


@dataclass(frozen=True)
class Lowered:
    """A program, its weights, and where each layer's last value lies in it."""

    program: Program
    weights: Mapping[TensorRoot, Array]
    inputs: tuple[Activation, ...]
    outputs: tuple[Activation, ...]
    values: Mapping[str, Activation]


def lower(graph: Graph, scales: Scales) -> Lowered:
    """Lower every node in order. UnsupportedModule names the first that cannot be."""
    for node in graph.nodes:
        if node.op not in TABLE:
            remedy = REMEDIES.get(node.op, f"rewrite it with {', '.join(sorted(TABLE))}")
            raise refusal(node, "there is no integer form of it yet", remedy)
    state = Lowering(Builder(), scales)
    for name, shape in graph.inputs.items():
        state.values[name] = state.input_activation(name, shape)
    inputs = tuple(state.values[name] for name in graph.inputs)
    holds_product = True
    for node in graph.nodes:
        row = TABLE[node.op]
        if not state.builder.names or (row.begins_layer and holds_product):
            state.builder.begin_layer(node.path)
            holds_product = False
        if row.begins_layer:
            state.builder.names[-1] = node.path
            holds_product = True
        try:
            state.values[node.name] = row.lower(state, node)
        except SumTooLarge as error:
            raise refusal(node, str(error), "check the calibration inputs, and the scale of the weights") from error
    if not state.builder.names:
        state.builder.begin_layer("outputs")
    outputs = tuple(state.settled(state.values[name]) for name in graph.outputs)
    program = state.builder.finish(outputs)
    return Lowered(program, state.builder.weights, inputs, outputs, state.values)


__all__ = ["TABLE", "Lowered", "Row", "lower"]
