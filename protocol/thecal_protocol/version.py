"""The version of thecal: firmware, host tools and package have this one, and no other file states it.

pyproject.toml takes it from here, and so does the pump for its answer to a host."""

VERSION = "0.1.0"
