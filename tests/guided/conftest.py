from cli.conftest import blank, pump, quick_thecal, thecal  # noqa: F401
