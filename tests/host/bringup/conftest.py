from host.cli.conftest import blank, quick_thecal  # noqa: F401
