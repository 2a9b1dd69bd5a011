"""One table from graph operators to integer operators: how each is expressed in the operator table of the protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

from prover.compiler import attention, contractions, norms, pooling, products, reshaping, sums, tables
from prover.compiler.builder import Activation, Builder
from prover.compiler.calibrate import Statistics
from prover.compiler.functions import FUNCTION
from prover.compiler.graph import Graph, Input, Node, refusal
from prover.compiler.layers import LayerNames, block_of, joinable
from prover.compiler.layout import dense
from prover.compiler.lowering import Lowering
from prover.compiler.patterns import CONTRACT, NORM, ROTARY, SOFTMAX
from prover.compiler.plan import Plan, readers
from prover.compiler.quantise import SumTooLarge
from prover.compiler.simplify import MATMUL
from prover.program import DType, Program, TensorRoot
from prover.progress import counted
from prover.trace import Array

Lower = Callable[[Lowering, Node], Activation]

TABLE: Mapping[str, Lower] = {
    "aten.convolution": products.convolution,
    "aten.addmm": products.linear,
    "aten.mm": products.linear,
    MATMUL: attention.matmul,
    SOFTMAX: attention.softmax,
    NORM: norms.norm,
    ROTARY: contractions.rotary,
    CONTRACT: contractions.contraction,
    FUNCTION: tables.function,
    "aten.embedding": tables.embedding,
    "aten.add": sums.add,
    "aten.sub": sums.subtract,
    "aten.mul": sums.multiply,
    "aten.div": sums.divide,
    "aten.neg": sums.negate,
    "aten.relu": sums.relu,
    "aten.mean": contractions.mean,
    "aten.sum": contractions.total,
    "aten.bitwise_and": sums.conjunction,
    "aten.logical_and": sums.conjunction,
    "aten.max_pool2d_with_indices": pooling.max_pool,
    "aten.avg_pool2d": pooling.average_pool,
    "aten.cat": reshaping.concatenate,
    "aten._to_copy": reshaping.to_type,
    "aten.view": reshaping.move,
    "aten.squeeze": reshaping.move,
    "aten.unsqueeze": reshaping.move,
    "aten.permute": reshaping.move,
    "aten.transpose": reshaping.move,
    "aten.expand": reshaping.move,
    "aten.slice": reshaping.move,
    "aten.select": reshaping.move,
    "aten.split_with_sizes": reshaping.move,
    "aten.index": reshaping.move,
    "aten.clone": reshaping.same,
    "aten.alias": reshaping.same,
}

PRODUCTS = frozenset({"aten.convolution", "aten.addmm", "aten.mm"})
"""A layer of the program holds at least one of these."""

SEVERAL = frozenset({"aten.split_with_sizes"})
"""Operators of which all results can be used."""

REMEDIES: Mapping[str, str] = {
    "aten._softmax": "apply softmax to the last axis",
    "aten._log_softmax": "return the logits; their order is that of the probabilities",
    "aten._adaptive_avg_pool2d": "pool to size 1, or use AvgPool2d",
    "aten.native_dropout": "call the module's eval() first",
    "aten.native_group_norm": "use batch norm or layer norm",
    "aten._native_batch_norm_legit_no_training": "let it directly follow a convolution or linear layer",
}


@dataclass(frozen=True)
class Lowered:
    """A program, its weights, and where each value lies in it.

    `ranges` are, per input that holds whole numbers, the numbers that the module can take.
    """

    program: Program
    weights: Mapping[TensorRoot, Array]
    inputs: tuple[Activation, ...]
    outputs: tuple[Activation, ...]
    values: Mapping[str, Activation]
    ranges: Mapping[str, tuple[int, int]]


def lower(graph: Graph, plan: Plan, seen: Statistics) -> Lowered:
    """Lower every node in order. UnsupportedModule names the first that cannot be."""
    check_supported(graph)
    lowered, starts = _lower(graph, plan, seen, frozenset())
    joined = joinable(lowered.program, starts)
    return _lower(graph, plan, seen, joined)[0] if joined else lowered


def _lower(graph: Graph, plan: Plan, seen: Statistics, joined: Set[int]) -> tuple[Lowered, Sequence[int]]:
    """The program with some layers joined, and where layers begin in it."""
    state = Lowering(graph, plan, seen, Builder())
    for name, given in graph.inputs.items():
        state.values[name] = _input(state, name, given)
    inputs = tuple(state.values[name] for name in graph.inputs)
    layers = LayerNames(state.builder, {block_of(n.path) for n in graph.nodes if n.op in PRODUCTS}, joined)
    for node in counted("compiling operators", graph.nodes):
        layers.enter(node.path)
        try:
            state.values[node.name] = TABLE[node.op](state, node)
        except SumTooLarge as error:
            raise refusal(node, str(error), "check the calibration inputs, and the scale of the weights") from error
    if not graph.nodes:
        state.builder.begin_layer("outputs")
    outputs = tuple(state.settled(state.values[name]) for name in graph.outputs)
    program = state.builder.finish(outputs)
    found = Lowered(program, state.builder.weights, inputs, outputs, state.values, state.input_ranges)
    return found, layers.starts


def check_supported(graph: Graph) -> None:
    """UnsupportedModule for the first node that has no integer form."""
    for node in graph.nodes:
        if node.output and node.op not in SEVERAL:
            raise refusal(node, f"its output {node.output} is used", "use the first only")
        if node.op not in TABLE:
            known = ", ".join(sorted(op for op in TABLE if op.startswith("aten.")))
            remedy = REMEDIES.get(node.op, f"rewrite it with {known} or element-wise functions of one value")
            raise refusal(node, "there is no integer form of it", remedy)


def _input(state: Lowering, name: str, given: Input) -> Activation:
    """A program input: reals in i16, whole numbers in the narrowest type that holds what the module takes."""
    if given.dtype.is_floating_point:
        tensor = state.builder.add_input(DType.I16, given.shape)
        return Activation(tensor, dense(given.shape), state.plan.forms[name].scale)
    lo, hi = _whole_range(state, name)
    dtype = next(dtype for dtype in DType if dtype.lo <= lo and hi <= dtype.hi)
    state.input_ranges[name] = lo, hi
    return Activation(state.builder.add_input(dtype, given.shape), dense(given.shape), 1.0)


def _whole_range(state: Lowering, name: str) -> tuple[int, int]:
    """The whole numbers an input may be: rows of the table it chooses from, or what calibration has shown."""
    tables = [n.arguments["weight"] for n in readers(state.graph, name) if n.op == "aten.embedding"]
    if tables:
        return 0, min(table.shape[0] for table in tables) - 1
    largest = int(state.seen.largest[name])
    return (0 if state.seen.least[name] >= 0 else -largest), largest


__all__ = ["TABLE", "Lowered", "check_supported", "lower"]
