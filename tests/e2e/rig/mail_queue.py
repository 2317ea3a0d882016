"""What milter/mail_queue does to the queue of a server of the rig, by a test program that runs in its room."""

import json
import shutil

from .room import BUILD


class Probe:
    """mail_queue_probe inside the room of a server."""

    def __init__(self, server, mta="postfix", config=""):
        self.room, self.words = server.room, (mta, config)
        self.path = server.path / "mail_queue_probe"
        shutil.copy(BUILD / "bin" / "mail_queue_probe", self.path)

    def __call__(self, what, ids=()):
        """Its lines, or the text of its error."""
        done = self.room.run(self.path, *self.words, what, stdin="".join(f"{queue_id}\n" for queue_id in ids), check=False)
        assert done.returncode in (0, 1), f"{done.returncode}: {done.stdout}{done.stderr}"
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return lines[0]["error"] if done.returncode else lines

    def count(self, what, ids):
        said = self(what, ids)
        assert not isinstance(said, str), said
        return said[0]["count"]

    def look(self, ids):
        return {file["id"]: file for file in self("look", ids)}


def check_first_three_are_removed(probe, ids, strangers):
    """Of a queue these held messages are found and none of the `strangers`; three are removed, once. Returns what was found."""
    found = probe.look([*ids, *strangers])
    assert sorted(found) == sorted(ids)
    assert {file["is_held"] for file in found.values()} == {True}
    assert probe.count("remove", ids[:3]) == 3
    assert probe.count("remove", ids[:3]) == 0
    assert sorted(probe.look(ids)) == sorted(ids[3:])
    return found


def check_first_four_are_kept_back(probe, ids):
    """Of these messages, which wait, four are kept back, once; then they alone are removed."""
    assert {file["is_held"] for file in probe.look(ids).values()} == {False}
    assert probe.count("remove", ids) == 0 and probe.count("send", ids) == 0
    assert probe.count("hold", ids[:4]) == 4
    assert {queue_id for queue_id, file in probe.look(ids).items() if file["is_held"]} == set(ids[:4])
    assert probe.count("hold", ids[:4]) == 0
    assert probe.count("remove", ids) == 4
