"""`python -m tests.chaos.mistaken`: a watcher whose machine computes wrongly, and that confirms nothing.

It disputes every claim of one executor, plays as far as it gets, and comes back however often it is refused.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from contracts import deployment
from contracts.chain import Chain
from contracts.client import Client
from contracts.command_line import configure_logs, run_command, run_until_told
from contracts.devnet_files import DevnetFiles
from contracts.keys import load_account
from contracts.options import LogForm
from contracts.outbox import AGENTS_PATIENCE
from contracts.shelf import Shelf, input_arrays
from contracts.snapshot import ClaimView, RequestView
from deploy.lies import changed_activation
from prover.game.adversaries import MistakenChallenger
from prover.model_folder import Model
from watcher.policy import Policy
from watcher.service import WatcherService
from watcher.verdict import Refuted, Verdict


def mistaken(claim: ClaimView, request: RequestView, model: Model) -> Verdict:
    """A judge that takes its own, wrong run for the truth."""
    return Refuted(changed_activation(model, input_arrays(model.program, request.inputs)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.mistaken", description=__doc__)
    parser.add_argument("--chain", required=True)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--executor", required=True)
    parser.add_argument("--stake", type=int, required=True, help="wei")
    arguments = parser.parse_args()
    configure_logs(LogForm.json)
    files, chain = DevnetFiles(arguments.directory), Chain.connect(arguments.chain)
    account = load_account(None, "mistaken", files.keys)
    client = Client(chain, deployment.load(files.deployment, chain), account, patience=AGENTS_PATIENCE)
    policy = Policy(arguments.stake, executors=frozenset({arguments.executor}))
    shelf = Shelf(files.models)
    run_until_told(WatcherService(client, shelf, mistaken, policy, challenge=MistakenChallenger, interval=0.4))


if __name__ == "__main__":
    run_command("mistaken", main)
