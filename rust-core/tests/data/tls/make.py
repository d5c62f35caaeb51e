#!/usr/bin/env python3
"""Records the ClientHellos of several clients on loopback, one file each: all bytes that the
client sends before it waits for an answer. Clients that are not installed are skipped.

    python3 rust-core/tests/data/tls/make.py [NAME]...
"""

import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).parent
HOST = "collect.example.com"

PYTHON = """
import socket, ssl, sys
c = ssl.create_default_context()
c.set_alpn_protocols(["h2", "http/1.1"])
c.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1]))), server_hostname=sys.argv[2])
"""

GO = """
package main
import ("crypto/tls"; "os")
func main() {
    c := &tls.Config{ServerName: os.Args[2], NextProtos: []string{"h2", "http/1.1"}}
    tls.Dial("tcp", "127.0.0.1:" + os.Args[1], c)
}
"""

JAVA = """
import javax.net.ssl.*;
public class Hello {
    public static void main(String[] a) throws Exception {
        var plain = new java.net.Socket("127.0.0.1", Integer.parseInt(a[0]));
        var f = (SSLSocketFactory) SSLSocketFactory.getDefault();
        var s = (SSLSocket) f.createSocket(plain, a[1], 443, true);
        var p = s.getSSLParameters();
        p.setApplicationProtocols(new String[] {"h2", "http/1.1"});
        s.setSSLParameters(p);
        s.startHandshake();
    }
}
"""

NODE = """
require("tls").connect({host: "127.0.0.1", port: +process.argv[1], servername: process.argv[2],
    ALPNProtocols: ["h2", "http/1.1"]}).on("error", () => {});
"""

IMPERSONATE = """
import curl_cffi, sys
port, host, who = sys.argv[1:]
url = f"https://{host}:{port}/"
curl_cffi.get(url, impersonate=who, timeout=5, curl_options={
    curl_cffi.CurlOpt.RESOLVE: [f"{host}:{port}:127.0.0.1"]})
"""


def s_client(*more):
    return lambda port, _: ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *more]


def curl(*more):
    return lambda port, _: ["curl", "-sk", "--max-time", "5", "--resolve", f"{HOST}:{port}:127.0.0.1",
                            *more, f"https://{HOST}:{port}/"]


def script(name, text, *command):
    def run(port, scratch):
        path = scratch / name
        path.write_text(text)
        return [*command, str(path), str(port), HOST]
    return run


def chromium(port, scratch):
    return ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
            "--disable-background-networking", "--disable-component-update", "--no-first-run",
            f"--user-data-dir={scratch}/profile",
            f"--host-resolver-rules=MAP {HOST} 127.0.0.1, MAP * ~NOTFOUND",
            "--dump-dom", f"https://{HOST}:{port}/"]


def impersonate(who):
    return lambda port, _: [sys.executable, "-c", IMPERSONATE, str(port), HOST, who]


CLIENTS = {
    "openssl-tls13": s_client("-servername", HOST, "-alpn", "h2,http/1.1"),
    "openssl-tls12": s_client("-servername", HOST, "-tls1_2"),
    "openssl-tls10": s_client("-servername", HOST, "-tls1", "-cipher", "ALL:@SECLEVEL=0"),
    "openssl-no-name": s_client("-noservername"),
    "openssl-address": s_client("-servername", "192.0.2.7"),
    "openssl-upper-case-dot": s_client("-servername", "Collect.EXAMPLE.com."),
    "curl-h2": curl(),
    "curl-tls12-http11": curl("--http1.1", "--tls-max", "1.2"),
    "python": lambda port, _: [sys.executable, "-c", PYTHON, str(port), HOST],
    "go": script("hello.go", GO, "go", "run"),
    "java": script("Hello.java", JAVA, "java"),
    "node": lambda port, _: ["node", "-e", NODE, str(port), HOST],
    "chromium": chromium,
    "boringssl-as-chrome": impersonate("chrome142"),
    "boringssl-as-safari": impersonate("safari260"),
    "boringssl-as-firefox": impersonate("firefox144"),
}


def record(name, command):
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(60)
    heard = []

    def serve():
        try:
            connection, _ = listener.accept()
            connection.settimeout(1)
            while data := connection.recv(65536):
                heard.append(data)
        except OSError:
            pass
        finally:
            if heard:
                connection.close()

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        words = command(listener.getsockname()[1], pathlib.Path(scratch))
        if shutil.which(words[0]) is None:
            return print(f"{name}: {words[0]} is not installed")
        server = threading.Thread(target=serve)
        server.start()
        client = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        server.join()
        client.kill()
        client.wait()
    if heard:
        (HERE / f"{name}.bin").write_bytes(b"".join(heard))
    print(f"{name}: {[len(h) for h in heard]}")


if __name__ == "__main__":
    for each in sys.argv[1:] or CLIENTS:
        record(each, CLIENTS[each])
