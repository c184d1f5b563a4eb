from host.cli.conftest import quick_thecal, thecal  # noqa: F401
