"""Nothing from outside is trusted: hostile devices, hostile files, hostile text, closed streams."""
