"""What a pump answers, as typed values."""
