"""Which operators make up one layer of the program: a block of the module, such as `encoder.layer.3`."""

from __future__ import annotations

from collections.abc import Set

from prover.compiler.builder import Builder


def block_of(path: str) -> str:
    """The block that a submodule belongs to: its path up to the first number, or its outermost names."""
    parts = path.split(".")
    for index, part in enumerate(parts):
        if part.isdigit():
            return ".".join(parts[: index + 1])
    return ".".join(parts[:2])


class LayerNames:
    """Begins a layer where another block with a product begins, unless the layer so far holds none.

    `blocks` are the blocks that hold a product; operators of others belong to the layer they come in.
    """

    def __init__(self, builder: Builder, blocks: Set[str]) -> None:
        self._builder = builder
        self._blocks = blocks
        self._block: str | None = None

    def enter(self, path: str) -> None:
        """Before a node of the submodule `path` is lowered."""
        block = block_of(path)
        if self._block is None:
            self._builder.begin_layer(block)
        elif block in self._blocks and block != self._block:
            if self._block in self._blocks:
                self._builder.begin_layer(block)
            else:
                self._builder.names[-1] = block
        else:
            return
        self._block = block
