"""The benchmark's saga on DBOS: ten sequential steps, each of which takes 1 KiB and passes it on.

DBOS is a library, so that clients, workflows and steps are in this process; a step's result is in PostgreSQL before the
next one begins. Prints a line of figures.

    saga.py DATABASE_URL CLIENTS SECONDS
"""

import json
import sys
import threading
import time

from dbos import DBOS, DBOSConfig

STEPS = 10
PAYLOAD = {"filler": "x" * (1024 - 13)}


@DBOS.step()
def step(payload: dict) -> dict:
    return payload


@DBOS.workflow()
def saga(payload: dict) -> dict:
    for _ in range(STEPS):
        payload = step(payload)
    return payload


def client(state: dict, times: list) -> None:
    while not state["stop"]:
        counts, began = state["warm"], time.monotonic()
        saga(PAYLOAD)
        if counts and not state["stop"]:
            times.append(time.monotonic() - began)


def rss_mib() -> int:
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) // 1024


def main() -> None:
    url, clients, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    # Otherwise 20 connections would be what is measured.
    engine = {"pool_size": clients + 4, "max_overflow": 0}
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": url,
        "log_level": "WARNING",
        "run_admin_server": False,
        "sys_db_pool_size": clients + 4,
        "db_engine_kwargs": engine,
    }
    DBOS(config=config)
    DBOS.launch()
    state = {"warm": False, "stop": False}
    times: list[list[float]] = [[] for _ in range(clients)]
    threads = [threading.Thread(target=client, args=(state, kept)) for kept in times]
    for thread in threads:
        thread.start()
    time.sleep(seconds / 5)
    state["warm"], began = True, time.monotonic()
    time.sleep(seconds)
    state["stop"], took = True, time.monotonic() - began
    rss = rss_mib()
    for thread in threads:
        thread.join()
    DBOS.destroy()
    micros = sorted(int(one * 1_000_000) for kept in times for one in kept)
    if not micros:
        raise SystemExit("no saga ended within the time")

    def percentile(percent: int) -> int:
        return micros[max(-(-len(micros) * percent // 100), 1) - 1] // STEPS

    figures = {
        "per_second": len(micros) * STEPS / took,
        "p50_us": percentile(50),
        "p99_us": percentile(99),
        "rss_mib": rss,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
