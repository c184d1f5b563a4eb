"""What a user sees is tried through the command line."""

from host.cli.conftest import quick_thecal  # noqa: F401
