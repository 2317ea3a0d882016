"""The store inside the daemon, where a Scene wants one: there is nothing to break but the disk below it."""


class Memory:
    """`store.url = "memory:"` of one daemon; its blocks are made by command, once it runs."""

    url = "memory:"

    def __init__(self):
        self.daemon = None
        self._blocks = []

    def opened(self, daemons):
        (self.daemon,) = daemons
        for identity, text in self._blocks:
            self.daemon.cli("block", identity, "--reason", text)

    def block(self, identity, text):
        self._blocks.append((identity, text.split(" ", 1)[-1]))

    def answers(self):
        return True
