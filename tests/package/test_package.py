"""What an installer, and readers other than ours, make of the packages of scripts/apk."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "android-app"
BUILT = ROOT / "build/apk"
ABIS = ["arm64-v8a", "armeabi-v7a", "x86_64"]
PHONES = ABIS[:2]
ANDROGUARD = ROOT / "build/venv-androguard/bin/python"
# Bytes.
LARGEST = {"universal": 6_000_000, "arm64-v8a": 3_000_000}

spec = importlib.util.spec_from_file_location("packer", ROOT / "scripts/android/package.py")
packer = importlib.util.module_from_spec(spec)
spec.loader.exec_module(packer)


def pom(name: str) -> str:
    return re.search(rf"<{name}>(.*)</{name}>", (APP / "pom.xml").read_text())[1]


def package(kind: str, signed: bool = True) -> Path:
    name = f"muzzle-{pom('version')}" + ("" if kind == "universal" else f"-{kind}")
    path = BUILT / (f"{name}.apk" if signed else f"{name}-unsigned.apk")
    assert path.exists(), "build it first: scripts/apk"
    return path


def run(*command: object) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(params=["universal", *ABIS])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def abis(kind: str) -> list[str]:
    return PHONES if kind == "universal" else [kind]


def expected_permissions() -> list[str]:
    lines = (APP / "permissions.txt").read_text().splitlines()
    return sorted(line for line in lines if line and not line.startswith("#"))


def test_its_signature_is_v2_and_v3_and_verifies(kind: str) -> None:
    told = run("apksigner", "verify", "--verbose", "--Werr", package(kind))
    assert "Verified using v2 scheme (APK Signature Scheme v2): true" in told
    assert "Verified using v3 scheme (APK Signature Scheme v3): true" in told


def test_a_changed_byte_breaks_its_signature(tmp_path: Path) -> None:
    changed = tmp_path / "changed.apk"
    content = bytearray(package("arm64-v8a").read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    done = subprocess.run(["apksigner", "verify", changed], capture_output=True, text=True)
    assert done.returncode != 0


def test_aapt_reads_what_the_pom_says(kind: str) -> None:
    told = run("aapt2", "dump", "badging", package(kind))
    first = told.splitlines()[0]
    assert f"name='app.muzzle' versionCode='{pom('version.code')}'" in first
    assert f"versionName='{pom('version')}'" in first
    assert f"sdkVersion:'{pom('min.sdk')}'" in told
    assert f"targetSdkVersion:'{pom('target.sdk')}'" in told
    assert "application-label:'Muzzle'" in told
    assert "launchable-activity: name='app.muzzle.ui.MainActivity'" in told
    assert "application-debuggable" not in told
    code = re.search(r"^native-code: (.*)$", told, re.M)[1]
    assert sorted(re.findall(r"'(.*?)'", code)) == abis(kind)


def test_its_icon_is_there_for_every_density(kind: str) -> None:
    told = run("aapt2", "dump", "badging", package(kind))
    icons = re.findall(r"^application-icon-\d+:'(.*)'$", told, re.M)
    assert icons
    with zipfile.ZipFile(package(kind)) as opened:
        assert set(icons) <= set(opened.namelist())


def test_it_asks_for_the_permissions_on_record_and_no_other(kind: str) -> None:
    told = run("aapt2", "dump", "permissions", package(kind))
    assert sorted(re.findall(r"uses-permission: name='(.*?)'", told)) == expected_permissions()


@pytest.mark.parametrize("signed", [True, False])
def test_its_libraries_are_stored_on_pages_of_16_kb(kind: str, signed: bool) -> None:
    assert packer.faults(package(kind, signed), abis(kind)) == []


def test_zipalign_agrees(kind: str) -> None:
    run("zipalign", "-c", 16384, package(kind))


def test_signing_moves_nothing(kind: str) -> None:
    """A newer apksigner aligns anew unless it is told not to."""
    placed = []
    for signed in (True, False):
        with zipfile.ZipFile(package(kind, signed)) as opened:
            placed.append([(one.filename, packer.offset(package(kind, signed), one)) for one in opened.infolist()])
    assert placed[0] == placed[1]


def test_its_libraries_are_those_that_were_checked(kind: str) -> None:
    with zipfile.ZipFile(package(kind)) as opened:
        for abi in abis(kind):
            built = ROOT / "build/android/lib" / abi / "libmuzzle.so"
            assert opened.read(f"lib/{abi}/libmuzzle.so") == built.read_bytes()


def test_dexdump_finds_the_bridge_and_what_the_manifest_names(tmp_path: Path) -> None:
    with zipfile.ZipFile(package("universal")) as opened:
        opened.extract("classes.dex", tmp_path)
    told = run("dexdump", tmp_path / "classes.dex")
    there = set(re.findall(r"Class descriptor  : 'L(.*);'", told))
    bridge = {f"app/muzzle/core/{name}" for name in ("NativeCore", "CoreException")}
    bridge |= {f"app/muzzle/core/NativeCore${name}" for name in ("Upcalls", "Progress")}
    manifest = (APP / "src/main/AndroidManifest.xml").read_text()
    named = re.findall(r'<(?:application|activity|service|receiver|provider)\b[^>]*?android:name="(\.[\w.]+)"', manifest)
    assert len(named) >= 2
    assert bridge | {"app/muzzle" + name.replace(".", "/") for name in named} <= there


def test_the_bridge_keeps_every_native_and_every_upcall(tmp_path: Path) -> None:
    """The core finds them by name and signature; R8 must not have dropped or renamed one."""
    source = (APP / "src/main/java/app/muzzle/core/NativeCore.java").read_text()
    natives = set(re.findall(r"public static native \w+(?:\[\])? (\w+)\(", source))
    assert len(natives) >= 13
    with zipfile.ZipFile(package("universal")) as opened:
        opened.extract("classes.dex", tmp_path)
    told = run("dexdump", tmp_path / "classes.dex").split("Class descriptor")
    [bridge] = [part for part in told if part.startswith("  : 'Lapp/muzzle/core/NativeCore;'")]
    assert natives <= set(re.findall(r"name +: '(\w+)'", bridge))
    [upcalls] = [part for part in told if part.startswith("  : 'Lapp/muzzle/core/NativeCore$Upcalls;'")]
    assert {"connectionOwner", "protect", "ended"} <= set(re.findall(r"name +: '(\w+)'", upcalls))


READ = """
import json, sys
from loguru import logger
logger.remove()
from androguard.core.apk import APK
from androguard.core.dex import DEX
apk = APK(sys.argv[1])
dex = DEX(apk.get_dex())
print(json.dumps({
    "valid": apk.is_valid_APK(), "package": apk.get_package(), "name": apk.get_androidversion_name(),
    "min": apk.get_min_sdk_version(), "target": apk.get_target_sdk_version(),
    "permissions": sorted(apk.get_permissions()), "main": apk.get_main_activity(),
    "v2": apk.is_signed_v2(), "v3": apk.is_signed_v3(), "dexes": len(list(apk.get_all_dex())),
    "classes": [one.get_name() for one in dex.get_classes()],
    "libraries": sorted(name for name in apk.get_files() if name.endswith(".so")),
}))
"""


def test_androguard_reads_the_same(kind: str) -> None:
    told = json.loads(run(ANDROGUARD, "-c", READ, package(kind)))
    classes = told.pop("classes")
    assert "Lapp/muzzle/core/NativeCore;" in classes
    assert told == {
        "valid": True,
        "package": "app.muzzle",
        "name": pom("version"),
        "min": pom("min.sdk"),
        "target": pom("target.sdk"),
        "permissions": expected_permissions(),
        "main": "app.muzzle.ui.MainActivity",
        "v2": True,
        "v3": True,
        "dexes": 1,
        "libraries": [f"lib/{abi}/libmuzzle.so" for abi in abis(kind)],
    }


def test_it_holds_the_notices_of_what_it_is_made_of() -> None:
    with zipfile.ZipFile(package("universal")) as opened:
        notices = opened.read("assets/licences.txt")
    assert notices == (APP / "src/main/assets/licences.txt").read_bytes()


def test_it_is_small(kind: str) -> None:
    size = package(kind).stat().st_size
    print(f"{kind}: {size} bytes")
    assert size <= LARGEST.get(kind, LARGEST["arm64-v8a"])


def unfit(folder: Path, change: str) -> Path:
    """A package with one fault."""
    path = folder / "unfit.apk"
    with zipfile.ZipFile(package("x86_64")) as good, zipfile.ZipFile(path, "w") as bad:
        for name in good.namelist():
            compression = zipfile.ZIP_DEFLATED if change == "compressed" else zipfile.ZIP_STORED
            if not (change == "missing" and name == "resources.arsc"):
                bad.writestr(name, good.read(name), compression)
        if change == "foreign":
            bad.writestr("lib/mips/libmuzzle.so", b"")
    return path


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("compressed", "is compressed"),
        ("moved", "which is no page"),
        ("missing", "has no resources.arsc"),
        ("foreign", "lib/mips/libmuzzle.so"),
    ],
)
def test_the_check_of_a_package_sees_its_faults(change: str, told: str, tmp_path: Path) -> None:
    assert any(told in fault for fault in packer.faults(unfit(tmp_path, change), ["x86_64"]))


def test_an_unknown_option_is_refused() -> None:
    done = subprocess.run([ROOT / "scripts/apk", "--fast"], capture_output=True, text=True)
    assert (done.returncode, "no option is called --fast" in done.stderr) == (2, True)


def refused(folder: Path, **key: str) -> str:
    """What scripts/apk says to a release key that cannot be used; it builds nothing then."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **key}
    done = subprocess.run([ROOT / "scripts/apk"], env=environment, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    return done.stderr


def test_a_release_key_that_cannot_be_used_is_refused_at_once(tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert "names no file" in refused(tmp_path, MUZZLE_KEYSTORE=str(store))
    store.touch()
    assert "MUZZLE_KEYSTORE_PASSWORD" in refused(tmp_path, MUZZLE_KEYSTORE=str(store))
    password = {"MUZZLE_KEYSTORE_PASSWORD": "secret"}
    assert "MUZZLE_KEY_ALIAS" in refused(tmp_path, MUZZLE_KEYSTORE=str(store), **password)
