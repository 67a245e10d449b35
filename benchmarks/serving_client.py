"""The load: so many clients that ask again as soon as they are answered, each on a connection of its own.

`python -m benchmarks.serving_client PORT CLIENTS REQUESTS`; standard library only, so that it starts and asks quickly.
"""

import asyncio
import sys
import time

from benchmarks.measuring import answer

BODY = b'{"inputs": [[1]]}'  # one step of one sequence
REQUEST = (
    b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    % (len(BODY), BODY)
)


async def load(port: int, num_clients: int, num_requests: int) -> None:
    """All requests of all clients; says requests per second, milliseconds and how many were not answered with 200."""
    left, seconds, lost = num_requests, [], 0

    async def client() -> None:
        nonlocal left, lost
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while left > 0:
            left -= 1
            started = time.perf_counter()
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            content = await reader.readexactly(int(length.partition(b":")[2]))
            seconds.append(time.perf_counter() - started)
            lost += not (head.startswith(b"HTTP/1.1 200") and content.startswith(b'{"predictions"'))
        writer.close()

    started = time.perf_counter()
    ended = await asyncio.gather(*(client() for _ in range(num_clients)), return_exceptions=True)
    took = time.perf_counter() - started
    ordered = sorted(seconds)
    answer(
        rate=len(ordered) / took,
        p50=ordered[len(ordered) // 2] * 1000,
        p99=ordered[len(ordered) * 99 // 100] * 1000,
        lost=lost + num_requests - len(ordered) + sum(isinstance(each, Exception) for each in ended),
    )


if __name__ == "__main__":
    asyncio.run(load(*map(int, sys.argv[1:])))
