"""PHP scripts that call mail() on the machine of a private mail server."""

import json


class Php:
    """`host` is a Postfix or Sendmail (anything with `room` and `path`): its `sendmail` is what mail() runs."""

    def __init__(self, host, settings=None):
        self.room = host.room
        self.folder = host.room.folder.make("php", 0o755)
        self.settings = {"mail.add_x_header": "On", "sendmail_path": "/usr/sbin/sendmail -t -i",
                         "mail.log": "", "display_errors": "stderr", "error_reporting": "-1", **(settings or {})}

    def script(self, name, code, owner=0):
        """Writes `<?php CODE` as a file that the uid `owner` owns; the owner is what PHP's header names."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"<?php\n{code}\n")
        self.room.run("chown", owner, path)
        return path

    def mailer(self, name, owner=0):
        """A script `name` COUNT [TO [HEADERS [PARAMETERS]]] that calls mail() so often and prints the answers as JSON."""
        return self.script(name, MAILER, owner)

    def run(self, script, *arguments, user="www-data", extra_parameters=None, check=True):
        """Runs a script as `user`; `extra_parameters` is mail.force_extra_parameters."""
        settings = dict(self.settings)
        if extra_parameters is not None:
            settings["mail.force_extra_parameters"] = extra_parameters
        options = [part for key, value in settings.items() for part in ("-d", f"{key}={value}")]
        return self.room.run("php", *options, script, *arguments, user=user, check=check, timeout=300)

    def mail(self, script, count=1, to="dest@remote.test", headers="", parameters="", **options):
        """Runs a mailer(); returns what its mail() calls returned."""
        return json.loads(self.run(script, count, to, headers, parameters, **options).stdout)


MAILER = r"""
[$script, $count, $to, $headers, $parameters] = $argv + [1 => 1, "dest@remote.test", "", ""];
$answers = [];
for ($i = 0; $i < $count; $i++)
  $answers[] = mail($to, "message $i", "hello\n", stripcslashes($headers), $parameters);
echo json_encode($answers), "\n";
"""
