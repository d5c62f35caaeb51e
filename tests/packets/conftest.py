"""Fixtures of the real-packet tests. Run them with `scripts/test core` or through `scripts/in-lab`.

Nothing here passes without a lab: outside one, every test is skipped and says why.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Iterator

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from lab import network  # noqa: E402
from lab.lab import Lab  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Outside a lab nothing runs."""
    if os.environ.get("MUZZLE_LAB"):
        return
    why = os.environ.get("MUZZLE_NO_LAB", "run them through scripts/in-lab")
    for item in items:
        item.add_marker(pytest.mark.skip(reason=f"needs root and /dev/net/tun: {why}"))


@pytest.fixture(scope="module")
def bare_lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A phone and an internet without Muzzle, one for all tests of a file."""
    resolver = getattr(request.module, "PHONE_RESOLVER", None)
    options = {"phone_resolver": resolver} if resolver else {}
    with Lab(request.module.__name__, **options) as lab:
        yield lab


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest, bare_lab: Lab) -> Lab:
    """The same with `muzzle run`, under the file's POLICY and with its OPTIONS."""
    bare_lab.start_muzzle(request.module.POLICY, extra=getattr(request.module, "OPTIONS", ()))
    return bare_lab


@pytest.fixture
def ipv6() -> None:
    """For tests that need IPv6 of the kernel."""
    if not network.has_ipv6():
        pytest.skip("this kernel has no IPv6")


@pytest.fixture
def clean(lab: Lab) -> Lab:
    """The lab, with what servers recorded earlier forgotten."""
    for server in (lab.collector, lab.files, lab.odd, lab.web):
        server.forget()
    lab.datagrams.sizes.clear()
    return lab
