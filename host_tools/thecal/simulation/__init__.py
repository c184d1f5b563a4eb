"""A therapy and what happens to it, carried out by the real firmware in virtual time."""
