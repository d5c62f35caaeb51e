"""`scripts/update-lists --compare` with small made-up lists against small made-up rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAD = "# list: {}\n# version: 1\nhost,owner,category,default,side_effect,protocol,source,licence\n"
ROWS = {
    "alibaba": [
        ("ulogs.umeng.com", "block"),
        (".mmstat.com", "block"),
        ("log.mmstat.com", "record"),
        ("a.b.taobao.com", "block"),
        ("x.vendor.com.cn", "block"),
    ],
    "never-block": [("push.umeng.com", "never")],
    "resolvers": [("dns.google", "allow")],
}


def rows(folder: Path) -> Path:
    folder.mkdir()
    for name, hosts in ROWS.items():
        lines = "".join(f"{host},O,other,{default},,,s,fact\n" for host, default in hosts)
        (folder / f"{name}.csv").write_text(HEAD.format(name) + lines)
    return folder


def report(tmp_path: Path, *sources: str) -> list[str]:
    ours = tmp_path / "signatures"
    if not ours.exists():
        rows(ours)
    script = [sys.executable, str(ROOT / "scripts/compare.py"), str(ours), *sources]
    done = subprocess.run(script, capture_output=True, text=True, check=True, cwd=tmp_path)
    return done.stdout.splitlines()


def test_names_of_every_form_that_no_row_speaks_about_are_printed(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text(
        "# head\n127.0.0.1 localhost\n0.0.0.0 new.umeng.com ulogs.umeng.com # why\n"
        "0.0.0.0 any.example.com\n0.0.0.0 dns.google.google\n:: six.umeng.com\n"
    )
    (tmp_path / "plain").write_text("NEW.umeng.com.\n*.star.umeng.com\ny.vendor.com.cn\nz.other.com.cn\n\xff\n")
    (tmp_path / "adblock").write_text(
        "[Adblock Plus]\n! head\n||ad.umeng.com^\n||ad.taobao.com^$important\n"
        "||limited.taobao.com^$app=x\n||x.mmstat.com^\n||push.umeng.com^\n"
    )
    assert report(tmp_path, "H=hosts", "P=plain", "A=adblock") == [
        "They block, we have no row (6):",
        "  y.vendor.com.cn  P",
        "  ad.taobao.com  A",
        "  ad.umeng.com  A",
        "  new.umeng.com  H, P",
        "  six.umeng.com  H",
        "  star.umeng.com  P",
        "We block, they free (0):",
        "Not compared of P: 1 no name",
        "Not compared of A: 1 under conditions",
    ]


def test_of_v2fly_only_names_with_the_mark_of_ads_count(tmp_path: Path) -> None:
    (tmp_path / "all").write_text("include:umeng @ads\ninclude:all\ninclude:umeng\nregexp:^a\\.umeng\\. @ads\n")
    (tmp_path / "umeng").write_text(
        "umeng.com\n\n# Ads\nfull:a.umeng.com @ads\ndomain:b.umeng.com @cn @ads\nc.umeng.com @ads # why\n"
        "# d.umeng.com @ads\ne.umeng.com @cn\nf.umeng.com @ads &other\nkeyword:umeng @ads\n"
    )
    assert report(tmp_path, "V=all") == [
        "They block, we have no row (4):",
        *(f"  {name}.umeng.com  V" for name in "abcf"),
        "We block, they free (0):",
        "Not compared of V: 1 keyword, 1 regexp",
    ]


def test_what_we_block_and_they_free_is_printed_with_our_row(tmp_path: Path) -> None:
    (tmp_path / "rules").write_text(
        "@@||gm.mmstat.com^\n@@||log.mmstat.com^\n@@||taobao.com^$important\n@@||push.umeng.com^|\n"
    )
    (tmp_path / "allow").write_text("ulogs.umeng.com\nulogs.umeng.com.example.org\n")
    assert report(tmp_path, "R=rules", "W=allow:allow") == [
        "They block, we have no row (0):",
        "We block, they free (3):",
        "  gm.mmstat.com  row .mmstat.com  R",
        "  a.b.taobao.com  row a.b.taobao.com  R",
        "  ulogs.umeng.com  row ulogs.umeng.com  W",
    ]


def refused(*arguments: str) -> str:
    done = subprocess.run(
        [ROOT / "scripts/update-lists", "--compare", *arguments], capture_output=True, text=True
    )
    assert done.returncode == 2, done
    return done.stderr


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "v").write_text("include:gone @ads\n")
    (tmp_path / "up").write_text("include:../v\n")
    assert "NAME=FILE" in refused()
    assert "is not NAME=FILE" in refused("file")
    assert "No such file" in refused(f"X={tmp_path}/none")
    assert "No such file" in refused(f"X={tmp_path}/v")
    assert "no file beside it" in refused(f"X={tmp_path}/up")


def test_our_own_lists_have_all_that_they_name(tmp_path: Path) -> None:
    """The rows of the project against names of their own: nothing is lacked."""
    names = [
        line.split(",")[0].lstrip(".")
        for list_of_ours in ("alibaba", "xiaomi")
        for line in (ROOT / f"signatures/{list_of_ours}.csv").read_text().splitlines()
        if not line.startswith(("#", "host,"))
    ]
    (tmp_path / "ours").write_text("\n".join(names))
    done = subprocess.run(
        [ROOT / "scripts/update-lists", "--compare", f"O={tmp_path}/ours"],
        capture_output=True, text=True, check=True,
    )
    assert done.stdout.splitlines() == ["They block, we have no row (0):", "We block, they free (0):"]
