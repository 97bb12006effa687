"""What waits for a page that reads slowly."""

import asyncio
import threading

from gan.lab.outbox import MAX_WAITING, Outbox


def test_answers_keep_their_order_and_of_a_picture_only_the_latest_waits():
    async def main():
        outbox = Outbox(asyncio.get_running_loop())
        for k in range(1000):
            outbox.show("samples", b"%d" % k)
            outbox.show("losses", b"loss %d" % k)
        outbox.put(b"first")
        outbox.put(b"second")
        return [await outbox.get() for _ in range(4)]

    assert asyncio.run(main()) == [b"first", b"second", b"999", b"loss 999"]


def test_a_sender_wakes_for_what_another_thread_shows():
    async def main():
        outbox = Outbox(asyncio.get_running_loop())
        threading.Timer(0.05, outbox.show, ("samples", b"x")).start()
        return await asyncio.wait_for(outbox.get(), 20), outbox

    message, outbox = asyncio.run(main())
    assert message == b"x"
    outbox.show("samples", b"the loop has ended: nothing is raised")


def test_a_page_that_does_not_read_is_not_answered_for_ever():
    async def main():
        outbox = Outbox(asyncio.get_running_loop())
        for _ in range(MAX_WAITING):
            assert not outbox.is_full
            outbox.put(b"answer")
        return outbox.is_full

    assert asyncio.run(main())
