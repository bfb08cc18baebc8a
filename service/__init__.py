"""Online half: one question becomes one cited answer."""
