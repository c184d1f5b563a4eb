"""An emulated pump and its bench."""
