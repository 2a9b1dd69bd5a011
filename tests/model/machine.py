"""Games against the contracts: random interleavings of all that anyone may do, by Hypothesis, and one game a world."""

from __future__ import annotations

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.model import players
from tests.model.games import STEERED, make_game
from tests.model.twin import ACCOUNTS, ETHER, PARAMETERS, REQUESTERS, ROGUES, Tally
from tests.model.world import World

ANY = st.integers(0, 1 << 16)
WHO = st.sampled_from(ACCOUNTS)
ROGUE = st.sampled_from(ROGUES)
CROWD = st.permutations(ROGUES)
GAME = st.integers(0, 4 * len(STEERED) - 1)
FEE, LEAST = st.integers(0, ETHER), st.sampled_from([0, 0, 12 * ETHER])
STEPS = 60
CROWDED = 12


class Machine(RuleBasedStateMachine):
    """One world. `tally` counts over all of them."""

    tally: Tally

    @initialize(seed=st.integers(0, 1 << 32))
    def begin(self, seed: int) -> None:
        self.world = World(seed, self.tally)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.finish()

    def _of(self, held: list[bytes], number: int) -> bytes:
        return held[number % len(held)]

    def _requests(self) -> list[bytes]:
        return list(self.world.model.requests)

    def _claims(self) -> list[bytes]:
        return list(self.world.model.claims)

    def _disputes(self) -> list[bytes]:
        return list(self.world.model.disputes)

    # What makes games

    @rule(games=st.lists(GAME, min_size=1, max_size=3), fee=FEE, rogue=ROGUE, at=st.booleans(), least=LEAST)
    def answered(self, games: list[int], fee: int, rogue: str, at: bool, least: int) -> None:
        """Requests, accepted and answered: by the honest executor or by a rogue, as each game has it; then disputed."""
        for number in games:
            self.world.dispute(make_game(number, self.world.seed), REQUESTERS[at], rogue, fee, least, at=at)

    @rule(game=GAME, rogues=CROWD, rounds=st.integers(0, 9), expired=st.integers(0, 4), disputed=st.booleans())
    def crowded(self, game: int, rogues: list[str], rounds: int, expired: int, disputed: bool) -> None:
        self.world.crowded(make_game(game, self.world.seed), rogues, rounds, expired, disputed=disputed)

    @rule(game=GAME, fee=FEE, only=st.sampled_from([None, *ROGUES]))
    def asked(self, game: int, fee: int, only: str | None) -> None:
        self.world.ask(REQUESTERS[0], make_game(game, self.world.seed), fee, only=only)

    # Anyone's, allowed or not

    @precondition(lambda self: self.world.model.requests)
    @rule(number=ANY, who=ROGUE)
    def accept(self, number: int, who: str) -> None:
        self.world.accept(self._of(self._requests(), number), who)

    @precondition(lambda self: self.world.model.requests)
    @rule(number=ANY, who=WHO)
    def lapse(self, number: int, who: str) -> None:
        self.world.lapse(self._of(self._requests(), number), who)

    @precondition(lambda self: self.world.model.requests)
    @rule(number=ANY, who=WHO)
    def cancel(self, number: int, who: str) -> None:
        self.world.cancel(self._of(self._requests(), number), who)

    @precondition(lambda self: self.world.model.claims)
    @rule(number=ANY, which=ANY, who=ROGUE)
    def claim_again(self, number: int, which: int, who: str) -> None:
        """The answer of some game, on a request that is not for it or has been answered."""
        game = self.world.games[self._of(self._claims(), which)]
        request = self._of(self._requests(), number)
        state = self.world.model.requests[request]
        if state.status != "accepted" or state.executor != who:
            self.world.claim(request, who, game)

    @precondition(lambda self: self.world.model.claims)
    @rule(number=ANY, who=ROGUE, at=st.booleans())
    def challenge(self, number: int, who: str, at: bool) -> None:
        self.world.challenge(self._of(self._claims(), number), who, main=False, at=at)

    @precondition(lambda self: self.world.standing())
    @rule(number=ANY, rogues=st.lists(ROGUE, min_size=2, unique=True), rounds=st.integers(0, 8), at=st.booleans())
    def crowd(self, number: int, rogues: list[str], rounds: int, at: bool) -> None:
        """Several dispute one claim, and everybody moves on it for a while."""
        claim = self._of(self.world.standing(), number)
        for rogue in rogues:
            self.world.challenge(claim, rogue, main=False, at=at)
        for _ in range(rounds):
            self.world.everybody_moves(claim)

    @precondition(lambda self: self.world.model.claims)
    @rule(number=ANY, who=WHO)
    def finalise(self, number: int, who: str) -> None:
        self.world.finalise(self._of(self._claims(), number), who)

    @precondition(lambda self: self.world.model.disputes)
    @rule(number=ANY, moves=st.integers(1, 12))
    def move(self, number: int, moves: int) -> None:
        for _ in range(moves):
            if not self.world.move(self._of(self._disputes(), number)):
                return

    @precondition(lambda self: self.world.model.disputes)
    @rule(numbers=st.lists(ANY, min_size=1, max_size=4), who=WHO)
    def expire(self, numbers: list[int], who: str) -> None:
        self.world.expire([self._of(self._disputes(), number) for number in numbers], who)

    @precondition(lambda self: self.world.overdue())
    @rule(who=WHO, some=st.integers(1, 5))
    def expire_what_is_overdue(self, who: str, some: int) -> None:
        self.world.expire(self.world.overdue()[:some], who)

    @precondition(lambda self: self.world.model.disputes)
    @rule(number=ANY, who=WHO)
    def settle(self, number: int, who: str) -> None:
        self.world.settle(self._of(self._disputes(), number), who)

    @rule(who=ROGUE, amount=st.sampled_from([0, 1, ETHER, 10 * ETHER, 60 * ETHER]))
    def start_withdrawal(self, who: str, amount: int) -> None:
        self.world.start_withdrawal(who, amount)

    @rule(who=WHO)
    def withdraw(self, who: str) -> None:
        self.world.withdraw(who)

    @rule(who=WHO)
    def collect(self, who: str) -> None:
        self.world.collect(who)

    @rule(who=ROGUE, amount=st.integers(0, 20 * ETHER))
    def deposit(self, who: str, amount: int) -> None:
        self.world.deposit(who, amount)

    # Time

    @rule(seconds=st.integers(1, PARAMETERS.clock))
    def some_time(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    @precondition(lambda self: self.world.deadlines())
    @rule(number=ANY, beside=st.sampled_from([-1, 0, 1]))
    def to_a_deadline(self, number: int, beside: int) -> None:
        times = self.world.deadlines()
        self.world.pass_time(max(times[number % len(times)] + beside - self.world.model.now, 0))


def play_steered(seed: int, tally: Tally) -> None:
    """One game to each cell, each in a world of its own, and a few worlds with many disputes of one false claim."""
    for number in range(0, 2 * len(STEERED), 2):
        world = World(seed, tally)
        world.dispute(make_game(number, seed), REQUESTERS[0], ROGUES[0], ETHER)
        world.finish()
    for number in range(CROWDED):
        world = World(seed + number, tally)
        game = make_game(0, seed + number)  # steered to the step
        world.crowded(game, ROGUES, rounds=2 * (number % 4) + 1, expired=number % 3, disputed=True)
        world.finish()


def play_worlds(count: int, seed: int | None, tally: Tally, *, shrink: bool = False) -> None:
    """Random worlds of up to 60 steps; without a seed always the same. A failure is told, and shrunk in minutes."""
    machine = type("Worlds", (Machine,), {"tally": tally})
    if seed is not None:
        machine = hypothesis.seed(seed)(machine)
    with players.remembered_hashes():
        run_state_machine_as_test(
            machine,
            settings=hypothesis.settings(
                max_examples=count,
                stateful_step_count=STEPS,
                derandomize=seed is None,
                phases=(hypothesis.Phase.generate, *((hypothesis.Phase.shrink,) if shrink else ())),
                suppress_health_check=list(hypothesis.HealthCheck),
                deadline=None,
                database=None,
            ),
        )
