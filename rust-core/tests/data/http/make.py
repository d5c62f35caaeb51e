"""Writes the captures beside this file: what curl sends to a socket on loopback. See README.md."""

import gzip, re, socket, subprocess, tempfile, threading
from pathlib import Path

HERE = Path(__file__).parent
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def serve(listener, requests, received):
    """Takes one connection, answers each request, keeps every byte."""
    connection, _ = listener.accept()
    connection.settimeout(2)
    try:
        for _ in range(requests):
            request = b""
            while not complete(request):
                if b"\r\n\r\n" in request and b"Expect:" in request and request.endswith(b"\r\n\r\n"):
                    connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                piece = connection.recv(65536)
                if not piece:
                    return
                request += piece
                received.append(piece)
            connection.sendall(OK)
    except TimeoutError:
        pass
    finally:
        connection.close()


def complete(request):
    head, end, body = request.partition(b"\r\n\r\n")
    if not end:
        return False
    if b"Transfer-Encoding: chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    return len(body) >= (int(length[1]) if length else 0)


def capture(name, *arguments, requests=1, url="http://sa.example/sa?project=x", stdin=b""):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        received = []
        thread = threading.Thread(target=serve, args=(listener, requests, received))
        thread.start()
        route = ["--connect-to", f"::127.0.0.1:{port}"]
        arguments = [a.replace("PORT", str(port)) for a in arguments]
        urls = [url] * requests
        command = ["curl", "-q", "-s", "-m", "3", "--http1.1", *route, *arguments, *urls]
        subprocess.run(command, input=stdin, stdout=subprocess.DEVNULL)
        thread.join()
    (HERE / f"{name}.bin").write_bytes(b"".join(received))


EVENT = b'{"type":"track","event":"search","properties":{"search_word":"weather"}}'
with tempfile.NamedTemporaryFile(suffix=".json") as file:
    file.write(EVENT)
    file.flush()
    binary = ["--data-binary", "@" + file.name]
    capture("get", requests=2)
    capture("form", "-d", "data_list=W10%3D&gzip=0")
    capture("multipart", "-F", "key=value", "-F", f"upload=@{file.name};filename=event.json")
    capture("chunked", "-H", "Transfer-Encoding: chunked", *binary)
    capture("chunked-stdin", "-T", "-", stdin=EVENT * 3)
    capture("expect", "-H", "Expect: 100-continue", *binary)
    capture("two-posts", *binary, requests=2)
    capture("upgrade-h2c", "--http2")
    capture("connect", "-p", "-x", "http://127.0.0.1:PORT")
    capture("http2", "--http2-prior-knowledge")
    capture("tls", "-k", url="https://sa.example/")
with tempfile.NamedTemporaryFile(suffix=".gz") as file:
    file.write(gzip.compress(EVENT, mtime=0))
    file.flush()
    capture("gzip", "-H", "Content-Encoding: gzip", "--data-binary", "@" + file.name)
