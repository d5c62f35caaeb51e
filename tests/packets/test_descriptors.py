"""As many flows as a phone may have, and no more than 1024 descriptors."""

from __future__ import annotations

import resource

from helpers import database, events, holding, page, sdk, tcp, visited
from lab import muzzle, odd, policy, resolver
from lab.lab import RECORDED, Lab

LIMIT = 1024
FLOWS = 2200


def test_the_idlest_of_2200_connections_give_way_and_all_else_goes_on(bare_lab: Lab) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # The servers are in this process.
    limited = ("prlimit", f"--nofile={LIMIT}:{LIMIT}")
    process = bare_lab.start_muzzle(policy.text(), wrap=limited)
    told = tcp(bare_lab, RECORDED, "hoard", resolver.FILES, str(odd.ECHOES), str(FLOWS), timeout=200)
    assert told["echoed"] == FLOWS, "each new connection is made"
    # The newest are alive, without a hole; some descriptors are not for flows.
    alive = told["alive"]
    assert alive == list(range(FLOWS - len(alive), FLOWS))
    assert 800 < len(alive) < LIMIT - 50
    assert sdk(bare_lab, RECORDED, "after-pressure")["delivered"]
    assert visited(events(bare_lab, 1, holding("after-pressure"))) == [page("after-pressure")]
    assert process.stop() == 0, process.said()
    dropped = muzzle.stats(database(bare_lab))["dropped"]
    assert dropped["descriptor-limit"] >= FLOWS - LIMIT, dropped
