"""Python's websockets against a running todoke: receive only, a resume after a cut, and a session.

Usage: websockets_client.py ORIGIN CHANNEL. Exits with 0 when everything held; asserts say what did not.
"""

import asyncio
import json
import sys
import urllib.request

import websockets

DEADLINE = 20  # seconds for anything that is waited for


def publish(origin, channel, text):
    url = f"{origin}/v1/channels/{channel}/messages"
    request = urllib.request.Request(url, data=text.encode(), headers={"Content-Type": "text/plain"})
    with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
        return json.load(answer)["id"]


async def frame(socket):
    return json.loads(await asyncio.wait_for(socket.recv(), DEADLINE))


async def said(socket):
    """The next frame that is not a bare position; those come whenever the server likes."""
    while True:
        f = await frame(socket)
        if "position" not in f:
            return f


async def receive_only(ws, origin, channel):
    url = f"{ws}/v1/channels/{channel}/messages"
    async with websockets.connect(url) as socket:
        opening = await frame(socket)
        assert list(opening) == ["position"], opening
        ids = [publish(origin, channel, f"m{i}") for i in range(1, 6)]
        got = [await frame(socket) for _ in ids]
        assert [m["id"] for m in got] == ids, got
        # Half way of what we have had: as if the rest had been lost on the way.
        socket.transport.abort()
    publish(origin, channel, "m6")
    async with websockets.connect(f"{url}?since={ids[2]}") as socket:
        opening = await frame(socket)
        assert opening == {"position": ids[2]}, opening
        got = [(await frame(socket))["data"] for _ in range(3)]
        assert got == ["m4", "m5", "m6"], got
        # There is nothing to say on this socket.
        await socket.send("hello")
        try:
            while True:
                await frame(socket)
        except websockets.ConnectionClosed as closed:
            assert closed.rcvd and closed.rcvd.code == 1008, closed


async def session(ws, channel):
    async with websockets.connect(f"{ws}/v1/connect") as socket:
        await socket.send(json.dumps({"id": 1, "subscribe": {"channels": [channel], "since": "last=1"}}))
        answer = await said(socket)
        assert answer["id"] == 1 and answer["subscribed"]["channels"] == [channel], answer
        assert (await said(socket))["message"]["data"] == "m6"
        await socket.send(json.dumps({"id": 2, "publish": {"channel": channel, "data": "届け ☃"}}))
        frames = [await said(socket), await said(socket)]
        message = next(f["message"] for f in frames if "message" in f)
        published = next(f["published"] for f in frames if "published" in f)
        assert message["data"] == "届け ☃" and message["id"] == published["id"], frames
        # Binary frames are taken as JSON text too.
        await socket.send(json.dumps({"id": 3, "ping": {}}).encode())
        assert await said(socket) == {"id": 3, "pong": {}}
        await socket.send("not json")
        error = await said(socket)
        assert error["error"]["code"] == "invalid_frame", error


async def main(origin, channel):
    ws = origin.replace("http:", "ws:")
    await receive_only(ws, origin, channel)
    await session(ws, channel)


asyncio.run(main(*sys.argv[1:]))
