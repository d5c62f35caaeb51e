"""What stands in more than one place of the project agrees."""

from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as tree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "android-app"
MAVEN = {"m": "http://maven.apache.org/POM/4.0.0"}
POM = tree.parse(APP / "pom.xml").getroot()
GRADLE = (APP / "build.gradle.kts").read_text()
MANIFEST = (APP / "src/main/AndroidManifest.xml").read_text()


def catalogue() -> dict[str, str]:
    """Gradle's list of versions. Python 3.10 has no reader of TOML."""
    text = (ROOT / "gradle/libs.versions.toml").read_text()
    section = text.split("[versions]")[1].split("\n[")[0]
    return dict(re.findall(r'^(\w+) = "(.*)"$', section, re.M))


def of_pom(path: str) -> str:
    return POM.find("/".join(f"m:{step}" for step in path.split("/")), MAVEN).text


def dependency(artifact: str) -> str:
    """The version that the pom names, with its property looked up."""
    for found in POM.findall("m:dependencies/m:dependency", MAVEN):
        if found.find("m:artifactId", MAVEN).text == artifact:
            version = found.find("m:version", MAVEN).text
            name = re.fullmatch(r"\$\{(.*)\}", version)
            return of_pom(f"properties/{name[1]}") if name else version
    raise KeyError(artifact)


@pytest.mark.parametrize(
    ("gradle", "maven"),
    [
        ("versionName", "version"),
        ("versionCode", "properties/version.code"),
        ("minSdk", "properties/min.sdk"),
        ("targetSdk", "properties/target.sdk"),
        ("kotlin", "properties/kotlin.version"),
    ],
)
def test_gradle_and_maven_name_the_same_version(gradle: str, maven: str) -> None:
    assert catalogue()[gradle] == of_pom(maven)


@pytest.mark.parametrize("library", ["junit", "robolectric"])
def test_gradle_and_maven_test_with_the_same_libraries(library: str) -> None:
    assert catalogue()[library] == dependency(library)


def test_gradle_compiles_against_the_framework_that_maven_has() -> None:
    assert of_pom("properties/android.all.version").startswith("15-")
    assert catalogue()["compileSdk"] == "35"


def test_gradle_and_the_manifest_name_the_same_app() -> None:
    package = re.search(r'package="(.*?)"', MANIFEST)[1]
    assert re.search(r'applicationId = "(.*)"', GRADLE)[1] == package
    assert re.search(r'namespace = "(.*)"', GRADLE)[1] == package


def test_every_build_has_the_same_abis() -> None:
    gradle = re.search(r"abiFilters \+= listOf\((.*)\)", GRADLE)[1].replace('"', "").split(", ")
    core = re.search(r"set -- ((?:\w|-| )+)$", (ROOT / "scripts/build-core").read_text(), re.M)[1]
    apk = re.search(r"^ABIS=\((.*)\)$", (ROOT / "scripts/apk").read_text(), re.M)[1]
    assert gradle == core.split() == apk.split()


def test_the_core_is_built_for_the_oldest_android_that_the_app_takes() -> None:
    toolchain = (ROOT / "scripts/android/toolchain.sh").read_text()
    assert re.search(r"^API=(\d+)$", toolchain, re.M)[1] == catalogue()["minSdk"]


def test_the_core_and_the_app_have_one_version() -> None:
    cargo = (ROOT / "Cargo.toml").read_text()
    assert re.search(r'^version = "(.*)"$', cargo, re.M)[1] == catalogue()["versionName"]


def test_gradles_files_hold_no_more_than_a_page() -> None:
    for file in ("settings.gradle.kts", "android-app/build.gradle.kts", "gradle/libs.versions.toml"):
        assert len((ROOT / file).read_text().splitlines()) <= 60


def test_the_licences_in_the_package_are_those_of_what_is_in_it() -> None:
    done = subprocess.run([ROOT / "scripts/licences", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_recipe_for_f_droid_builds_this_version() -> None:
    recipe = (ROOT / "docs/fdroid/app.muzzle.yml").read_text()
    version, code = catalogue()["versionName"], catalogue()["versionCode"]
    assert f"versionName: {version}\n    versionCode: {code}\n    commit: v{version}\n" in recipe
    assert f"output: build/apk/muzzle-{version}-unsigned.apk" in recipe
    assert f"CurrentVersion: {version}\nCurrentVersionCode: {code}\n" in recipe


def test_the_texts_for_the_store_are_there_and_short_enough() -> None:
    """F-Droid cuts what is longer."""
    folder = ROOT / "fastlane/metadata/android/en-US"
    longest = {"title.txt": 50, "short_description.txt": 80, "full_description.txt": 4000}
    for name, limit in longest.items():
        assert 0 < len((folder / name).read_text()) <= limit, name
    assert 0 < len((folder / f"changelogs/{catalogue()['versionCode']}.txt").read_text()) <= 500
