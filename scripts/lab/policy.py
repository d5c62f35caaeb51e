"""Policy files as text, `docs/policy.md`. It never reads one."""

from __future__ import annotations

from typing import Sequence

from .lab import APPS, App


def text(
    apps: Sequence[App] = APPS,
    hosts: Sequence[tuple[str, str]] = (),
    default: str = "block",
    block_at: str = "connection",
    host_apps: Sequence[tuple[str, str, str]] = (),
) -> str:
    """A policy: apps with their settings, hosts with a verdict, hosts with one for one app."""
    lines = ["version = 1", f'default = "{default}"', f'block_at = "{block_at}"', ""]
    for app in apps:
        lines += ["[[app]]", f'package = "{app.package}"', f"uid = {app.uid}"]
        lines += [f'setting = "{app.setting}"', f'when_blocked = "{app.when_blocked}"', ""]
    for host, verdict in hosts:
        lines += ["[[host]]", f'host = "{host}"', f'verdict = "{verdict}"', ""]
    for host, package, verdict in host_apps:
        lines += ["[[host]]", f'host = "{host}"', f'app = "{package}"', f'verdict = "{verdict}"', ""]
    return "\n".join(lines)
