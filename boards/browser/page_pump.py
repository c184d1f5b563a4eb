"""The pump in a page: boots the firmware as main.py does, and is what the page calls.

`ask` takes and gives JSON. The page says up to which instant time may pass (world.mjs), then asks to `go`.
"""

import binascii
import json

from handset import Handset, Refusal, therapy_of

from board import Board, Pause, Reset
from provisioning import DOCUMENT
from pump.pump import Pump
from thecal_protocol import alarms, codec, messages, roles, secure, states

_START_WITHIN_S = 300  # main.py's
_HEAD = 8  # of the document of keys
_CLASS = 2  # of a row of ALARMS


class PagePump:
    """One life of the pump."""

    def __init__(self, manifest: str):
        board = Board(manifest)
        board.watchdog.start_within(_START_WITHIN_S)
        self._pump = Pump(board)
        self._pump.seal()
        at = _HEAD + secure.KEY_SIZE * (roles.CLINICIAN - 1)
        key = board.store.load(DOCUMENT)[at : at + secure.KEY_SIZE]
        self._handset = Handset(board, key, self.go)
        self._digest = self._blob = b""  # proposed, not committed
        self._done = {
            "go": self.go,
            "program": self.program,
            "press": self.press,
            "stop": self.stop,
            "resume": self.resume,
            "status": self.status,
        }

    def go(self, _=None) -> None:
        """Time passes, as far as the page lets it."""
        try:
            self._pump.run()
        except Pause:
            return

    def program(self, values):
        """Program the pump by the page's form. With `refill`, what is programmed is filled in as well."""
        therapy = therapy_of(values)
        kind = messages.PROPOSAL_PROGRAM
        proposal = dict(therapy)
        if values["refill"]:
            kind = messages.PROPOSAL_REFILL_AND_PROGRAM
            proposal.update(_refill(values))
        handset = self._handset
        handset.open()
        self._digest = handset.propose(kind, proposal)
        self._blob = codec.encoded(messages.proposal_fields(messages.PROPOSAL_PROGRAM), therapy)
        return self._commit()

    def _commit(self):
        self._handset.ask(messages.COMMIT, digest=self._digest)
        self._digest = b""
        return {"program": binascii.hexlify(self._blob).decode()}

    def press(self, _):
        """The button was pressed: what waited for it is asked for again, in the same session."""
        self.go()
        return self._commit() if self._digest else None

    def stop(self, _):
        self._handset.open()
        self._handset.ask(messages.STOP, resume_after_s=0)

    def resume(self, _):
        self._handset.open()
        self._handset.ask(messages.RESUME)

    def status(self, _):
        """As a programmer asks for it."""
        self._handset.open()
        answer = self._handset.ask(messages.STATUS)
        answer["program_digest"] = binascii.hexlify(answer["program_digest"]).decode()
        return answer

    def show(self):
        """The pump's own account, looked at: for what is shown many times a second a session would fill its
        log."""
        pump = self._pump
        stand = pump.supervisor.alarms
        return {
            "state": codec.name_of(states.STATES, pump.supervisor.state()),
            "counted": pump.delivery.count.steps(),
            "alarms": [[row[1], row[_CLASS]] for row in alarms.ALARMS if stand.stands(row[0])],
        }

    def ask(self, text: str) -> str:
        """One request of the page's: a JSON object with `do`; what came of it."""
        request = json.loads(text)
        answer = {}
        try:
            answer = self._done[request["do"]](request) or answer
            answer["show"] = self.show()
        except Refusal as refusal:
            answer = {"refused": str(refusal), "show": self.show()}
        except Reset:
            answer = {"reset": True}
        return json.dumps(answer)


def _refill(values):
    return {
        "volume_pl": values["fill_pl"],
        "residual_pl": values["residual_pl"],
        "lot": "",
        "expiry_day": 0,
        "checked": 0,
        "measured_pl": 0,
    }


def boot(manifest: str):
    """The pump starts; the function that the page asks."""
    return PagePump(manifest).ask
