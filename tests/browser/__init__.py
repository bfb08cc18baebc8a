"""The widget and the pages in a real browser."""
