#!/usr/bin/env python3
"""Mistreats a running server and says whether it stayed well: `lapidary serve --port 8000`, then

  benchmarks/abuse.py --url http://127.0.0.1:8000 --pid PID [--minutes 10] [--idle 1000] [--workers 24]

Workers send a random mix of good requests, streams that are cut off or read slowly, malformed requests and bursts beyond the
queue. Good answers are compared with those given before the mix began (greedy, so that any other text is a fault). At the end
nothing may run or wait, and memory may have grown by no more than 3 % over its level after the first quarter.
"""
import argparse, asyncio, collections, json, random, statistics, struct, socket, sys, time, urllib.parse

WORDS = "cat dog sun moon tree fish boat hill king bird star cake lake frog ship door".split()
MALFORMED = [
    (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{\"model\":", {400}),
    (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n\xff\xfe", {400}),
    (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 200\r\n\r\n" + b"[" * 200, {400}),
    (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: -1\r\n\r\n", {400}),
    (b"GET /v1/chat/completions HTTP/1.1\r\nHost: x\r\n\r\n", {405}),
    (b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", {404}),
    (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70000 + b"\r\n\r\n", {431}),
    (b"NONSENSE\r\n\r\n", {400}),
]


class Server:
    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port = parts.hostname, parts.port or 80

    async def open(self):
        return await asyncio.open_connection(self.host, self.port)

    def request(self, path, body):
        data = json.dumps(body).encode()
        return b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(data)) + data

    async def get(self, path):
        reader, writer = await self.open()
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        text = (await reader.read()).decode()
        writer.close()
        return text


async def answer(reader):
    """Status and body of one answer, chunked or of a stated length."""
    head = await reader.readuntil(b"\r\n\r\n")
    status, headers = int(head.split()[1]), head.lower()
    body = b""
    if b"transfer-encoding: chunked" in headers:
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    elif b"content-length:" in headers:
        body = await reader.readexactly(int(headers.split(b"content-length:")[1].split(b"\r\n")[0]))
    return status, body


def chat(i, stream=False):
    return {"messages": [{"role": "user", "content": f"Write a story about a {WORDS[i % 16]} and a {WORDS[i // 16 % 16]}."}],
            "temperature": 0, "max_tokens": 40, "stream": stream}


def text_of(body, stream):
    if not stream: return json.loads(body)["choices"][0]["message"]["content"]
    events = [line[6:] for line in body.decode().split("\n") if line.startswith("data: ")]
    assert events[-1] == "[DONE]", events[-1]
    return "".join(c["delta"].get("content") or "" for e in events[:-1] for c in json.loads(e)["choices"])


class Abuse:
    def __init__(self, server, expected):
        self.server, self.expected, self.counts, self.faults = server, expected, collections.Counter(), []

    async def good(self, allow_refusal=False):
        i, stream = random.randrange(len(self.expected)), random.random() < 0.6
        reader, writer = await self.server.open()
        writer.write(self.server.request("/v1/chat/completions", chat(i, stream)))
        status, body = await answer(reader)
        writer.close()
        if status in (429, 503):
            self.counts["refused"] += 1
            json.loads(body)["error"]["message"]
        elif status != 200 or text_of(body, stream) != self.expected[i]:
            self.faults.append(f"request {i}: status {status}, {body[:200]!r}")

    async def cut_off(self):
        reader, writer = await self.server.open()
        writer.write(self.server.request("/v1/chat/completions", chat(random.randrange(256), True) | {"max_tokens": 400}))
        await reader.read(random.randrange(1, 4000))
        if random.random() < 0.5: writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()

    async def slow(self):
        reader, writer = await self.server.open()
        writer.write(self.server.request("/v1/chat/completions", chat(random.randrange(256), True) | {"max_tokens": 400}))
        for _ in range(40):
            if not await reader.read(64): break
            await asyncio.sleep(0.05)
        writer.close()

    async def malformed(self):
        data, statuses = random.choice(MALFORMED)
        reader, writer = await self.server.open()
        writer.write(data)
        status, body = await answer(reader)
        writer.close()
        if status not in statuses or "message" not in json.loads(body)["error"]: self.faults.append(f"{data[:60]!r}: status {status}, {body[:200]!r}")

    async def burst(self):
        await asyncio.gather(*(self.good() for _ in range(60)))

    async def worker(self, end):
        kinds = [(self.good, 50), (self.cut_off, 20), (self.slow, 10), (self.malformed, 19), (self.burst, 1)]
        while time.monotonic() < end:
            kind = random.choices([k for k, _ in kinds], [w for _, w in kinds])[0]
            try:
                await asyncio.wait_for(kind(), 120)
            except Exception as e:  # whatever it is, the server did not do what it should
                self.faults.append(f"{kind.__name__}: {type(e).__name__} {e}")
            self.counts[kind.__name__] += 1


def rss(pid):
    return next(int(line.split()[1]) / 1024 for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))


def gauges(metrics):
    names = ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc")
    return {line.split("{")[0].split()[0]: float(line.split()[-1]) for line in metrics.split("\n") if line.startswith(names)}


async def idle(server, count):
    """Opens so many connections, each of which has streamed an answer and stays open."""
    held = []
    for first in range(0, count, 50):
        batch = [await server.open() for _ in range(min(50, count - first))]
        for _, writer in batch: writer.write(server.request("/v1/chat/completions", chat(first, True) | {"max_tokens": 2}))
        for reader, _ in batch: assert (await answer(reader))[0] in (200, 429, 503)
        held += batch
    return held


async def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--url", required=True)
    ap.add_argument("--pid", type=int, required=True)
    ap.add_argument("--minutes", type=float, default=10)
    ap.add_argument("--idle", type=int, default=1000)
    ap.add_argument("--workers", type=int, default=24)
    a = ap.parse_args()
    server, expected = Server(a.url), []
    for i in range(48):
        reader, writer = await server.open()
        writer.write(server.request("/v1/chat/completions", chat(i)))
        status, body = await answer(reader)
        assert status == 200, body
        expected.append(text_of(body, False))
        writer.close()
    # A first round touches pages of the key-value cache and lets the heap grow, which is no connection's.
    for _, writer in await idle(server, a.idle): writer.close()
    before = rss(a.pid)
    held = await idle(server, a.idle)
    print(f"{a.idle} idle connections: {(rss(a.pid) - before) * 1024 / max(1, a.idle):.1f} KiB each")
    abuse, started, memory = Abuse(server, expected), time.monotonic(), []
    tasks = [asyncio.create_task(abuse.worker(started + 60 * a.minutes)) for _ in range(a.workers)]
    while not all(t.done() for t in tasks):
        await asyncio.sleep(2)
        memory.append(rss(a.pid))
    for _, writer in held: writer.close()
    for _ in range(60):
        left = gauges(await server.get("/metrics"))
        if not any(v for k, v in left.items() if "requests" in k): break
        await asyncio.sleep(1)
    quarter = len(memory) // 4
    early, late = statistics.median(memory[quarter:2 * quarter]), statistics.median(memory[-quarter:])
    print(f"{dict(abuse.counts)} in {time.monotonic() - started:.0f} s")
    print(f"memory: {early:.0f} MiB in the second quarter, {late:.0f} in the last ({late / early - 1:+.1%}); left: {left}")
    for fault in abuse.faults[:20]: print("fault:", fault)
    print(f"{len(abuse.faults)} faults")
    sys.exit(1 if abuse.faults or late > 1.03 * early or any(v for k, v in left.items() if "requests" in k) else 0)


if __name__ == "__main__":
    asyncio.run(main())
