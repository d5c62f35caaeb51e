"""An app with the real Sensors Analytics SDK: `sensors_app.py URL EVENTS`.

It never knows of Muzzle. EVENTS is a JSON list of [name, properties]. Prints one JSON object: what
was tracked, whether the SDK saw it delivered, and its error if not.
"""

import argparse
import contextlib
import json
import sys
import time
import urllib.error

from sensorsanalytics import BatchConsumer, DebugConsumer, DefaultConsumer, SensorsAnalytics


def consumer(kind: str, url: str):
    if kind == "debug":
        return DebugConsumer(url, True, 10)
    return {"batch": BatchConsumer, "default": DefaultConsumer}[kind](url, request_timeout=10)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("events")
    parser.add_argument("--common", default="{}")
    parser.add_argument("--id", default="6b1d9a52-0c3e-4d0f-9f6e-2f1c1f3c7b10")
    parser.add_argument("--consumer", default="batch", choices=["batch", "default", "debug"])
    arguments = parser.parse_args()

    analytics = SensorsAnalytics(consumer(arguments.consumer, arguments.url))
    analytics.register_super_properties(json.loads(arguments.common))
    tracked = json.loads(arguments.events)
    error, started = None, time.monotonic()
    try:
        with contextlib.redirect_stdout(sys.stderr):  # The debug consumer prints.
            for name, properties in tracked:
                analytics.track(arguments.id, name, properties)
            analytics.flush()
    except urllib.error.URLError as failure:
        error = str(failure.reason)
    except Exception as failure:  # noqa: BLE001 - an app shows whatever its SDK raised
        error = f"{type(failure).__name__}: {failure}"
    seconds = round(time.monotonic() - started, 3)
    json.dump({"tracked": tracked, "delivered": error is None, "error": error, "seconds": seconds}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
