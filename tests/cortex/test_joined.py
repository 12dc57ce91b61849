"""What is written to a client's connection in one turn of the loop leaves in one piece, in order and once."""

import asyncio
from typing import Any

from cortex.worker import WHOLE_BYTES, Joined


class Pieces(asyncio.Transport):
    """What is given to the network, in the pieces in which it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self._is_closing = False

    def writelines(self, list_of_data: Any) -> None:
        self.pieces.append(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True


async def test_what_is_written_in_one_turn_of_the_loop_leaves_in_one_piece() -> None:
    there = Pieces()
    joined = Joined(there, asyncio.get_running_loop())
    for data in (b"head ", b"event ", b"end"):
        joined.write(data)
    assert there.pieces == []
    await asyncio.sleep(0)
    assert there.pieces == [b"head event end"]
    joined.write(b"next")
    await asyncio.sleep(0)
    assert there.pieces[1:] == [b"next"]


async def test_a_large_body_does_not_wait_for_the_turns_end_and_nothing_is_written_twice() -> None:
    there = Pieces()
    joined = Joined(there, asyncio.get_running_loop())
    large = b"x" * (WHOLE_BYTES + 1)
    for data in (b"head", large, b"end"):
        joined.write(data)
    assert there.pieces == [b"head" + large]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert there.pieces == [b"head" + large, b"end"]


async def test_what_was_written_before_the_end_is_sent_before_it() -> None:
    there = Pieces()
    joined = Joined(there, asyncio.get_running_loop())
    joined.write(b"last words")
    joined.close()
    joined.write(b"too late")
    await asyncio.sleep(0)
    assert (there.pieces, there.is_closing()) == ([b"last words"], True)
