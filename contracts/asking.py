"""Asking a node, and telling apart what can come back: a revert, a refusal, or no answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from hexbytes import HexBytes
from web3.exceptions import ContractLogicError, Web3Exception, Web3RPCError

from contracts.errors import ChainUnavailable, NodeRefused


class Reverted(Exception):
    """A simulated call failed; `data` is what it gave as the reason."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data.hex())
        self.data = data


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Raise what goes wrong inside as Reverted, NodeRefused or ChainUnavailable; `what` completes "asked to ..."."""
    try:
        yield
    except ContractLogicError as error:
        data = error.data if isinstance(error.data, str) else "0x"
        raise Reverted(bytes(HexBytes(data))) from error
    except (requests.RequestException, Web3Exception, OSError, ValueError) as error:
        if _is_refusal(error):
            raise NodeRefused(f"the node refused when asked to {what}: {_shortened(error)}") from error
        raise ChainUnavailable(f"the chain gave no answer when asked to {what}: {_shortened(error)}") from error


_BAD_REQUEST, _TOO_LARGE = 400, 413


def _is_refusal(error: Exception) -> bool:
    """Whether the node understood and said no; being asked too often is no answer to what was asked."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return error.response.status_code in (_BAD_REQUEST, _TOO_LARGE)
    text = str(error).lower()
    return isinstance(error, Web3RPCError) and "too many requests" not in text and "rate limit" not in text


def _shortened(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:200] + "..."
