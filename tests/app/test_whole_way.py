"""The whole app in a JVM, in a network namespace with real TUNs, clients and a collector.

Run by `scripts/test app`, after Maven has compiled the app and its tests. MUZZLE_JNI names the library.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from lab import network, sensors  # noqa: E402
from lab.lab import Lab  # noqa: E402

APP = ROOT / "android-app"
MADE = APP / "target/made"
CLASS = "app.muzzle.whole.WholeWay"
SOURCE = APP / "src/test/kotlin" / (CLASS.replace(".", "/") + ".kt")
TESTS = re.findall(r"@Test\s+fun (\w+)\(\)", SOURCE.read_text())
# A test opens one TUN, or two where the reach changes.
TUNS = 2 * len(TESTS)
WITHIN = 900
# A JVM cannot make a TUN: it inherits them, each a device without an address.
LAUNCH = f"""
import fcntl, os, struct, sys
tuns = []
for number in range({TUNS}):
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"muzzle%d" % number, 0x1001))
    os.set_inheritable(fd, True)
    tuns.append(f"muzzle{{number}}={{fd}}")
os.chdir({str(APP)!r})
os.execvp("java", ["java", "-Dmuzzle.tuns=" + ",".join(tuns), *sys.argv[1:]])
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    if not os.environ.get("MUZZLE_LAB"):
        why = os.environ.get("MUZZLE_NO_LAB", "run them through scripts/in-lab")
        pytest.skip(f"needs root and /dev/net/tun: {why}")
    with Lab("whole-way") as lab:
        yield lab


@pytest.fixture(scope="module")
def told(lab: Lab) -> str:
    """What JUnit says of all tests, in one JVM: the library can be loaded once only."""
    ours = [APP / "target/test-classes", APP / "target/classes"]
    unpacked = [MADE / "monitor/classes.jar", MADE / "tracing/classes.jar"]
    classpath = ":".join(map(str, ours + unpacked)) + ":" + (MADE / "test-classpath").read_text().strip()
    properties = {
        "java.library.path": Path(os.environ["MUZZLE_JNI"]).parent,
        "robolectric.offline": "true",
        "robolectric.dependency.dir": MADE / "robolectric",
        "muzzle.resolver": network.RESOLVER4,
        "muzzle.collector": network.COLLECTOR4,
        "muzzle.collected": lab.records / "collector.jsonl",
    }
    options = [f"-D{name}={value}" for name, value in properties.items()]
    options += ["-Xmx2g", "--add-opens=java.base/java.io=ALL-UNNAMED", "-cp", classpath]
    command = [sys.executable, "-c", LAUNCH, *options, "org.junit.runner.JUnitCore", CLASS]
    done: subprocess.CompletedProcess = lab.phone.run(command, timeout=WITHIN)
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", TESTS)
def test_on_the_labs_phone(told: str, name: str) -> None:
    assert re.search(rf"^(OK \({len(TESTS)} tests\)|Tests run: {len(TESTS)},)", told, re.MULTILINE), told[-6000:]
    failure = re.search(rf"^\d+\) {name}\(.*?(?=^\d+\) |\Z)", told, re.MULTILINE | re.DOTALL)
    assert failure is None, failure and failure.group()[:4000]


def test_the_collector_got_what_passed_and_nothing_that_was_stopped(lab: Lab, told: str) -> None:
    requests = [request for request in lab.collector.requests() if request.body]
    pages = [event["properties"]["url"] for request in requests for event in sensors.events(request)]
    reported = set(re.findall(r"(?:assertPasses|sensors)\(\"(passed/\w+)\"", SOURCE.read_text()))
    assert {page.removeprefix("https://news.example/") for page in pages} == reported
