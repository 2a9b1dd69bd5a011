"""From a torch module to an integer program: capture, fold, calibrate, quantise, lower.

graph       torch.export to core ATen, constants folded
fold        batch norms and ReLUs into what they follow
calibrate   scales of activations
lower       one table from ATen operators to integer operators: products, pooling, sums, reshaping
quantise    the numbers: i8 weights, multipliers and shifts
builder     operators into layers and checkpoints
compiled    all of it in order, and its result
"""

from prover.compiler.compiled import CompiledModel, compile_module

compile = compile_module

__all__ = ["CompiledModel", "compile", "compile_module"]
