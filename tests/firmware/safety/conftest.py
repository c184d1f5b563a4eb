from support.one_pump import emulator  # noqa: F401
