"""What a scenario comes to: figures for people and programs, what holds, and what it all rests on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from math import floor, log10
from typing import Any

from deploy.economics import deterrence, pressure, watching
from deploy.economics.pressure import FLOOD
from deploy.economics.scenario import Scenario, fitting, least_bond

WIDTH = 100


@dataclass(frozen=True)
class Row:
    """One figure: its key in JSON, what it is, and how it is written; `missing`: how None is."""

    key: str
    what: str
    value: float | int | None
    form: Callable[[Any], str]
    missing: str = "none"

    def __str__(self) -> str:
        said = self.missing if self.value is None else self.form(self.value)
        return f"  {self.what} ".ljust(WIDTH - 1 - len(said), ".") + f" {said}"


@dataclass(frozen=True)
class Section:
    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Condition:
    """Something that has to hold, whether it does, and what it needs if it does not."""

    key: str
    holds: bool
    said: str


def eth(wei: float) -> str:
    """Ether to four significant digits."""
    ether = wei / 1e18
    if not wei or abs(ether) >= 1e15:
        return f"{ether:.4g} eth"
    decimals = min(max(3 - floor(log10(abs(ether))), 0), 18)
    text = f"{ether:,.{decimals}f}"
    return f"{text.rstrip('0').rstrip('.') if decimals else text} eth"


def gwei(wei: float) -> str:
    return f"{wei / 1e9:,.4g} gwei"


def share(value: float) -> str:
    """Percent to three significant digits."""
    return f"{100 * value:.3g} %"


def count(value: float) -> str:
    return f"{value:,}"


def seconds(value: float) -> str:
    return f"{value:,.0f} s"


def gas(value: float) -> str:
    return f"{value:,} gas"


def sections(s: Scenario) -> list[Section]:
    """Every figure of a scenario."""
    return [_seen(s), _executor(s), _insured(s), _watcher(s), _defence(s), _time(s)]


def _seen(s: Scenario) -> Section:
    q = deterrence.seen(s.watchers, s.checked_by_one)
    needed = deterrence.watchers_for(0.999, s.checked_by_one)
    return Section(
        "Is a lie seen?",
        (
            Row("checked_by_one", "a watcher verifies a claim in time", s.checked_by_one, share),
            Row("seen", f"at least one of {s.watchers} does", q, share),
            Row("unseen", "nobody does: a lie becomes final", 1 - q, share),
            Row("seen_enough", "seen often enough that a lie brings nothing", deterrence.seen_enough(s), share),
            Row("watchers_for_999", "watchers by whom 99.9 % are seen", needed, count),
        ),
    )


def _executor(s: Scenario) -> Section:
    return Section(
        "The executor, per answer",
        (
            Row("honest", "an honest answer earns", deterrence.honest(s), eth),
            Row("believed", "a lie that is believed brings", deterrence.believed(s), eth),
            Row("caught", "one that is caught costs, at least", deterrence.caught(s), eth),
            Row("lie", "a lie can expect", deterrence.lie(s), eth),
            Row("stake_against_lies", "the least stake at which it is a loss", deterrence.stake_against_lies(s), eth),
            Row("value_protected", "the value that this stake protects", deterrence.value_protected(s), eth, "any"),
        ),
    )


def _insured(s: Scenario) -> Section:
    stake = s.parameters.executor_stake
    return Section(
        f"A liar that disputes itself first, with a stake of {eth(stake)}",
        (
            Row("insured_back", "comes back if nobody else disputes it", deterrence.insured_return(s, 0), eth),
            Row("insured_back_one", "comes back if an honest dispute stands", deterrence.insured_return(s, 1), eth),
            Row("insured_loss", "is lost, at least, and gas", deterrence.insured_loss(s, 0), eth),
            Row("insured_share", "which is of the stake", deterrence.insured_loss(s, 0) / stake, share),
        ),
    )


def _watcher(s: Scenario) -> Section:
    settled = watching.left_to_rewards(s)
    return Section(
        f"A watcher: verifying a claim costs {eth(s.inference)}",
        (
            Row("challenge_gas", "gas of a dispute", s.gas.challenge, gas),
            Row("challenge_cost", f"which costs, at {gwei(s.price)}", watching.gas_paid(s), eth),
            Row("tariff", "of which the tariff pays", s.tariff, eth),
            Row(
                "disputes_in_full", "disputes on a claim that the pot pays in full", watching.disputes_in_full(s), count
            ),
            Row("per_lie_found", "a lie found can expect", watching.per_lie_found(s), eth),
            Row("pot_taken", "if another takes the pot", watching.per_lie_lost(s), eth),
            Row("lies_to_live_on", "share of lies at which its share of pots pays", watching.lies_to_live_on(s), share),
            Row("per_claim", f"per claim, if {share(s.lies)} are lies", watching.per_claim_verified(s), eth),
            Row("stake_for_watching", "the least stake at which that is 0", watching.stake_for_watching(s), eth),
            Row("left_seen", "left to rewards: claims are seen", None if settled is None else settled[0], share),
            Row("left_lies", "left to rewards: claims are lies", None if settled is None else settled[1], share),
            Row("left_believed", "left to rewards: lies become final", None if settled is None else settled[2], share),
            Row("watching_costs", "all watchers spend, per claim", watching.watching_costs(s), eth),
        ),
    )


def _defence(s: Scenario) -> Section:
    return Section(
        "An honest executor that is disputed",
        (
            Row("defence_gas", "gas of a dispute to its last move", s.gas.defence(1), gas),
            Row("defence", "one dispute costs", pressure.defence(s, 1), eth),
            Row("bond", "and brings", pressure.bonds(s, 1), eth),
            Row("defence_flood", f"{FLOOD} disputes cost", pressure.defence(s, FLOOD), eth),
            Row("bonds_flood", "and bring", pressure.bonds(s, FLOOD), eth),
            Row("price_covered", "gas price that a bond covers", pressure.price_that_bonds_cover(s), gwei),
        ),
    )


def _time(s: Scenario) -> Section:
    p = s.parameters
    return Section(
        f"Time, with {s.claims} claims in their window at once",
        (
            Row("final_after", "a claim is final or fallen after, at most", p.window + 2 * p.clock, seconds),
            Row("time_to_verify", "a watcher has verified its sample after", pressure.time_to_verify(s), seconds),
            Row("capital", "and needs, if all are lies", pressure.watchers_capital(s), eth),
            Row("time_to_censor", "an honest transaction must be kept out for", pressure.time_to_censor(s), seconds),
            Row("censoring", "which costs, at least", pressure.censoring(s), eth),
            Row("prize_of_censoring", "and wins", pressure.prize_of_censoring(s), eth),
        ),
    )


def recommended(s: Scenario) -> dict[str, int] | None:
    """The least parameters with which all conditions hold that they decide, as `refute deploy` takes them; or None."""
    against, wanted = deterrence.stake_against_lies(s), watching.stake_for_watching(s) if s.lies else 0
    if against is None or wanted is None:
        return None
    bond = max(least_bond(s.parameters), s.gas.defence(1) * s.price)
    stake = max(against, wanted, 2 * bond, s.parameters.acceptance_bond + 1)
    then = replace(s, parameters=fitting(replace(s.parameters, executor_stake=stake, challenger_bond=bond)))
    window, clock = pressure.window_against_censoring(then), pressure.clock_against_censoring(then)
    return {
        "executor_stake": stake,
        "challenger_bond": bond,
        "window": window,
        "clock": clock,
        "withdrawal_delay": window + 2 * clock,
    }


def conditions(s: Scenario) -> list[Condition]:
    """What has to hold."""
    return [*_of_lies(s), *_of_watching(s), *_of_pressure(s)]


def _of_lies(s: Scenario) -> list[Condition]:
    needed = deterrence.stake_against_lies(s)
    remedy = "without watchers no stake helps" if needed is None else f"a stake of {eth(needed)} makes it none"
    said = f"cheating is a loss: a lie can expect {eth(deterrence.lie(s))}; {remedy}"
    earned = f"answering pays: an honest answer earns {eth(deterrence.honest(s))}"
    return [
        Condition("cheating_is_a_loss", deterrence.lie(s) < 0, said),
        Condition("answering_pays", deterrence.honest(s) > 0, earned),
    ]


def _of_watching(s: Scenario) -> list[Condition]:
    enough, owed, paid = watching.lies_to_live_on(s), s.tariff, watching.gas_paid(s)
    pays = f"its share of pots pays a watcher if {share(s.lies)} of claims are lies; "
    pays += "it never does" if enough is None else f"it does from {share(enough)} on"
    covers = f"the tariff covers the gas of a dispute that another wins: {eth(owed)} of {eth(paid)}"
    return [
        Condition("watching_pays", watching.per_claim_verified(s) > 0, pays),
        Condition("tariff_covers", owed >= paid, covers),
    ]


def _of_pressure(s: Scenario) -> list[Condition]:
    p, verified, up_to = s.parameters, pressure.time_to_verify(s), pressure.price_that_bonds_cover(s)
    cost, prize = pressure.censoring(s), pressure.prize_of_censoring(s)
    in_time = f"a watcher has verified its sample of {s.claims} claims in time: {verified:,} s of {p.window:,} s"
    return [
        Condition("defence_is_paid", s.price <= up_to, f"a bond pays for a defence: up to {gwei(up_to)}"),
        Condition("verified_in_time", verified + p.move_time <= p.window, in_time),
        Condition("censoring_is_a_loss", cost > prize, f"censoring is a loss: it costs {eth(cost)}, wins {eth(prize)}"),
    ]


def assumptions(s: Scenario) -> list[str]:
    """Under which safety fails, with what it takes here."""
    unseen = 1 - deterrence.seen(s.watchers, s.checked_by_one)
    return [
        f"nobody honest verifies the claim in its {s.parameters.window:,} s: of each claim {share(unseen)}",
        f"whoever verifies it lacks {eth(s.parameters.challenger_bond)} and gas, for each lie open at once",
        f"a transaction is kept out for {pressure.time_to_censor(s):,} s; by block producers it costs nothing",
        f"gas is dearer than {gwei(pressure.full_price(s))}, more than agents offer, for as long",
        "watchers are one: the same operator, fault or blind spot makes n watchers 1",
        f"what hangs on the answer is worth more than {_protected(s)}, to all together that rely on it",
    ]


def _protected(s: Scenario) -> str:
    value = deterrence.value_protected(s)
    return "there is" if value is None else eth(value)


def text(s: Scenario) -> str:
    """The report for people: lines of at most WIDTH characters where their figures allow it."""
    lines: list[str] = []
    for section in sections(s):
        lines += [section.title, *map(str, section.rows), ""]
    lines.append("What has to hold")
    lines += [f"  {'yes' if c.holds else 'NO '}  {c.said}" for c in conditions(s)]
    lines += ["", "The least that makes it hold", *_recommendation(s), "", "Safety fails if"]
    lines += [f"  {said}" for said in assumptions(s)]
    return "\n".join(lines)


def _recommendation(s: Scenario) -> Sequence[str]:
    least = recommended(s)
    if least is None:
        return ["  no stake does"]
    rows = (
        Row("", "stake", least["executor_stake"], eth),
        Row("", "bond", least["challenger_bond"], eth),
        Row("", "window", least["window"], seconds),
        Row("", "clock", least["clock"], seconds),
    )
    return [str(row) for row in rows]


def as_json(s: Scenario) -> dict[str, Any]:
    """The same for programs: wei, seconds, shares of 1."""
    return {
        "parameters": asdict(s.parameters),
        "figures": {row.key: row.value for section in sections(s) for row in section.rows},
        "holds": {condition.key: condition.holds for condition in conditions(s)},
        "recommended": recommended(s),
        "safety_fails_if": assumptions(s),
    }
