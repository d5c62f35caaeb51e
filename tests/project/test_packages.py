"""The table of packages of Debian and Ubuntu, held against the lists of the releases that are supported."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LISTS = Path(__file__).parent / "packages"
RELEASES = {"bookworm": "Debian 12", "trixie": "Debian 13", "noble": "Ubuntu 24.04"}
# Names of other releases, which the lists were asked for too.
FOREIGN = {"openjdk-17-jdk-headless", "openjdk-21-jdk-headless", "libasound2", "libasound2t64"}

Row = tuple[str, str, list[str]]


def table() -> list[Row]:
    """Part, probe and packages of each line."""
    found = []
    for line in (ROOT / "scripts/packages.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            part, probe, *packages = line.split()
            found.append((part, probe, packages))
    return found


TABLE = table()
NAMES = {name for _, _, packages in TABLE for name in packages}


def versions(release: str) -> dict[str, str]:
    """What a release's list says of each name that it was asked for."""
    lines = (LISTS / f"{release}.tsv").read_text().splitlines()
    return dict(line.split("\t") for line in lines if not line.startswith("#"))


def lacking(release: str, names: set[str]) -> set[str]:
    """Those of the names that a release has not, or that its list was never asked for."""
    known = versions(release)
    return {name for name in names if known.get(name, "none") == "none"}


@pytest.mark.parametrize("release", RELEASES)
def test_a_release_has_every_package_that_the_scripts_ask_for(release: str) -> None:
    assert lacking(release, NAMES) == set()


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("trixie", "openjdk-17-jdk-headless"),
        ("bookworm", "openjdk-21-jdk-headless"),
        ("bookworm", "libasound2t64"),
        ("noble", "libasound2"),
        ("noble", "a-name-that-no-list-was-asked-for"),
    ],
)
def test_a_name_that_a_release_lacks_is_seen(release: str, name: str) -> None:
    assert lacking(release, NAMES | {name}) == {name}


@pytest.mark.parametrize("release", RELEASES)
def test_a_list_says_of_what_it_is_and_holds_no_name_that_nobody_asks_for(release: str) -> None:
    first = (LISTS / f"{release}.tsv").read_text().splitlines()[0]
    distribution, number = RELEASES[release].split()
    assert re.fullmatch(rf"# {distribution}.* {re.escape(number)}.*, amd64, \d{{4}}-\d\d-\d\d, by scripts/package-list", first)
    assert set(versions(release)) == NAMES | FOREIGN


def test_there_is_a_list_for_each_release_that_the_readme_names() -> None:
    assert {file.stem for file in LISTS.iterdir()} == set(RELEASES)
    for page in ("README.md", "docs/testing.md"):
        text = (ROOT / page).read_text()
        assert set(re.findall(r"(?:Debian|Ubuntu) \d[\d.]*\d", text)) == set(RELEASES.values()), page


def test_a_package_is_named_for_one_probe_alone() -> None:
    named = [name for _, _, packages in TABLE for name in packages]
    assert sorted(named) == sorted(set(named))


def test_every_part_is_asked_for_by_a_script_and_is_in_the_table() -> None:
    asked = {"base"}
    for file in (ROOT / "scripts").iterdir():
        if file.is_file():
            for words in re.findall(r"\binstall_packages((?: [a-z]+)+)", file.read_text()):
                asked |= set(words.split())
    assert asked == {part for part, _, _ in TABLE}


def shell(lines: str) -> list[str]:
    done = subprocess.run(["bash", "-c", f". {ROOT}/scripts/lib.sh\n{lines}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_probe_that_fails_names_its_packages_and_one_that_does_not_names_none() -> None:
    of = {part: [name for one, _, packages in TABLE if one == part for name in packages] for part, _, _ in TABLE}
    assert shell("there() { false; }; missing_packages") == of["base"]
    assert shell("there() { false; }; missing_packages jvm fuzz") == of["base"] + of["fuzz"] + of["jvm"]
    assert shell("there() { [ $1 != dig ]; }; missing_packages lab") == ["bind9-dnsutils"]
    assert shell("there() { true; }; missing_packages " + " ".join(of)) == []


def test_probes_that_are_functions_are_there() -> None:
    functions = set(re.findall(r"^(has_\w+)\(\)", (ROOT / "scripts/lib.sh").read_text(), re.M))
    assert functions == {probe for _, probe, _ in TABLE if probe.startswith("has_")}


def test_a_command_is_found_where_only_root_looks_and_a_missing_one_is_not() -> None:
    assert shell("PATH=/usr/bin:/bin; there ldconfig && echo yes") == ["yes"]
    assert shell("there no-such-command || echo no") == ["no"]


def test_the_recipe_for_f_droid_installs_what_the_package_is_made_with() -> None:
    recipe = (ROOT / "docs/fdroid/app.muzzle.yml").read_text()
    named = re.search(r"apt-get install -y (.*)", recipe)[1].split()
    assert named == [name for part, _, packages in TABLE if part in ("android", "jvm", "apk") for name in packages]
