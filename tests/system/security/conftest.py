from .gates import client, pump  # noqa: F401
