"""A double in a process of its own: prints its address and serves until it is killed."""

import argparse
import asyncio

from tests.doubles.server import double


async def main(port: int) -> None:
    made = double()
    await made.start(port)
    print(made.url, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.doubles", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(main(parser.parse_args().port))
