"""What the contract pays, to the wei (protocol, sections 6 and 9; `Disputes._win`, `settle`, `Claims.finalise`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BASIS = 10_000


def burned(stake: int, burn_share: int) -> int:
    """Wei of a slashed stake that nobody gets: all that deters, since a friend of the liar may be paid the rest."""
    return stake * burn_share // BASIS


def pot(stake: int, burn_share: int) -> int:
    """Wei of a slashed stake that are paid to standing disputes."""
    return stake - burned(stake, burn_share)


@dataclass(frozen=True)
class Fall:
    """What becomes of the stake of a claim that has fallen.

    Attributes:
        burned: wei that nobody gets, rounding included, without the bonds of disputes that were lost before.
        paid: wei to each standing dispute, in the order of their tariffs.
    """

    burned: int
    paid: tuple[int, ...]


def fall(stake: int, burn_share: int, tariffs: Sequence[int], winner: int) -> Fall:
    """The slashed stake of a claim on which disputes with these tariffs stand, `winner` the number of the one won.

    Section 9: each is owed its tariff, or its share of the pot if that is short, and the winner what is over.
    """
    shared, owed = pot(stake, burn_share), sum(tariffs)
    paid = [tariff if owed <= shared else shared * tariff // owed for tariff in tariffs]
    paid[winner] += max(shared - owed, 0)
    return Fall(stake - sum(paid), tuple(paid))


def finalised(fee: int, lost: int, bond: int) -> int:
    """Wei that the executor of a final claim is paid, on which `lost` challengers have lost their bonds."""
    return fee + lost * bond


def least_stake(burns: int, burn_share: int) -> int:
    """The smallest stake of which at least `burns` wei are burned."""
    return -(-burns * BASIS // burn_share)
