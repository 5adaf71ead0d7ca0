"""Passes TCP connections on, counts their bytes by host, and may delay them.

Started by lab.py with one argument, a JSON object: `hosts` (addresses to listen on, and to connect
to), `port`, `to` (a port) and `delay` (seconds each way). A line on stdin is answered with a JSON
object: `to` and `from` (bytes by host since the line before) and `cpu` (seconds).

A delayed connection behaves as over a wire of that length: what the client says first waits for the
two ways of the handshake, and the server hears of the connection after the third. Every piece is
kept for the delay and sent on in its order, however much is under way; nothing else slows it down.
"""

import asyncio
import collections
import json
import socket
import sys
import time


class Wire:
    """One direction of a connection: holds every piece for the delay, in order."""

    def __init__(self, loop, delay, open_after):
        self.loop = loop
        self.delay = delay
        self.opens = loop.time() + open_after
        self.target = None
        self.held = collections.deque()
        self.timer = None

    def send(self, piece):
        """Takes a piece."""
        due = max(self.loop.time(), self.opens) + self.delay
        self.held.append((due, piece))
        self.deliver()

    def leads_to(self, transport):
        self.target = transport
        self.deliver()

    def deliver(self):
        if self.timer or not self.target:
            return
        now = self.loop.time()
        while self.held and (not self.delay or self.held[0][0] <= now):
            self.target.write(self.held.popleft()[1])
        if self.held:
            self.timer = self.loop.call_at(self.held[0][0], self.again)

    def again(self):
        self.timer = None
        self.deliver()

    def close(self):
        """Ends the target once all that is under way is delivered."""
        if not self.target:
            return
        last = self.held[-1][0] if self.held else 0.0
        self.loop.call_at(max(last, self.loop.time() + self.delay), self.finish)

    def finish(self):
        self.deliver()
        self.target.close()


class End(asyncio.Protocol):
    """One end of a connection: what it reads goes into a wire."""

    def __init__(self, wire, count, made=None):
        self.wire, self.count, self.made = wire, count, made

    def connection_made(self, transport):
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.made:
            self.made(transport)

    def data_received(self, data):
        self.count(len(data))
        self.wire.send(data)

    # SSH never closes one way only: an end closes the whole connection, as asyncio does by itself.

    def connection_lost(self, error):
        self.wire.close()


async def main(order):
    loop = asyncio.get_running_loop()
    delay = order["delay"]
    totals = {"to": collections.Counter(), "from": collections.Counter()}

    def accepted(host):
        up, down = Wire(loop, delay, 2 * delay), Wire(loop, delay, 0)

        def counter(way):
            return lambda count: totals[way].update({host: count})

        def client_is_here(transport):
            down.leads_to(transport)
            loop.call_later(3 * delay, lambda: loop.create_task(connect(transport)))

        async def connect(client):
            try:
                server, _ = await loop.create_connection(
                    lambda: End(down, counter("from")), host, order["to"])
                up.leads_to(server)
                if client.is_closing():
                    up.close()
            except OSError:
                client.abort()

        return End(up, counter("to"), client_is_here)

    for host in order["hosts"]:
        await loop.create_server(lambda host=host: accepted(host), host, order["port"],
                                 backlog=1024)
    stdin = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    print("ready", flush=True)
    while await stdin.readline():
        print(json.dumps({**totals, "cpu": time.process_time()}), flush=True)
        for counts in totals.values():
            counts.clear()


asyncio.run(main(json.loads(sys.argv[1])))
