"""A therapy: read from a file, judged, worked out, and put on the wire."""
