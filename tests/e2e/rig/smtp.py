"""An SMTP client that reports each message's outcome as a value and keeps its connection."""

import smtplib
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

TEXT = "From: {sender}\r\nTo: {recipient}\r\nSubject: rig\r\n\r\nhello\r\n"


class Outcome(NamedTuple):
    """`stage` is where the last word was said: mail, rcpt, data (before the text), eom (after it) or lost."""

    stage: str
    code: int
    text: str

    @property
    def accepted(self):
        return self.stage == "eom" and self.code == 250

    def __str__(self):
        return f"{self.stage}: {self.code} {self.text}"


class Client:
    """One connection: `login` authenticates (mechanism PLAIN or LOGIN), `xclient` claims a login on Postfix's xclient
    door, `source` is the loopback address that the client connects from. Use it in a `with`."""

    def __init__(self, port, login=None, password="secret", mechanism="PLAIN", xclient=None, source="127.0.0.1"):
        self.smtp = smtplib.SMTP(local_hostname="client.test", timeout=60, source_address=(source, 0))
        try:
            self.greeting = self.smtp.connect("127.0.0.1", port)
            if xclient is not None:
                self.xclient(xclient)
            self.smtp.ehlo()
            if login is not None:
                self.smtp.user, self.smtp.password = login, password
                self.smtp.auth(mechanism, getattr(self.smtp, "auth_" + mechanism.lower()))
        except BaseException:
            self.smtp.close()
            raise

    def xclient(self, login):
        """Becomes `login`; may be repeated between messages."""
        self.smtp.ehlo()
        code, text = self.smtp.docmd("XCLIENT", f"LOGIN={login}")
        if code != 220:
            raise smtplib.SMTPResponseException(code, text)

    def send(self, sender="alice@example.test", recipients=("dest@remote.test",), text=TEXT, options=()):
        """Sends one message as far as the server lets it; a refused recipient only counts if all are refused."""
        recipients = [recipients] if isinstance(recipients, str) else list(recipients)
        stage = "mail"
        try:
            reply = self.smtp.mail(sender, options)
            if reply[0] == 250:
                stage, reply = "rcpt", self._recipients(recipients)
            if reply[0] == 250:
                stage, reply = self._text(text.format(sender=sender, recipient=recipients[0]) if text is TEXT else text)
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            return Outcome("lost", 0, f"at {stage}: {error}")
        outcome = Outcome(stage, reply[0], reply[1].decode(errors="replace"))
        if not outcome.accepted:
            self._reset()
        return outcome

    def _recipients(self, recipients):
        replies = [self.smtp.rcpt(recipient) for recipient in recipients]
        return next((reply for reply in replies if reply[0] == 250), replies[0])

    def _text(self, text):
        try:
            return "eom", self.smtp.data(text)
        except smtplib.SMTPDataError as error:
            return "data", (error.smtp_code, error.smtp_error)

    def _reset(self):
        try:
            self.smtp.rset()
        except (smtplib.SMTPException, OSError):
            pass

    def close(self):
        try:
            self.smtp.quit()
        except (smtplib.SMTPException, OSError):
            self.smtp.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def send_many(port, count, connections=1, sender="alice@example.test", recipients=("dest@remote.test",), **client):
    """Sends `count` messages over so many parallel connections (`client`: arguments of Client); returns the Outcomes."""
    def share(index):
        with Client(port, **client) as connection:
            return [connection.send(sender, recipients) for _ in range(index, count, connections)]
    with ThreadPoolExecutor(connections) as pool:
        return [outcome for part in pool.map(share, range(connections)) for outcome in part]
