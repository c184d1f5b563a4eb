from support.one_pump import emulator, pump  # noqa: F401
