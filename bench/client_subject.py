"""One client of the client measurement that is written in Python: see client-subject.ts."""

import asyncio
import json
import resource
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor

NAME, URL, CA = sys.argv[1:4]


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def report(before, taken):
    taken.sort()
    p99 = taken[int(len(taken) * 0.99)] * 1000
    print(json.dumps({"cpu": cpu() - before, "p99": p99}), flush=True)


async def with_aiohttp():
    import aiohttp

    context = ssl.create_default_context(cafile=CA)
    sessions = {}
    for line in sys.stdin:
        order = json.loads(line)
        at_once = order["atOnce"]
        if at_once not in sessions:
            connector = aiohttp.TCPConnector(ssl=context, limit=at_once)
            sessions[at_once] = aiohttp.ClientSession(connector=connector)
        session = sessions[at_once]

        async def warm():
            async with session.get(URL) as response:
                await response.json()

        await asyncio.gather(*(warm() for _ in range(at_once)))
        left, taken, before = [order["calls"]], [], cpu()

        async def work():
            while left[0] > 0:
                left[0] -= 1
                started = time.perf_counter()
                async with session.get(URL) as response:
                    await response.json()
                taken.append(time.perf_counter() - started)

        await asyncio.gather(*(work() for _ in range(at_once)))
        report(before, taken)
    for session in sessions.values():
        await session.close()


def with_requests():
    import requests

    sessions = {}
    for line in sys.stdin:
        order = json.loads(line)
        at_once = order["atOnce"]
        if at_once not in sessions:
            session = requests.Session()
            session.verify = CA
            session.trust_env = False
            adapter = requests.adapters.HTTPAdapter(pool_maxsize=at_once)
            session.mount("https://", adapter)
            sessions[at_once] = (session, ThreadPoolExecutor(at_once))
        session, pool = sessions[at_once]

        def work(_):
            started = time.perf_counter()
            session.get(URL).json()
            return time.perf_counter() - started

        list(pool.map(work, range(at_once)))
        before = cpu()
        report(before, list(pool.map(work, range(order["calls"]))))


if NAME == "aiohttp":
    asyncio.run(with_aiohttp())
else:
    with_requests()
