"""Who may talk to the page's server: this computer's own browser, at the address that was printed.

address   the server listens on 127.0.0.1 alone; the Host that is asked for must be it (SEC-33)
token     256 bits in the path; every address below another one is the same 404
origin    what changes something comes from the page itself, and says so; so does what the page loads
content   a Content-Security-Policy without `unsafe-`: no script, style or line but this server's own,
          no markup made of text (Trusted Types), no frame, no form that leaves
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from thecal.errors import ThecalError

ADDRESS = "127.0.0.1"
_TOKEN_BYTES = 32
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), usb=(), serial=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class NotOurs(ThecalError):
    """Somebody asks who may not."""


class Guard:
    """Of one server."""

    def __init__(self, port: int) -> None:
        self.token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._hosts = (f"{ADDRESS}:{port}", f"localhost:{port}")
        self._origins = tuple(f"http://{host}" for host in self._hosts)
        self.address = f"http://{self._hosts[0]}/{self.token}/"

    def check_host(self, headers: Mapping[str, str]) -> None:
        """NotOurs: the browser was led here by another name (DNS rebinding), or by another site's page."""
        if headers.get("Host", "") not in self._hosts:
            raise NotOurs("this server is asked for by a name that is not its own", f"open {ADDRESS}")
        if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise NotOurs("another site asks for this page", "open the address that thecal web printed")
        origin = headers.get("Origin")
        if origin is not None and origin not in self._origins:
            raise NotOurs("another site asks for this page", "open the address that thecal web printed")

    def check_token(self, token: str) -> None:
        """NotOurs: whoever asks was not told the address."""
        if not secrets.compare_digest(token.encode("utf-8", "replace"), self.token.encode()):
            raise NotOurs(
                "this address is not that of a `thecal web` that runs now",
                "open the address that it printed when it started; each start has its own",
            )

    def check_write(self, headers: Mapping[str, str]) -> None:
        """NotOurs: something is to be changed, and not by the page."""
        if headers.get("Origin") not in self._origins:
            raise NotOurs("what changes something has to come from the page", "open it in a browser")
        if headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
            raise NotOurs("what changes something comes as JSON", "open the page in a browser")
