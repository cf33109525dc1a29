# What stance is made of: one object served by a manager of Python's standard library, over TCP with a
# secret, called through its proxy. Reads milliseconds, prints the calls a second in that time.
import sys
import time
from multiprocessing.managers import BaseManager


class Counter:
    def __init__(self):
        self._count = 0

    def increment(self):
        self._count += 1
        return self._count


class Manager(BaseManager):
    pass


if __name__ == "__main__":
    Manager.register("Counter", Counter)
    manager = Manager(address=("127.0.0.1", 0), authkey=b"measured")
    manager.start()
    counter = manager.Counter()
    print("ready", flush=True)
    for line in sys.stdin:
        seconds = float(line) / 1000
        begin = time.perf_counter()
        calls = 0
        while time.perf_counter() - begin < seconds:
            counter.increment()
            calls += 1
        print(calls / (time.perf_counter() - begin), flush=True)
    manager.shutdown()
