"""Whether the code of a deployment is that of the committed artifacts."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.abi import Abi, artifact
from contracts.asking import Reverted
from contracts.chain import Chain
from contracts.deployment import Deployment, constructor_arguments
from contracts.errors import WrongSetup


def strange_contracts(chain: Chain, deployment: Deployment) -> Iterator[str]:
    """Names of the contracts whose code is another than a deployment from the artifacts would leave there.

    The node runs each constructor in a call, so that what is compared holds the parameters and addresses that are
    written into the code.
    """
    made = {
        "Walk": deployment.walk,
        "Referee": deployment.referee,
        "Commitments": deployment.commitments,
        "Refute": deployment.refute,
    }
    for name, address in made.items():
        compiled, given = artifact(name), constructor_arguments(name, deployment.parameters, made)
        try:
            expected = chain.call(None, compiled.bytecode + Abi(compiled.abi).encode_constructor(given))
        except Reverted:
            expected = b""  # these parameters are not taken by this version
        if not expected or chain.code(address) != expected:
            yield name


def require_own_code(chain: Chain, deployment: Deployment) -> None:
    """WrongSetup if a contract that was just deployed is not what was sent."""
    if strange := ", ".join(strange_contracts(chain, deployment)):
        raise WrongSetup(
            f"{strange}: the chain shows another code than was deployed; do not use the deployment file before `refute "
            "doctor` finds the contracts right, which a node that is behind may do later"
        )
