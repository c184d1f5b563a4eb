"""The drug library: what is known of drugs, versioned and signed. docs/reference/library.md.

model       a library file, read strictly
signing     canonical bytes, digest, Ed25519
store       which library is in use, whose keys are trusted
rules       what the library says of a therapy: warnings, soft and hard limits
section     the part of a program that carries it to the pump
commands    `thecal library`
"""
