"""How often the disk is made to write: a phone's storage wears, and each time costs battery."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

from helpers import database, events, holding, page
from lab import demo, policy, sensors
from lab.lab import RECORDED, Lab

COUNTER = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
static void note(void) {
    int log = open(getenv("SYNC_LOG"), O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (log >= 0) { (void)!write(log, "s", 1); close(log); }
}
int fsync(int file) {
    note();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(file);
}
int fdatasync(int file) {
    note();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(file);
}
"""
SECONDS, A_SECOND = 25, 10


def syncs(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def test_ten_events_a_second_sync_the_disk_at_most_once_in_five_seconds() -> None:
    with Lab("test_disk") as lab:
        source, library, log = (lab.directory / name for name in ("sync.c", "sync.so", "syncs"))
        source.write_text(COUNTER)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
        wrap = ("env", f"LD_PRELOAD={library}", f"SYNC_LOG={log}")
        running = lab.start_muzzle(policy.text([RECORDED]), wrap=wrap)
        at_start, began = syncs(log), time.monotonic()
        for second in range(SECONDS):
            tracked = [("page_load_event_finish", {"url": page(f"{second}-{n}")}) for n in range(A_SECOND)]
            sent = lab.python(RECORDED, demo.PROGRAM, sensors.URL, json.dumps(tracked))
            assert sent.returncode == 0, sent.stderr
            time.sleep(max(0.0, began + second + 1 - time.monotonic()))
        lasted, counted = time.monotonic() - began, syncs(log) - at_start
        assert counted <= lasted / 5, (counted, lasted)
        assert len(events(lab, SECONDS * A_SECOND, holding("page_load"))) == SECONDS * A_SECOND
        assert running.stop() == 0
        # At its end it syncs: so the counter counts.
        assert syncs(log) > at_start + counted
        assert database(lab).exists()
