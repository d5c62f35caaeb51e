#!/usr/bin/env bash
# alife-logger 1.8.30 (npm; Alibaba's ARMS for browsers) in jsdom 24.1.3. Seen on 2026-12-01.
# One would guess: a tracker for web pages loads a picture, or posts a body.
# Seen: where the page has `fetch`, custom events and sums go out as HEAD, all data in the query; without
# it the same are GET of a picture. Calls of an API and errors are POST in both cases, and the body of a
# call is an empty object, the data again in the query. Who decodes bodies alone, or GET and POST alone,
# sees none of it.
# Needs: Node.js with npm.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts alife-logger@1.8.30 jsdom@24.1.3
cat >run.js <<'END'
const { JSDOM } = require("jsdom");
const seen = [];
const { window } = new JSDOM("<html></html>", { url: "https://site.example/", pretendToBeVisual: true });
const note = (method, url, body) => {
  const query = new URL(url).searchParams;
  seen.push(`${query.get("t")} ${method} query=${[...query].length > 10} body=${body === undefined ? "none" : body.length > 2}`);
};
window.XMLHttpRequest = class {
  open(method, url) { Object.assign(this, { method, url }); }
  setRequestHeader() {}
  addEventListener() {}
  send(body) { note(this.method, this.url, body); }
};
window.Image = class { set src(url) { note("GET", url); } };
if (process.argv[2] === "fetch") {
  global.fetch = window.fetch = async (url, options) => { note(options?.method ?? "GET", url, options?.body); };
} else {
  delete global.fetch;
}
for (const name of ["document", "location", "XMLHttpRequest", "Image", "screen"]) global[name] = window[name];
global.window = window;
Object.defineProperty(global, "navigator", { value: window.navigator, configurable: true });
const logger = require("alife-logger").singleton({ pid: "made@up", uid: "made-up", autoSendPv: false, sendResource: false });
logger.custom({ key: "k", msg: "m" });
logger.sum("clicked", 3);
logger.api("/a", true, 12, 200, "ok");
logger.error(new Error("made up"));
setTimeout(() => { console.log(seen.join("\n")); process.exit(0); }, 8000);
END
for mode in fetch picture; do echo "with $mode:"; node run.js $mode 2>/dev/null; done | tee output
diff - output <<'END'
with fetch:
custom HEAD query=true body=none
sum HEAD query=true body=none
api POST query=true body=false
error POST query=true body=true
with picture:
custom GET query=true body=none
sum GET query=true body=none
api POST query=true body=false
error POST query=true body=true
END
echo "as on 2026-12-01"
