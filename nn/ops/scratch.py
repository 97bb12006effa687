"""Working memory of a backend."""

import threading


class Scratch(threading.local):
    """Each thread's own buffers, by name; two threads may be inside one backend at once. A thread's are freed when it ends."""

    def __init__(self):  # runs in each thread that looks
        self.buffers = {}
