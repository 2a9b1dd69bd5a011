"""Takes the figures: plays what there is to play, one fresh chain each, and mines it all again on anvil."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from contracts.abi import Abi, artifact
from contracts.compile import read_artifacts
from contracts.deployment import DEPLOY_GAS
from deploy.gas import parts, subjects
from deploy.gas.anvil import Anvil
from deploy.gas.figures import FIGURES, Snapshot
from deploy.gas.games import Dispute, Game, Sent, calldata_gas
from prover.errors import RefuteError
from prover.trace import tensor_bytes

DEPLOYED = ("Refute", "Walk", "Referee", "Commitments")
_TERMS = 256, 496

Say = Callable[[str], None]


class Measurement:
    """Figures as they are taken; `say` is told of each subject."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self.figures: dict[str, int] = {}
        self.moves: dict[str, list[dict[str, Any]]] = {}
        self.parts: dict[str, dict[str, int]] = {}
        self.largest = Sent("", b"", 0, 0), Sent("", b"", 0, 0)
        """By gas, and by bytes of calldata."""

    def take(self, quick: bool) -> Snapshot:
        """Everything, or what a check compares. RefuteError if a chain or anvil does not do what it should."""
        self._code()
        self._slopes(cross_check=not quick)
        for name, pair in subjects.disputes(quick).items():
            self._say(name)
            game = Game()
            honest, liar = pair()
            game.register(liar.program)
            self._disputed(name, game.dispute(honest, liar))
            if not quick:
                self._cross_check(name, game)
        if not quick:
            pair_of_gpt3 = (self.figures[f"dispute_gpt3_{part}"] for part in ("projection", "feed_forward"))
            self.figures["dispute_gpt3"] = max(pair_of_gpt3)
            self._happy()
            by_gas, by_bytes = self.largest
            self.figures |= {"largest_tx_gas": by_gas.gas, "largest_tx_bytes": len(by_bytes.data)}
        in_order = {figure.name: self.figures[figure.name] for figure in FIGURES if figure.name in self.figures}
        return Snapshot(in_order, self.moves, self.parts)

    def _code(self) -> None:
        code = [json.loads(read_artifacts()[f"{name}.json"])["deployedBytecode"] for name in DEPLOYED]
        self.figures["largest_code_bytes"] = max(len(hexed) // 2 - 1 for hexed in code)

    def _disputed(self, name: str, dispute: Dispute) -> None:
        self.figures[name] = dispute.gas_step if name.startswith("step") else dispute.gas
        self.moves[name] = [_row(sent) for sent in dispute.sent]
        by_gas, by_bytes = self.largest
        self.largest = (
            max(by_gas, *dispute.sent, key=lambda sent: sent.gas),
            max(by_bytes, *dispute.sent, key=lambda sent: len(sent.data)),
        )
        self.parts[name] = {"blake3 blocks": sum(map(parts.blocks, dispute.moves))}

    def _happy(self) -> None:
        """MiniLM answered and nobody disputes."""
        name = "happy_minilm"
        self._say(name)
        honest, _ = subjects.minilm()
        game = Game()
        game.register(honest.program)
        sent = game.happy(honest)
        posted = b"".join(map(tensor_bytes, (*honest.inputs, *honest.outputs)))
        self.figures[name] = sum(one.gas for one in sent) - calldata_gas(posted)
        self.moves[name] = [_row(one) for one in sent]
        self.parts[name] = {"posted calldata": calldata_gas(posted)}
        self._cross_check(name, game)

    def _cross_check(self, name: str, game: Game) -> None:
        """The same transactions on anvil: the same gas to the unit; what the measured ones' is paid for."""
        with Anvil(game.chain.id) as anvil:
            different = anvil.mine(game.recorded.mined)
            if different:
                raise RefuteError(f"{name}: eth-tester and anvil differ; {'; '.join(different)}")
            measured = {row["block"]: row for row in self.moves.get(name, [])}
            total: Counter[str] = Counter()
            for sent in game.sent:
                if sent.block in measured:
                    total.update(parts.parts(sent, anvil.instructions(sent.block)))
        if total:
            self.parts[name] |= dict(sorted(total.items()))

    # One operation, from the difference between many and few

    def _slopes(self, cross_check: bool) -> None:
        self._say("single operations")
        game = Game()
        harness, naive = (_Bench(game, name) for name in ("Harness", "Naive"))
        chunk = np.random.default_rng(1).bytes(1_024)
        few, many = (harness.gas("chunkValue", chunk[: 64 * count], 0, True) for count in (1, 16))
        self.figures["blake3_block"] = (many - few) // 15
        # Zeros, or calldata's floor would hide the sums; no instruction hangs on an element's value.
        data = bytes(2_048)
        sums = {
            "multiply_add": [harness.gas("products", data, (0, 2, 2), (1_024, 1, 1), count) for count in _TERMS],
            "naive_multiply_add": [naive.gas("dot", data, data, count) for count in _TERMS],
        }
        for name, (few, many) in sums.items():
            self.figures[name] = (many - few) // (_TERMS[1] - _TERMS[0])
        if cross_check:
            self._cross_check("single operations", game)


class _Bench:
    """A test contract whose pure functions are called by transactions."""

    def __init__(self, game: Game, name: str) -> None:
        self._game = game
        self._abi = Abi(artifact(name).abi)
        deployed = game.raw(None, artifact(name).bytecode, DEPLOY_GAS)
        if deployed.contract is None:
            raise RefuteError(f"{name} could not be deployed")
        self._address = deployed.contract

    def gas(self, function: str, *arguments: Any) -> int:
        """What a call costs without its calldata. RefuteError if its calldata's floor hides it."""
        data = self._abi.encode_call(function, arguments)
        gas = self._game.raw(self._address, data, DEPLOY_GAS).gas
        if gas == parts.floor(data):
            raise RefuteError(f"{function} costs no more than the floor of its calldata; give it more to do")
        return gas - calldata_gas(data)


def _row(sent: Sent) -> dict[str, Any]:
    return {"move": sent.function, "gas": sent.gas, "bytes": len(sent.data), "block": sent.block}
