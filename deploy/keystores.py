"""`refute keys`: makes keys, and says whose they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from contracts import keys
from contracts.options import PasswordFileOption

app = typer.Typer(help="Make a key, or see whose it is.", no_args_is_help=True)
console = Console(soft_wrap=True, highlight=False)

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="the keystore")]


@app.command(epilog="Example: refute keys new keystore.json --password-file password.txt")
def new(file: FileArgument, password_file: PasswordFileOption = None) -> None:
    """Make a key and write it to an encrypted keystore that only its owner can read. Never over a file.

    The password is the first line of --password-file, REFUTE_PASSWORD, or asked for. Without it the key is lost.
    """
    address = keys.create_keystore(file, password_file)
    console.print(f"{address}, written to {file}; keep a copy of it, and its password elsewhere")


@app.command(epilog="Example: refute keys show keystore.json")
def show(file: FileArgument) -> None:
    """Print a key's address; a keystore says it without its password."""
    console.print(keys.address_of(file))
