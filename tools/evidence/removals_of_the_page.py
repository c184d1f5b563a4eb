"""More rows for `removals.py`: who may act on the page of `thecal web`, and what it shows of a pump."""

_WEB = "host_tools/thecal/web/"
_SAFETY = "tests/host/web/test_safety.py::"
_REPLAY = "tests/host/web/test_replay.py::"
ROWS: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    (
        "SEC-23 token",
        _WEB + "guard.py",
        '        if not secrets.compare_digest(token.encode("utf-8", "replace"), self.token.encode()):',
        "        if False:",
        (_SAFETY + "test_without_its_token_there_is_nothing",),
    ),
    (
        "SEC-23 host",
        _WEB + "guard.py",
        '        if headers.get("Host", "") not in self._hosts:',
        "        if False:",
        (_SAFETY + "test_another_name_of_this_computer_is_refused",),
    ),
    (
        "SEC-23 origin",
        _WEB + "guard.py",
        '        if headers.get("Origin") not in self._origins:',
        "        if False:",
        (_SAFETY + "test_another_site_changes_nothing",),
    ),
    (
        "SEC-23 loopback",
        _WEB + "server.py",
        "bind_sockets(port, ADDRESS, reuse_port=False)",
        'bind_sockets(port, "0.0.0.0", reuse_port=False)',
        (_SAFETY + "test_it_listens_on_this_computers_own_address_alone",),
    ),
    (
        "SEC-23 writer",
        _WEB + "pages.py",
        "        if page != self._writer:",
        "        if False:",
        (_SAFETY + "test_one_page_acts_and_another_may_take_over",),
    ),
    (
        "SEC-23 once",
        _WEB + "pages.py",
        "        known = self._answers.get(key)",
        "        known = None",
        (_SAFETY + "test_what_has_one_number_is_done_once",),
    ),
    (
        "SEC-24",
        _WEB + "guard.py",
        "script-src 'self';",
        "script-src 'self' 'unsafe-inline';",
        (_SAFETY + "test_every_answer_has_the_strict_headers",),
    ),
    (
        "HOST-28",
        _WEB + "live.py",
        '        done.table["for"] = f"{self.now_us - event.at_us} us"',
        "        pass",
        (_REPLAY + "test_what_was_done_replays_to_the_same_trace",),
    ),
    (
        "HOST-29",
        "host_tools/thecal/simulation/pump.py",
        "        return self.onlooker.status()",
        "        return self.client.status()",
        (_REPLAY + "test_who_looks_on_changes_no_record",),
    ),
)
