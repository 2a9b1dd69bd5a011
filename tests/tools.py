"""Programs that tests start and that come from the system (`make test-tools` installs them where it can)."""

from __future__ import annotations

import os
import shutil

import pytest

from deploy.anvil import NoAnvil, anvil

IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")


def tool(name: str) -> str:
    """The path of a program; without it the test is skipped by name, but fails in CI."""
    found = shutil.which(
        name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    )
    if found is None and IN_CI:
        pytest.fail(f"{name} is not installed; CI must not skip what it is needed for")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def require_anvil() -> None:
    """The same for anvil, which comes from npm."""
    try:
        anvil()
    except NoAnvil as missing:
        if IN_CI:
            raise
        pytest.skip(str(missing))
